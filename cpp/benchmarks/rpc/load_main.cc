// SPDX-License-Identifier: Apache-2.0
// thriftscore_load: puts a server under load and says what it did.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <iostream>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "benchmarks/rpc/command_line.h"
#include "benchmarks/rpc/load_report.h"
#include "benchmarks/rpc/load_thread.h"

namespace thriftscore::benchmarks {
namespace {

/// What is not part of the load.
struct OutputOptions {
  bool json = false;
  bool histogram = false;
  bool progress = false;
  std::size_t print_requests = 0;
};

void add_request_options(CommandLine& line, RequestOptions& request) {
  line.choice("--method", request.method,
              {{"score", Method::kScore},
               {"score_values", Method::kScoreValues},
               {"score_named", Method::kScoreNamed},
               {"ping", Method::kPing}},
              "what is called");
  line.text("--model", request.model, "name of the model");
  line.count("--rows", request.rows, {0, 100'000'000}, "rows in a request of score");
  line.count("--features", request.features, {0, 10'000'000}, "values in a row");
  line.texts("--feature-name", request.feature_names,
             "a name for score_named, once for each feature (default: f0, f1, ...)");
  line.choice("--datatype", request.datatype,
              {{"fp32", wire::DataType::kFp32}, {"fp64", wire::DataType::kFp64}},
              "of the features of score");
  line.choice("--transport", request.transport,
              {{"framed", wire::Transport::kFramed},
               {"unframed", wire::Transport::kUnframed},
               {"header", wire::Transport::kHeader}},
              "how messages are delimited");
  line.choice("--protocol", request.protocol,
              {{"binary", wire::Protocol::kBinary}, {"compact", wire::Protocol::kCompact}},
              "how values are written");
}

void add_load_options(CommandLine& line, LoadOptions& options, std::size_t& seed) {
  line.text("--endpoint", options.endpoint, "where the server is: host:port or unix:/path");
  line.choice("--mode", options.mode, {{"closed", LoopMode::kClosed}, {"open", LoopMode::kOpen}},
              "closed: a request after each answer; open: requests at --rate, whatever comes back");
  line.real("--rate", options.rate, {1e-3, 1e8}, "open loop: requests a second in all");
  line.choice("--arrivals", options.arrivals,
              {{"constant", ArrivalProcess::kConstant}, {"poisson", ArrivalProcess::kPoisson}},
              "open loop: evenly spaced, or independent of one another");
  line.count("--connections", options.connections, {1, 100'000}, "connections in all");
  line.count("--depth", options.depth, {1, 65'536},
             "requests that may be without an answer on each connection");
  line.count("--threads", options.threads, {1, 256}, "loops that share the connections");
  line.real("--duration-s", options.duration_s, {0, 86'400},
            "time that is measured; 0 = until --requests are answered");
  line.real("--warmup-s", options.warmup_s, {0, 3'600}, "time before it that is discarded");
  line.count("--requests", options.requests, {0, std::size_t{1} << 40U},
             "end after as many measured requests; 0 = no limit");
  line.real("--timeout-s", options.timeout_s, {0.001, 3'600},
            "give up when no reply has come for so long");
  line.flag("--poll", options.poll, "never sleep: lowest latency, for a core of each thread");
  line.flag("--check", options.check,
            "hold each reply's ids, method and shape against its request");
  line.integer("--cpu", options.cpu, {-1, 1'023}, "pin thread i to processor cpu + i; -1 = do not");
  line.count("--seed", seed, {0, std::size_t{1} << 62U}, "of the values and the arrivals");
}

void add_output_options(CommandLine& line, OutputOptions& output) {
  line.flag("--json", output.json, "print one JSON object, not a table");
  line.flag("--histogram", output.histogram, "JSON: with [microseconds, count] of each bucket");
  line.flag("--progress", output.progress, "a line of JSON on standard error, twice a second");
  line.count("--print-requests", output.print_requests, {0, 1'000'000},
             "write the bytes of as many requests of one connection, and do not connect");
}

/// The bytes that the first connection would send.
void print_requests(const ConnectionPlan& plan, std::size_t count) {
  std::vector<std::byte> copy(plan.request->bytes().begin(), plan.request->bytes().end());
  for (std::size_t number = 0; number < count; ++number) {
    const RequestIds ids = ids_of(plan, 0, number);
    plan.request->patch(copy.data(), ids.sequence_id, ids.request_id);
    std::cout.write(reinterpret_cast<const char*>(copy.data()),
                    static_cast<std::streamsize>(copy.size()));
  }
}

/// Thousands of connections need more descriptors than the usual soft limit.
void raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

using LoadThreads = std::vector<std::unique_ptr<LoadThread>>;

/// Until `running` is 0.
void show_progress(const LoadThreads& threads, const std::atomic<std::size_t>& running,
                   const Schedule& schedule) {
  while (running.load() != 0) {
    server::LatencyHistogram latency;
    for (const auto& thread : threads) latency.merge(thread->latency());
    const double measured_s =
        static_cast<double>(server::steady_now_ns() - schedule.measured_from) / 1e9;
    std::cerr << progress_line(latency, std::max(measured_s, 0.0)) + '\n';
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
}

/// Runs all threads to their end; the first failure of one is thrown.
void run_all(const LoadThreads& threads, const Schedule& schedule, bool with_progress) {
  std::atomic<std::size_t> running = threads.size();
  std::exception_ptr failure;
  std::mutex failure_mutex;
  std::vector<std::thread> workers;
  for (const auto& thread : threads) {
    workers.emplace_back([&, load = thread.get()] {
      try {
        load->run(schedule);
      } catch (...) {
        const std::lock_guard lock(failure_mutex);
        failure = std::current_exception();
      }
      --running;
    });
  }
  if (with_progress) show_progress(threads, running, schedule);
  for (std::thread& worker : workers) worker.join();
  if (failure) std::rethrow_exception(failure);
}

/// The run is what was asked for if requests were answered, and all of them.
int status_of(const LoadCounts& counts) noexcept {
  const auto unanswered = counts.failures[static_cast<std::size_t>(Failure::kUnanswered)];
  const bool is_good = counts.latency.count() != 0 && counts.mismatches == 0 && unanswered == 0 &&
                       counts.lost_connections == 0;
  return is_good ? 0 : 1;
}

int run_load(const LoadOptions& options, const ConnectionPlan& plan, const OutputOptions& output) {
  const Endpoint endpoint = Endpoint::parse(options.endpoint);
  LoadThreads threads;
  for (std::size_t i = 0; i < options.threads; ++i) {
    threads.push_back(std::make_unique<LoadThread>(options, plan, i));
  }
  raise_descriptor_limit();
  for (const auto& thread : threads) thread->connect(endpoint);
  const Schedule schedule = Schedule::starting_at(server::steady_now_ns(), options);
  run_all(threads, schedule, output.progress);
  LoadCounts counts;
  for (const auto& thread : threads) counts.merge(thread->counts());
  const LoadReport report{options, counts, schedule.measured_s(counts), plan.request->size(),
                          output.histogram};
  std::cout << (output.json ? to_json(report) + '\n' : to_table(report)) << std::flush;
  return status_of(counts);
}

int run(std::span<const char* const> arguments) {
  LoadOptions options;
  OutputOptions output;
  std::size_t seed = 1;
  CommandLine line("thriftscore_load", "Puts a server under load and says what it did.");
  add_load_options(line, options, seed);
  add_request_options(line, options.request);
  add_output_options(line, output);
  if (!line.parse(arguments)) return 0;
  options.request.seed = seed;
  options.request.with_request_id = options.check;
  check(options);
  const RequestTemplate request(options.request);
  const ConnectionPlan plan{&request, options.request, options.connections, options.depth,
                            options.check};
  if (output.print_requests != 0) {
    print_requests(plan, output.print_requests);
    return 0;
  }
  return run_load(options, plan, output);
}

}  // namespace
}  // namespace thriftscore::benchmarks

int main(int count, char** values) {
  return thriftscore::benchmarks::run_program(count, values, thriftscore::benchmarks::run);
}
