// SPDX-License-Identifier: Apache-2.0
// An event loop's own copy of the catalog, with the statistics of each version at hand.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/catalog.h"
#include "server/statistics.h"

namespace thriftscore::server {

/** A version as one loop sees it. */
struct LoopVersion {
  std::shared_ptr<const ServedVersion> served;
  /** The counts of successful calls, made at the first of each method. */
  std::array<CallStatistics*, kMethodNames.size()> successes{};
};

/** For one thread, but for statistics(), which any thread may merge. */
class CatalogView {
 public:
  explicit CatalogView(const Catalog& catalog) : catalog_(catalog) { refresh(); }

  /** True if the catalog has published since the last refresh(). */
  bool stale() const noexcept { return catalog_.generation() != generation_; }

  /** What serves `model` under `version`; nullptr if nothing does. Valid until refresh(). */
  LoopVersion* find(std::string_view model, std::string_view version);

  CallStatistics& successes(LoopVersion& version, Method method);
  CallStatistics& failures(const LoopVersion& version, Method method, wire::ErrorCode code) {
    return statistics_.of({version.served, method, code});
  }

  /** Takes over the catalog's newest snapshot and forgets versions that are gone. */
  void refresh();

  const StatisticsShard& statistics() const noexcept { return statistics_; }

 private:
  const Catalog& catalog_;
  std::uint64_t generation_ = 0;
  TextMap<TextMap<LoopVersion*>> names_;
  std::vector<std::unique_ptr<LoopVersion>> versions_;
  StatisticsShard statistics_;
  // The newest answer of find(): most requests name what the one before named.
  std::string last_model_;
  std::string last_version_;
  LoopVersion* last_ = nullptr;
};

}  // namespace thriftscore::server
