// SPDX-License-Identifier: Apache-2.0
#include "server/comparison.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace thriftscore::server {
namespace {

/** What of a double tells its bucket: the sign, which is 0, the exponent and five bits more. */
constexpr int kBucketShift = 52 - 5;

std::uint32_t bucket_of(double value) noexcept {
  return static_cast<std::uint32_t>(std::bit_cast<std::uint64_t>(value) >> kBucketShift);
}

double middle_of(std::uint32_t bucket) noexcept {
  if (bucket == 0) return 0;
  const std::uint64_t first = std::uint64_t{bucket} << kBucketShift;
  const auto low = std::bit_cast<double>(first);
  return std::isinf(low) ? low : std::bit_cast<double>(first + (1ULL << (kBucketShift - 1)));
}

}  // namespace

void DifferenceHistogram::record(double difference) {
  ++buckets_[bucket_of(std::fabs(difference))];
  ++count_;
  sum_ += difference;
  max_ = std::max(max_, difference);
}

double DifferenceHistogram::mean() const noexcept {
  return count_ == 0 ? 0 : static_cast<double>(sum_ / static_cast<long double>(count_));
}

double DifferenceHistogram::quantile(double fraction) const noexcept {
  const double wanted = std::max(1.0, std::ceil(fraction * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (const auto& [bucket, count] : buckets_) {
    seen += count;
    if (static_cast<double>(seen) >= wanted) return std::min(middle_of(bucket), max_);
  }
  return 0;
}

Comparison::Comparison(std::string model_name, const ComparedVersion& served,
                       const ComparedVersion& shadow)
    : model_name_(std::move(model_name)),
      served_version_(served.version),
      shadow_version_(shadow.version),
      served_(served.model),
      shadow_(shadow.model) {}

void Comparison::drop(std::size_t rows) noexcept {
  dropped_.fetch_add(rows, std::memory_order_relaxed);
}

void Comparison::fail(std::size_t rows) noexcept {
  failed_.fetch_add(rows, std::memory_order_relaxed);
}

void Comparison::record(std::span<const double> differences) {
  const std::scoped_lock lock(mutex_);
  rows_ += differences.size();
  for (const double difference : differences) {
    if (!std::isnan(difference)) histogram_.record(difference);
  }
}

DifferenceFigures Comparison::figures() const {
  const std::scoped_lock lock(mutex_);
  return {.rows = rows_,
          .dropped_rows = dropped_.load(),
          .failed_rows = failed_.load(),
          .max = histogram_.max(),
          .mean = histogram_.mean(),
          .p50 = histogram_.quantile(0.5),
          .p90 = histogram_.quantile(0.9),
          .p99 = histogram_.quantile(0.99)};
}

}  // namespace thriftscore::server
