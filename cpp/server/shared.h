// SPDX-License-Identifier: Apache-2.0
// What all event loops of one server share.
#pragma once

#include <atomic>
#include <mutex>

#include "server/catalog.h"
#include "server/compute_pool.h"
#include "server/deferred_calls.h"
#include "server/options.h"
#include "server/statistics.h"
#include "wire/types.h"

namespace thriftscore::server {

/** The statistics of calls that the compute pool finished: many writers, so with a lock. */
class PoolStatistics {
 public:
  template <typename Record>
  void record(const CallKind& kind, Record record) {
    const std::scoped_lock lock(mutex_);
    record(shard_.of(kind));
  }
  template <typename Keep>
  void retain(Keep keep) {
    const std::scoped_lock lock(mutex_);
    shard_.retain(keep);
  }
  void merge_into(CallStatisticsMap& into) const { shard_.merge_into(into); }

 private:
  std::mutex mutex_;
  StatisticsShard shard_;
};

struct Shared {
  Shared(ServerOptions options_in, const wire::Limits& limits_in, std::size_t compute_threads)
      : options(std::move(options_in)),
        limits(limits_in),
        deferred(options.deferred_calls_max),
        compute(compute_threads, options.compute_jobs_max) {}

  const ServerOptions options;
  const wire::Limits limits;
  Catalog catalog;
  DeferredCalls deferred;
  PoolStatistics pool_statistics;
  std::atomic<bool> serving{true};  // what ping says
  ComputePool compute;               // last: its threads use what is above
};

}  // namespace thriftscore::server
