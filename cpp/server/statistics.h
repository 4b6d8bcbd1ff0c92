// SPDX-License-Identifier: Apache-2.0
// What requests cost, by version, method and outcome.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <tuple>

#include "server/catalog.h"
#include "server/counters.h"
#include "server/latency_histogram.h"
#include "wire/replies.h"

namespace thriftscore::server {

/** The methods that are answered without Python. */
enum class Method : std::uint8_t {
  kScore,
  kScoreValues,
  kScoreSparse,
  kNormalize,
  kDenormalize,
  kInfer,
};
inline constexpr std::array<std::string_view, 6> kMethodNames{
    "score", "score_values", "score_sparse", "normalize", "denormalize", "infer"};

/** Where the time of one request went. */
struct CallTimes {
  Nanoseconds decode = 0;
  Nanoseconds queue = 0;
  Nanoseconds compute = 0;
  Nanoseconds encode = 0;
  Nanoseconds total = 0;
  Nanoseconds ended = 0;  // when, by now_ns()
};

/** One method of one version with one outcome. */
struct CallStatistics {
  LatencyHistogram decode, queue, compute, encode, total;
  Counter rows;
  Counter executions;  // calls of the kernels
  std::atomic<Nanoseconds> last_ended{0};

  /** Counts one request. For the writing thread. */
  void record(const CallTimes& times, std::size_t rows_scored) noexcept;
  void merge(const CallStatistics& other) noexcept;
};

/** Which calls a CallStatistics counts; no error code = success. */
struct CallKind {
  std::shared_ptr<const ServedVersion> served;
  Method method;
  std::optional<wire::ErrorCode> code;

  friend bool operator<(const CallKind& a, const CallKind& b) noexcept {
    return std::tuple(a.served.get(), a.method, a.code) <
           std::tuple(b.served.get(), b.method, b.code);
  }
};

using CallStatisticsMap = std::map<CallKind, std::unique_ptr<CallStatistics>>;

/** The statistics that one thread writes. Others may merge them at any time. */
class StatisticsShard {
 public:
  /**
   * The counts of `kind`, made at first use. The reference stays valid until the version is
   * dropped. For the writing thread.
   */
  CallStatistics& of(const CallKind& kind);

  /** Forgets the versions that `keep` refuses. For the writing thread. */
  template <typename Keep>
  void retain(Keep keep) {
    const std::scoped_lock lock(mutex_);
    std::erase_if(calls_, [&keep](const auto& entry) { return !keep(*entry.first.served); });
  }

  /** Adds all counts to `into`. For any thread. */
  void merge_into(CallStatisticsMap& into) const;

 private:
  mutable std::mutex mutex_;  // guards the shape of the map; counts are atomic
  CallStatisticsMap calls_;
};

}  // namespace thriftscore::server
