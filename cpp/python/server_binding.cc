// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "python/bindings.h"
#include "python/free_gil.h"
#include "server/memory.h"
#include "server/server.h"

namespace py = pybind11;

namespace thriftscore::python {
namespace {

using server::DeferredCall;
using server::Server;
using server::ServerOptions;

/** A call in Python's hands. Keeps the server alive, whose loop the reply goes to. */
class PendingCall {
 public:
  PendingCall(std::shared_ptr<Server> owner, std::shared_ptr<DeferredCall> call)
      : owner_(std::move(owner)), call_(std::move(call)) {}

  py::bytes message() const {
    const auto bytes = call_->message.bytes();
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::string protocol() const {
    return call_->protocol == wire::Protocol::kBinary ? "binary" : "compact";
  }
  std::int64_t waited_ns() const { return server::now_ns() - call_->received_ns; }

  void answer(const std::string_view reply) {
    if (call_ == nullptr) throw std::logic_error("the call has been answered");
    const auto call = std::exchange(call_, nullptr);
    const FreeGil free;  // the reply is copied and handed to a loop
    call->answer(std::as_bytes(std::span(reply)));
  }

 private:
  std::shared_ptr<Server> owner_;
  std::shared_ptr<DeferredCall> call_;
};

template <typename T>
void take(const py::dict& options, const char* name, T& into) {
  if (options.contains(name)) into = options[name].cast<T>();
}

ServerOptions parse_options(const py::dict& given) {
  ServerOptions options;
  take(given, "io_threads", options.io_threads);
  take(given, "busy_poll", options.busy_poll);
  take(given, "compute_threads", options.compute_threads);
  take(given, "inline_work_ns_max", options.inline_work_ns_max);
  take(given, "frame_bytes_max", options.frame_bytes_max);
  take(given, "message_bytes_max", options.message_bytes_max);
  take(given, "connections_max", options.connections_max);
  take(given, "unsent_bytes_pause", options.unsent_bytes_pause);
  take(given, "unsent_bytes_max", options.unsent_bytes_max);
  take(given, "message_timeout_ms", options.message_timeout_ms);
  take(given, "idle_timeout_ms", options.idle_timeout_ms);
  take(given, "write_timeout_ms", options.write_timeout_ms);
  take(given, "method_name_bytes_max", options.method_name_bytes_max);
  take(given, "nesting_max", options.nesting_max);
  take(given, "values_max", options.values_max);
  take(given, "sparse_cells_max", options.sparse_cells_max);
  take(given, "deferred_calls_max", options.deferred_calls_max);
  take(given, "deferred_bytes_max", options.deferred_bytes_max);
  take(given, "retry_after_ms", options.retry_after_ms);
  take(given, "compute_jobs_max", options.compute_jobs_max);
  return options;
}

/** One name under which a version can be requested. */
struct Target {
  std::string model;
  std::string name;
  std::int64_t version;
  std::shared_ptr<const Model> native;
};

/** Who gets the requests for a model that name no version. */
struct Traffic {
  std::string model;
  std::vector<std::pair<std::int64_t, std::uint32_t>> split;  // version, weight
  std::int64_t shadow;                                        // version; 0 = none
};

class Publisher {
 public:
  explicit Publisher(std::shared_ptr<Server> server) : server_(std::move(server)) {}

  /**
   * A version that was published before stays the same object, and keeps its statistics. The
   * versions in `traffic` must be among the targets.
   */
  void publish(const std::vector<Target>& targets, const std::vector<Traffic>& traffic) {
    auto snapshot = std::make_shared<server::Snapshot>();
    Served served;
    for (const auto& target : targets) {
      auto& version = served[{target.model, target.version}];
      if (version == nullptr) version = find_or_make(target);
      (*snapshot)[target.model].versions[target.name] = version;
    }
    for (const auto& [model, split, shadow] : traffic) {
      auto& published = (*snapshot)[model];
      for (const auto& [version, weight] : split) {
        published.split.push_back({served.at({model, version}), weight});
      }
      if (shadow != 0) published.shadow = served.at({model, shadow});
    }
    served_ = std::move(served);
    server_->publish(std::move(snapshot));
  }

 private:
  using Served =
      std::map<std::pair<std::string, std::int64_t>, std::shared_ptr<const server::ServedVersion>>;

  std::shared_ptr<const server::ServedVersion> find_or_make(const Target& target) const {
    const auto known = served_.find({target.model, target.version});
    if (known != served_.end() && known->second->model == target.native) return known->second;
    return std::make_shared<const server::ServedVersion>(
        server::ServedVersion{target.model, std::to_string(target.version), target.native});
  }

