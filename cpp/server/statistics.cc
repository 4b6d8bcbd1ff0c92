// SPDX-License-Identifier: Apache-2.0
#include "server/statistics.h"

#include <algorithm>

namespace thriftscore::server {
namespace {

CallStatistics& entry(CallStatisticsMap& calls, const CallKind& kind) {
  auto& statistics = calls[kind];
  if (statistics == nullptr) statistics = std::make_unique<CallStatistics>();
  return *statistics;
}

}  // namespace

void CallStatistics::record(const CallTimes& times, std::size_t rows_scored) noexcept {
  decode.record(times.decode);
  queue.record(times.queue);
  compute.record(times.compute);
  encode.record(times.encode);
  total.record(times.total);
  rows.add(rows_scored);
  last_ended.store(times.ended, std::memory_order_relaxed);
}

void CallStatistics::merge(const CallStatistics& other) noexcept {
  decode.merge(other.decode);
  queue.merge(other.queue);
  compute.merge(other.compute);
  encode.merge(other.encode);
  total.merge(other.total);
  rows.add(other.rows.value());
  executions.add(other.executions.value());
  last_ended = std::max(last_ended.load(), other.last_ended.load());
}

CallStatistics& StatisticsShard::of(const CallKind& kind) {
  const std::scoped_lock lock(mutex_);
  return entry(calls_, kind);
}

void StatisticsShard::merge_into(CallStatisticsMap& into) const {
  const std::scoped_lock lock(mutex_);
  for (const auto& [kind, statistics] : calls_) entry(into, kind).merge(*statistics);
}

}  // namespace thriftscore::server
