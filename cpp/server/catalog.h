// SPDX-License-Identifier: Apache-2.0
// What is served: an immutable snapshot that the event loops read without locks.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/model.h"

namespace thriftscore::server {

/** One version of a model that requests can be answered with. Immutable. */
struct ServedVersion {
  std::string model_name;
  std::string version;  // the number as text, as replies name it
  std::shared_ptr<const Model> model;
};

/** Hashes std::string keys so that they can be looked up by std::string_view. */
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept {
    return std::hash<std::string_view>{}(text);
  }
};

template <typename Value>
using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

/** A version that gets a share of the requests that name none. */
struct WeightedVersion {
  std::shared_ptr<const ServedVersion> served;
  std::uint32_t weight;
};

/** The versions of one model. Immutable once it is published. */
struct PublishedModel {
  /** Version as a request may call it ("", "3", "stable") → what serves it. */
  TextMap<std::shared_ptr<const ServedVersion>> versions;
  /** Who gets requests that name no version, in an order that all servers have; empty = "". */
  std::vector<WeightedVersion> split{};
  /** Scores what requests that name no version were answered with, for comparison; or null. */
  std::shared_ptr<const ServedVersion> shadow{};
};

/** By name. */
using Snapshot = TextMap<PublishedModel>;

/** True if `snapshot` has this very version under any name. */
inline bool serves(const Snapshot& snapshot, const ServedVersion& served) {
  const auto model = snapshot.find(served.model_name);
  if (model == snapshot.end()) return false;
  const auto& versions = model->second.versions;
  return std::any_of(versions.begin(), versions.end(),
                     [&served](const auto& named) { return named.second.get() == &served; });
}

/**
 * Holds the current snapshot. Publishing is safe from any thread. A reader keeps the snapshot that
 * it has, compares generations before each use, and fetches the new one only after a change; so a
 * request that begins after publish() has returned sees what was published.
 */
class Catalog {
 public:
  void publish(std::shared_ptr<const Snapshot> snapshot) {
    const std::scoped_lock lock(mutex_);
    current_ = std::move(snapshot);
    generation_.fetch_add(1, std::memory_order_release);
  }

  std::uint64_t generation() const noexcept { return generation_.load(std::memory_order_acquire); }

  /** The current snapshot and its generation. */
  std::pair<std::shared_ptr<const Snapshot>, std::uint64_t> current() const {
    const std::scoped_lock lock(mutex_);
    return {current_, generation_.load(std::memory_order_relaxed)};
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot> current_ = std::make_shared<const Snapshot>();
  std::atomic<std::uint64_t> generation_{1};
};

}  // namespace thriftscore::server
