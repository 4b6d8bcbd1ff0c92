// SPDX-License-Identifier: Apache-2.0
// instruction_counts: runs each case so that callgrind dumps its instructions under its name, and
// prints what they depend on besides the source, and how often each case did its operation.
#include <gnu/libc-version.h>
#include <hwy/highway.h>
#include <valgrind/callgrind.h>

#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>

#include "benchmarks/instructions/cases.h"
#include "kernels/kernels.h"
#include "server/clock.h"

namespace thriftscore::benchmarks {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kWarmUps = 3;  // lazy binding, buffers that grow, the newest answer of a look-up
constexpr std::size_t kRuns = 4;

/// valgrind knows AVX2, but no AVX-512: the best target of a machine is not the same under it.
constexpr std::string_view kTarget = "avx2";

std::string compiler() {
#if defined(__clang__)
  return "Clang " + std::to_string(__clang_major__);
#else
  return "GCC " + std::to_string(__GNUC__);
#endif
}

/// Whether time is read from the processor, or asked of the system, which takes more.
bool reads_counter() {
#if defined(__x86_64__)
  return server::CounterRate::measured().scaled_ns != 0;
#else
  return false;
#endif
}

/// What counts depend on: those of the same facts are the same but for what was changed.
Json facts() {
  return {{"target", kernels::active_target()},
          {"compiler", compiler()},
          {"highway", std::to_string(HWY_MAJOR) + "." + std::to_string(HWY_MINOR)},
          {"libc", std::string("glibc ") + ::gnu_get_libc_version()},
          {"clock", reads_counter() ? "counter" : "system"}};
}

void count(const Case& counted) {
  for (int i = 0; i < kWarmUps; ++i) counted.run();
  CALLGRIND_TOGGLE_COLLECT;
  for (std::size_t i = 0; i < kRuns; ++i) counted.run();
  CALLGRIND_TOGGLE_COLLECT;
  CALLGRIND_DUMP_STATS_AT(counted.name.c_str());
}

Json count_all(const std::vector<Case>& cases) {
  Json operations;
  for (const Case& counted : cases) {
    count(counted);
    operations[counted.name] = kRuns * counted.operations;
  }
  return operations;
}

void run() {
  static_cast<void>(kernels::select_target(kTarget));  // or what is there; the facts tell
  std::vector<Case> cases = request_cases();
  for (Case& kernel : kernel_cases()) cases.push_back(std::move(kernel));
  const Json report{{"facts", facts()}, {"operations", count_all(cases)}};
  std::cout << report.dump() << '\n';
}

}  // namespace
}  // namespace thriftscore::benchmarks

int main() {
  try {
    thriftscore::benchmarks::run();
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
}
