// SPDX-License-Identifier: Apache-2.0
// A histogram of durations with bounded relative error, written by one thread and read by any.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "server/clock.h"

namespace thriftscore::server {

/**
 * Counts durations in buckets that are 1/32 of a power of two wide, so that a quantile, reported
 * as the middle of its bucket, is within 1.6 % of the true one. Range: 0 ns to 18 minutes; longer
 * ones count as the longest. One writer; concurrent readers see each count whole, and a snapshot
 * taken while writing goes on may miss the newest durations.
 */
class LatencyHistogram {
 public:
  static constexpr std::size_t kSubBuckets = 32;
  static constexpr std::size_t kLinear = 2 * kSubBuckets;  // durations below are exact
  static constexpr int kMaxBits = 40;
  static constexpr std::size_t kBuckets = kLinear + (kMaxBits - 6) * kSubBuckets;

  void record(Nanoseconds duration) noexcept {
    const auto value = static_cast<std::uint64_t>(std::clamp<Nanoseconds>(duration, 0, kLongest));
    add(buckets_[bucket_of(value)], 1);
    add(count_, 1);
    add(sum_, value);
    if (value > max_.load(std::memory_order_relaxed)) max_.store(value, std::memory_order_relaxed);
  }

  std::uint64_t count() const noexcept { return count_.load(std::memory_order_relaxed); }
  std::uint64_t sum_ns() const noexcept { return sum_.load(std::memory_order_relaxed); }
  std::uint64_t max_ns() const noexcept { return max_.load(std::memory_order_relaxed); }

  /** Adds what `other` has counted. This histogram must not be written by another thread. */
  void merge(const LatencyHistogram& other) noexcept {
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
      add(buckets_[bucket], other.buckets_[bucket].load(std::memory_order_relaxed));
    }
    add(count_, other.count());
    add(sum_, other.sum_ns());
    max_.store(std::max(max_ns(), other.max_ns()), std::memory_order_relaxed);
  }

  /** The duration that `fraction` (0 to 1) of all recorded ones do not exceed; 0 if none is. */
  std::uint64_t quantile_ns(double fraction) const noexcept {
    const auto wanted = static_cast<std::uint64_t>(fraction * static_cast<double>(count()));
    std::uint64_t seen = 0;
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
      seen += buckets_[bucket].load(std::memory_order_relaxed);
      if (seen > wanted || (seen == wanted && seen == count() && seen != 0)) {
        return std::min(middle_of(bucket), max_ns());
      }
    }
    return 0;
  }

  /** Calls `visit` with the middle and the count of each bucket that is not empty. */
  template <typename Visit>
  void for_each_bucket(Visit visit) const {
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
      const auto count = buckets_[bucket].load(std::memory_order_relaxed);
      if (count != 0) visit(middle_of(bucket), count);
    }
  }

  static constexpr std::size_t bucket_of(std::uint64_t value) noexcept {
    if (value < kLinear) return static_cast<std::size_t>(value);
    const int shift = static_cast<int>(std::bit_width(value)) - 6;
    const auto octave = static_cast<std::size_t>(shift) * kSubBuckets;
    return octave + static_cast<std::size_t>(value >> shift);
  }

  static constexpr std::uint64_t middle_of(std::size_t bucket) noexcept {
    if (bucket < kLinear) return bucket;
    const std::size_t shift = bucket / kSubBuckets - 1;
    const std::uint64_t first = (kSubBuckets + bucket % kSubBuckets) << shift;
    return first + ((std::uint64_t{1} << shift) >> 1);
  }

 private:
  static constexpr Nanoseconds kLongest = (Nanoseconds{1} << kMaxBits) - 1;

  // One writer, so a load and a store do; a locked read-modify-write would cost ten times as much.
  static void add(std::atomic<std::uint64_t>& counter, std::uint64_t amount) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }

  std::array<std::atomic<std::uint64_t>, kBuckets> buckets_{};
  std::atomic<std::uint64_t> count_{0};
  std::atomic<std::uint64_t> sum_{0};
  std::atomic<std::uint64_t> max_{0};
};

}  // namespace thriftscore::server
