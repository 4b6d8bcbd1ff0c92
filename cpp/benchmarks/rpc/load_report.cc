// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/rpc/load_report.h"

#include <algorithm>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

namespace thriftscore::benchmarks {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kMicrosecond = 1e3;

std::string_view name_of(wire::Transport transport) noexcept {
  if (transport == wire::Transport::kHeader) return "header";
  return transport == wire::Transport::kFramed ? "framed" : "unframed";
}

Json settings_of(const LoadReport& report) {
  const LoadOptions& options = report.options;
  const RequestOptions& request = options.request;
  const bool is_open = options.mode == LoopMode::kOpen;
  const bool is_poisson = options.arrivals == ArrivalProcess::kPoisson;
  return {{"endpoint", options.endpoint},
          {"method", name_of(request.method)},
          {"model", request.model},
          {"rows", request.rows},
          {"features", request.features},
          {"datatype", request.datatype == wire::DataType::kFp64 ? "fp64" : "fp32"},
          {"transport", name_of(request.transport)},
          {"protocol", request.protocol == wire::Protocol::kCompact ? "compact" : "binary"},
          {"mode", is_open ? "open" : "closed"},
          {"arrivals", is_open ? Json(is_poisson ? "poisson" : "constant") : Json()},
          {"rate", is_open ? Json(options.rate) : Json()},
          {"connections", options.connections},
          {"depth", options.depth},
          {"threads", options.threads},
          {"poll", options.poll},
          {"check", options.check},
          {"seed", request.seed}};
}

Json latency_of(const server::LatencyHistogram& latency) {
  const auto at = [&](double fraction) {
    return static_cast<double>(latency.quantile_ns(fraction)) / kMicrosecond;
  };
  return {{"p50", at(0.5)},
          {"p90", at(0.9)},
          {"p99", at(0.99)},
          {"p99.9", at(0.999)},
          {"max", static_cast<double>(latency.max_ns()) / kMicrosecond}};
}

Json failures_of(const LoadCounts& counts) {
  Json failures = Json::object();
  for (std::size_t i = 0; i < kFailures; ++i) {
    if (counts.failures[i] != 0) failures[name_of(static_cast<Failure>(i))] = counts.failures[i];
  }
  return failures;
}

Json histogram_of(const LoadCounts& counts) {
  Json buckets = Json::array();
  counts.latency.for_each_bucket([&](std::uint64_t middle_ns, std::uint64_t count) {
    buckets.push_back(Json::array({static_cast<double>(middle_ns) / kMicrosecond, count}));
  });
  return buckets;
}

Json results_of(const LoadReport& report) {
  const LoadCounts& counts = report.counts;
  const auto per_s = [&](double amount) {
    return report.measured_s > 0 ? amount / report.measured_s : 0.0;
  };
  const auto replies = static_cast<double>(counts.replies);
  const bool has_rows = report.options.request.method != Method::kPing;
  const double rows = has_rows ? static_cast<double>(report.options.request.rows) : 0.0;
  return {{"measured_s", report.measured_s},
          {"requests", counts.latency.count()},
          {"errors", counts.failed()},
          {"failures", failures_of(counts)},
          {"mismatches", counts.mismatches},
          {"unsent", counts.unsent},
          {"lost_connections", counts.lost_connections},
          {"requests_per_s", per_s(replies)},
          {"rows_per_s", per_s(replies * rows)},
          {"bytes_in_per_s", per_s(static_cast<double>(counts.reply_bytes))},
          {"bytes_out_per_s", per_s(replies * static_cast<double>(report.request_bytes))},
          {"request_bytes", report.request_bytes},
          {"reply_bytes", counts.reply_bytes_last},
          {"latency_us", latency_of(counts.latency)},
          {"cpu_s", counts.cpu_s}};
}

std::string text_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_number_float()) return value.dump();
  std::ostringstream text;
  text << std::fixed << std::setprecision(1) << value.get<double>();
  return text.str();
}

void append_line(std::string& table, const std::string& name, const Json& value) {
  constexpr std::size_t kNameColumns = 24;
  table += name + std::string(kNameColumns - std::min(kNameColumns - 1, name.size()), ' ');
  table += text_of(value) + "\n";
}

}  // namespace

std::string to_json(const LoadReport& report) {
  Json object = settings_of(report);
  object.update(results_of(report));
  if (report.with_histogram) object["histogram_us"] = histogram_of(report.counts);
  return object.dump();
}

std::string progress_line(const server::LatencyHistogram& latency, double measured_s) {
  const Json line{{"measured_s", measured_s},
                  {"requests", latency.count()},
                  {"latency_us", latency.count() == 0 ? Json() : latency_of(latency)}};
  return line.dump();
}

std::string to_table(const LoadReport& report) {
  std::string table;
  const Json results = results_of(report);
  for (const auto& [name, value] : results.items()) {
    if (!value.is_object()) append_line(table, name, value);
    if (!value.is_object()) continue;
    for (const auto& [part, amount] : value.items())
      append_line(table, std::string(name).append(" ").append(part), amount);
  }
  return table;
}

}  // namespace thriftscore::benchmarks