  std::shared_ptr<Server> server_;
  Served served_;
};

void publish(
    const std::shared_ptr<Publisher>& publisher,
    const std::vector<std::tuple<std::string, std::string, std::int64_t, std::shared_ptr<Model>>>&
        targets,
    const std::vector<std::tuple<std::string, std::vector<std::pair<std::int64_t, std::uint32_t>>,
                                 std::int64_t>>& traffic) {
  std::vector<Target> parsed;
  parsed.reserve(targets.size());
  for (const auto& [model, name, version, native] : targets) {
    parsed.push_back({model, name, version, native});
  }
  std::vector<Traffic> parsed_traffic;
  parsed_traffic.reserve(traffic.size());
  for (const auto& [model, split, shadow] : traffic) {
    parsed_traffic.push_back({model, split, shadow});
  }
  const FreeGil free;  // takes the catalog's lock
  publisher->publish(parsed, parsed_traffic);
}

std::optional<PendingCall> take_call(const std::shared_ptr<Server>& server,
                                     std::int64_t patience_ms) {
  std::shared_ptr<DeferredCall> call;
  {
    const FreeGil free;  // waits
    call = server->deferred().take(std::chrono::milliseconds(patience_ms));
  }
  if (call == nullptr) return std::nullopt;
  return PendingCall(server, std::move(call));
}

py::dict describe(const server::LatencyHistogram& histogram) {
  using namespace pybind11::literals;
  py::list buckets;
  histogram.for_each_bucket([&buckets](std::uint64_t middle_ns, std::uint64_t count) {
    buckets.append(py::make_tuple(middle_ns, count));
  });
  return py::dict("count"_a = histogram.count(), "sum_ns"_a = histogram.sum_ns(),
                  "max_ns"_a = histogram.max_ns(), "buckets"_a = buckets);
}

py::list statistics(const Server& server) {
  using namespace pybind11::literals;
  py::list calls;
  for (const auto& [kind, counts] : server.statistics()) {
    const auto code = kind.code ? static_cast<int>(*kind.code) : 0;
    calls.append(py::dict(
        "model"_a = kind.served->model_name, "version"_a = kind.served->version,
        "method"_a = server::kMethodNames[static_cast<std::size_t>(kind.method)], "code"_a = code,
        "rows"_a = counts->rows.value(), "executions"_a = counts->executions.value(),
        "since_last_ns"_a = server::now_ns() - counts->last_ended.load(),
        "decode"_a = describe(counts->decode), "queue"_a = describe(counts->queue),
        "compute"_a = describe(counts->compute), "encode"_a = describe(counts->encode),
        "total"_a = describe(counts->total)));
  }
  return calls;
}

py::dict counts(const Server& server) {
  using namespace pybind11::literals;
  const auto sum = server.counts();
  py::dict closed;
  for (std::size_t i = 1; i < sum.closed.size(); ++i) {
    closed[py::str(server::kCloseReasonNames[i])] = sum.closed[i];
  }
  py::dict refused;
  for (std::size_t i = 1; i < sum.refused.size(); ++i) {
    if (sum.refused[i] == 0) continue;
    refused[py::str(wire::name_of(static_cast<wire::Status>(i)))] = sum.refused[i];
  }
  return py::dict("connections"_a = sum.connections,
                  "connections_accepted"_a = sum.connections_accepted, "bytes_in"_a = sum.bytes_in,
                  "bytes_out"_a = sum.bytes_out, "calls_under_way"_a = sum.calls_under_way,
                  "deferred_calls"_a = sum.deferred_calls, "closed"_a = closed,
                  "refused"_a = refused);
}

}  // namespace

void bind_server(py::module_& module) {
  module.def("keep_freed_memory", &server::keep_freed_memory);
  py::class_<PendingCall>(module, "PendingCall")
      .def_property_readonly("message", &PendingCall::message)
      .def_property_readonly("protocol", &PendingCall::protocol)
      .def_property_readonly("waited_ns", &PendingCall::waited_ns)
      .def("answer", &PendingCall::answer, py::arg("reply"));
  py::class_<Publisher, std::shared_ptr<Publisher>>(module, "Publisher")
      .def(py::init<std::shared_ptr<Server>>(), py::arg("server"))
      .def("publish", &publish, py::arg("targets"), py::arg("traffic"));
  using Released = py::call_guard<FreeGil>;  // each of these waits for threads
  py::class_<Server, std::shared_ptr<Server>>(module, "Server")
      .def(py::init([](const py::dict& options, std::shared_ptr<server::ShadowScorer> shadows) {
             return std::make_shared<Server>(parse_options(options), std::move(shadows));
           }),
           py::arg("options"), py::arg("shadows").none(false))
      .def("adopt_listener", &Server::adopt_listener, py::arg("descriptor"))
      .def("start", &Server::start, Released())
      .def("set_serving", &Server::set_serving, py::arg("serving"))
      .def("begin_drain", &Server::begin_drain, Released())
      .def(
          "wait_drained",
          [](const Server& server, std::int64_t patience_ms) {
            return server.wait_drained(std::chrono::milliseconds(patience_ms));
          },
          py::arg("patience_ms"), Released())
      .def("stop", &Server::stop, Released())
      .def("take_call", &take_call, py::arg("patience_ms"))
      .def("counts", &counts)
      .def("statistics", &statistics)
      .def_property_readonly("connections_max", &Server::connections_max)
      .def_property_readonly("io_threads", &Server::io_threads);
}

}  // namespace thriftscore::python
