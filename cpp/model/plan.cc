// SPDX-License-Identifier: Apache-2.0
#include "model/plan.h"

#include <utility>
#include <variant>

namespace thriftscore {
namespace {

// A scale that a dense stage follows, as one stage; null where they are not that, or must not be.
template <typename T>
StagePointer<T> join(const StageSpec& first, const StageSpec& second) {
  const auto* scale = std::get_if<ScaleSpec>(&first.kind);
  const auto* dense = std::get_if<DenseSpec>(&second.kind);
  if (scale == nullptr || dense == nullptr) return nullptr;
  return make_scaled_dense<T>(*scale, *dense);
}

template <typename T>
StagePointer<T> make_stage(const StageSpec& spec) {
  if (const auto* scale = std::get_if<ScaleSpec>(&spec.kind)) return make_scale<T>(*scale);
  if (const auto* dense = std::get_if<DenseSpec>(&spec.kind)) return make_dense<T>(*dense);
  return make_link<T>(std::get<LinkSpec>(spec.kind).function, spec.columns);
}

bool does_nothing(const StageSpec& spec) {
  const auto* link = std::get_if<LinkSpec>(&spec.kind);
  return link != nullptr && link->function == LinkFunction::kIdentity;
}

}  // namespace

template <typename T>
std::vector<StagePointer<T>> make_plan(const Graph& graph) {
  std::vector<StagePointer<T>> plan;
  for (std::size_t i = 0; i < graph.stages.size(); ++i) {
    if (does_nothing(graph.stages[i]) && !plan.empty()) continue;
    StagePointer<T> joined =
        i + 1 < graph.stages.size() ? join<T>(graph.stages[i], graph.stages[i + 1]) : nullptr;
    if (joined != nullptr) ++i;
    plan.push_back(joined != nullptr ? std::move(joined) : make_stage<T>(graph.stages[i]));
  }
  return plan;
}

template std::vector<StagePointer<float>> make_plan(const Graph&);
template std::vector<StagePointer<double>> make_plan(const Graph&);

}  // namespace thriftscore
