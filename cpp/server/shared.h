// SPDX-License-Identifier: Apache-2.0
// What all event loops of one server share.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#include "server/catalog.h"
#include "server/compute_pool.h"
#include "server/deferred_calls.h"
#include "server/options.h"
#include "server/shadow_scorer.h"
#include "server/statistics.h"
#include "wire/types.h"

namespace thriftscore::server {

/** The statistics of calls that the compute pool finished: many writers, so with a lock. */
class PoolStatistics {
 public:
  /** Calls `record` with the counts of `kind`, unless its version is served no longer. */
  template <typename Record>
  void record(const CallKind& kind, Record record) {
    const std::scoped_lock lock(mutex_);
    if (serves(*snapshot_, *kind.served)) record(shard_.of(kind));
  }
  /** Forgets the versions that `snapshot` does not have. */
  void retain(std::shared_ptr<const Snapshot> snapshot) {
    const std::scoped_lock lock(mutex_);
    snapshot_ = std::move(snapshot);
    shard_.retain([this](const ServedVersion& served) { return serves(*snapshot_, served); });
  }
  void merge_into(CallStatisticsMap& into) const { shard_.merge_into(into); }

 private:
  std::mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_ = std::make_shared<const Snapshot>();
  StatisticsShard shard_;
};

struct Shared {
  Shared(const ServerOptions& options_in, const wire::Limits& limits_in,
         std::size_t compute_threads, std::shared_ptr<ShadowScorer> shadows_in)
      : options(options_in),
        limits(limits_in),
        shadows(std::move(shadows_in)),
        deferred(options.deferred_calls_max, options.deferred_bytes_max),
        compute(compute_threads, options.compute_jobs_max) {}

  const ServerOptions options;
  const wire::Limits limits;
  const std::shared_ptr<ShadowScorer> shadows;
  Catalog catalog;
  DeferredCalls deferred;
  PoolStatistics pool_statistics;
  std::atomic<bool> serving{true};  // what ping says
  ComputePool compute;              // last: its threads use what is above
};

}  // namespace thriftscore::server
