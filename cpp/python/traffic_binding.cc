// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "python/arrays.h"
#include "python/bindings.h"
#include "python/free_gil.h"
#include "server/shadow_scorer.h"
#include "server/split.h"

namespace thriftscore::python {
namespace {

using server::Comparison;
using server::ShadowScorer;

/** A version as Python names it: its number and its model. */
using Version = std::pair<std::int64_t, std::shared_ptr<Model>>;

std::size_t pick(const server::Split& split, std::string_view request_id) {
  thread_local server::Draws draws;
  draws.next();
  return split.pick(request_id, draws);
}

std::shared_ptr<ShadowScorer> make_scorer(std::size_t requests_max, std::size_t bytes_max) {
  return std::make_shared<ShadowScorer>(server::ShadowLimits{requests_max, bytes_max});
}

std::shared_ptr<Comparison> comparison(ShadowScorer& scorer, const std::string& model_name,
                                       const Version& served, const Version& shadow) {
  const FreeGil free;  // may wait for an event loop that does the same
  return scorer.comparison(model_name, {std::to_string(served.first), served.second},
                           {std::to_string(shadow.first), shadow.second});
}

void offer(ShadowScorer& scorer, const std::shared_ptr<Comparison>& comparison, py::handle features,
           std::string_view datatype, py::handle scores) {
  const auto served = comparison->served();
  if (served == nullptr) return;
  const Type type = parse_datatype(datatype);
  const BufferView x(features, "features");
  const BufferView y(scores, "scores");
  const std::size_t rows = count_rows(x, type, served->columns(), "features");
  const auto answered = server::element_bytes(server::output_datatype(*served));
  if (y.size() != rows * served->outputs() * answered) {
    throw std::invalid_argument("scores: not those of the features");
  }
  const FreeGil free;  // copies both
  scorer.offer(comparison,
               {.model = served.get(),
                .datatype = type == Type::kFp32 ? wire::DataType::kFp32 : wire::DataType::kFp64,
                .rows = rows,
                .input = static_cast<const std::byte*>(x.data())},
               static_cast<const std::byte*>(y.data()));
}

py::list figures(const ShadowScorer& scorer, const std::string& model_name,
                 const std::shared_ptr<Model>& served) {
  using namespace pybind11::literals;
  py::list all;
  for (const auto& comparison : scorer.comparisons(model_name, served)) {
    const auto found = comparison->figures();
    all.append(py::dict("shadow_version"_a = comparison->shadow_version(), "rows"_a = found.rows,
                        "dropped_rows"_a = found.dropped_rows, "failed_rows"_a = found.failed_rows,
                        "max_difference"_a = found.max, "mean_difference"_a = found.mean,
                        "p50_difference"_a = found.p50, "p90_difference"_a = found.p90,
                        "p99_difference"_a = found.p99));
  }
  return all;
}

}  // namespace

void bind_traffic(py::module_& module) {
  py::class_<server::Split>(module, "Split")
      .def(py::init<const std::vector<std::uint32_t>&>(), py::arg("weights"))
      .def("pick", &pick, py::arg("request_id"));
  py::class_<Comparison, std::shared_ptr<Comparison>>(module, "Comparison")
      .def_property_readonly("shadow_version", &Comparison::shadow_version);
  py::class_<ShadowScorer, std::shared_ptr<ShadowScorer>>(module, "ShadowScorer")
      .def(py::init(&make_scorer), py::arg("requests_max"), py::arg("bytes_max"))
      .def("comparison", &comparison, py::arg("model_name"), py::arg("served"), py::arg("shadow"))
      .def("offer", &offer, py::arg("comparison"), py::arg("features"), py::arg("datatype"),
           py::arg("scores"))
      .def("figures", &figures, py::arg("model_name"), py::arg("served"))
      // Waits for the thread.
      .def("stop", &ShadowScorer::stop, py::call_guard<FreeGil>());
}

}  // namespace thriftscore::python
