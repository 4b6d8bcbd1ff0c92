// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "server/latency_histogram.h"

namespace thriftscore::testing {
namespace {

using server::LatencyHistogram;
using server::Nanoseconds;

constexpr double kFractions[] = {0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0};

/// Durations over eight powers of ten, as many small ones as large ones.
std::vector<Nanoseconds> durations(std::size_t count, unsigned seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> exponent(0, 11);
  std::vector<Nanoseconds> values(count);
  for (auto& value : values) value = static_cast<Nanoseconds>(std::pow(10, exponent(random)));
  return values;
}

void expect_quantiles(const LatencyHistogram& histogram, std::vector<Nanoseconds> values) {
  std::sort(values.begin(), values.end());
  for (const double fraction : kFractions) {
    const auto rank = static_cast<std::size_t>(fraction * static_cast<double>(values.size()));
    const auto exact = static_cast<double>(values[std::min(rank, values.size() - 1)]);
    EXPECT_NEAR(static_cast<double>(histogram.quantile_ns(fraction)), exact, 0.016 * exact + 1)
        << fraction;
  }
}

TEST(LatencyHistogram, HasQuantilesWithinTwoPercent) {
  for (const unsigned seed : {1U, 2U, 3U}) {
    for (const std::size_t count : {1U, 2U, 10U, 1000U, 100'000U}) {
      const auto values = durations(count, seed);
      LatencyHistogram histogram;
      for (const auto value : values) histogram.record(value);
      expect_quantiles(histogram, values);
      EXPECT_EQ(histogram.count(), count);
      EXPECT_EQ(histogram.max_ns(),
                static_cast<std::uint64_t>(*std::max_element(values.begin(), values.end())));
    }
  }
}

TEST(LatencyHistogram, MergesIntoTheHistogramOfAll) {
  const auto some = durations(5'000, 4);
  const auto others = durations(300, 5);
  LatencyHistogram merged;
  LatencyHistogram other;
  for (const auto value : some) merged.record(value);
  for (const auto value : others) other.record(value);
  merged.merge(other);
  auto all = some;
  all.insert(all.end(), others.begin(), others.end());
  expect_quantiles(merged, all);
  EXPECT_EQ(merged.count(), all.size());
  std::uint64_t sum = 0;
  for (const auto value : all) sum += static_cast<std::uint64_t>(value);
  EXPECT_EQ(merged.sum_ns(), sum);
}

TEST(LatencyHistogram, TakesAnythingForADuration) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.quantile_ns(0.5), 0U);
  histogram.record(-5);
  EXPECT_EQ(histogram.quantile_ns(1), 0U);
  histogram.record(std::numeric_limits<Nanoseconds>::max());
  EXPECT_GT(histogram.quantile_ns(1), std::uint64_t{1'000'000'000'000});  // the longest it tells
  EXPECT_EQ(histogram.count(), 2U);
}

TEST(LatencyHistogram, HasEveryValueInABucketWhoseMiddleIsNear) {
  for (std::uint64_t value = 0; value < (std::uint64_t{1} << 40); value += 1 + value / 97) {
    const auto bucket = LatencyHistogram::bucket_of(value);
    ASSERT_LT(bucket, LatencyHistogram::kBuckets);
    const auto middle = static_cast<double>(LatencyHistogram::middle_of(bucket));
    ASSERT_NEAR(middle, static_cast<double>(value), 0.016 * static_cast<double>(value)) << value;
  }
}

}  // namespace
}  // namespace thriftscore::testing
