// SPDX-License-Identifier: Apache-2.0
// An event loop's own copy of the catalog, with the statistics of each version at hand.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/catalog.h"
#include "server/shadow_scorer.h"
#include "server/split.h"
#include "server/statistics.h"
#include "wire/messages.h"

namespace thriftscore::server {

/** A version as one loop sees it. */
struct LoopVersion {
  std::shared_ptr<const ServedVersion> served;
  /** The counts of successful calls, made at the first of each method. */
  std::array<CallStatistics*, kMethodNames.size()> successes{};
};

/** What answers a request. */
struct LoopChoice {
  LoopVersion* version = nullptr;
  /** With the version that scores the same rows; mostly there is none. */
  std::shared_ptr<Comparison> comparison;
};

/** What answers the requests that name no version, where weights spread them. */
struct LoopSplit {
  Split split;
  std::vector<LoopChoice> choices;
};

/** Something that a request may name. */
struct LoopTarget {
  LoopChoice choice;
  std::unique_ptr<LoopSplit> split;  // instead of `choice`; mostly there is none
};

/** For one thread, but for statistics(), which any thread may merge. */
class CatalogView {
 public:
  CatalogView(const Catalog& catalog, ShadowScorer& shadows)
      : catalog_(catalog), shadows_(shadows) {
    refresh();
  }

  /** True if the catalog has published since the last refresh(). */
  bool stale() const noexcept { return catalog_.generation() != generation_; }

  /**
   * What answers a request with `context` for `version` of `model`; nullptr if nothing does.
   * Valid until refresh(). Asked again for the same request it says the same, until
   * next_request().
   */
  const LoopChoice* find(std::string_view model, std::string_view version,
                         const std::optional<wire::RequestContext>& context) {
    const LoopTarget* const target = find_target(model, version);
    if (target == nullptr) return nullptr;
    if (target->split == nullptr) [[likely]]
      return &target->choice;
    return &choose(*target->split, context);
  }
  void next_request() noexcept { draws_.next(); }

  CallStatistics& successes(LoopVersion& version, Method method);
  CallStatistics& failures(const LoopVersion& version, Method method, wire::ErrorCode code) {
    return statistics_.of({version.served, method, code});
  }

  /** Takes over the catalog's newest snapshot and forgets versions that are gone. */
  void refresh();

  const StatisticsShard& statistics() const noexcept { return statistics_; }

 private:
  using Made = std::unordered_map<const ServedVersion*, LoopVersion*>;

  LoopChoice choice_of(const PublishedModel& model,
                       const std::shared_ptr<const ServedVersion>& served, Made& made);
  LoopVersion* of(const std::shared_ptr<const ServedVersion>& served, Made& made);
  std::unique_ptr<LoopSplit> split_of(const PublishedModel& model, Made& made);
  const LoopTarget* find_target(std::string_view model, std::string_view version);
  const LoopChoice& choose(const LoopSplit& split,
                           const std::optional<wire::RequestContext>& context) const noexcept;

  const Catalog& catalog_;
  ShadowScorer& shadows_;
  std::uint64_t generation_ = 0;
  TextMap<TextMap<LoopTarget>> names_;
  std::vector<std::unique_ptr<LoopVersion>> versions_;
  StatisticsShard statistics_;
  Draws draws_;
  // The newest answer of find_target(): most requests name what the one before named.
  std::string last_model_;
  std::string last_version_;
  const LoopTarget* last_ = nullptr;
};

}  // namespace thriftscore::server
