// SPDX-License-Identifier: Apache-2.0
// A run as JSON for programs, or as a table for people.
#pragma once

#include <string>

#include "benchmarks/rpc/load_run.h"

namespace thriftscore::benchmarks {

/// What a report is made of.
struct LoadReport {
  const LoadOptions& options;
  const LoadCounts& counts;
  double measured_s = 0;          ///< time that throughput is a quotient of
  std::size_t request_bytes = 0;  ///< of one request, with its frame
  bool with_histogram = false;    ///< JSON: the buckets of the latency histogram as well
};

/// One object in one line. Latencies are in microseconds.
std::string to_json(const LoadReport& report);

/// One object in one line: how far a run has come, and its latencies once there are any.
std::string progress_line(const server::LatencyHistogram& latency, double measured_s);

/// Lines of a name and a value.
std::string to_table(const LoadReport& report);

}  // namespace thriftscore::benchmarks
