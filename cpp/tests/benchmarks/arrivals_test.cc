// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/rpc/arrivals.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace thriftscore::benchmarks {
namespace {

using server::Nanoseconds;

std::vector<Nanoseconds> take(Arrivals arrivals, std::size_t count) {
  std::vector<Nanoseconds> times;
  for (; times.size() < count; arrivals.advance()) times.push_back(arrivals.next());
  return times;
}

TEST(Arrivals, ConstantOnesAreEvenlySpacedWithoutDrift) {
  const auto times = take({ArrivalProcess::kConstant, 3.0, 0.0, 1}, 3'000'001);
  EXPECT_EQ(times[0], 0);
  EXPECT_EQ(times[1], 333'333'333);
  EXPECT_EQ(times[2], 666'666'666);
  EXPECT_EQ(times[3'000'000], 1'000'000 * Nanoseconds{1'000'000'000});
}

TEST(Arrivals, SharesOfARateInterleaveToTheWhole) {
  const auto first = take({ArrivalProcess::kConstant, 500.0, 0.0, 1}, 4);
  const auto second = take({ArrivalProcess::kConstant, 500.0, 1e6, 1}, 4);
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i], static_cast<Nanoseconds>(2 * i) * 1'000'000);
    EXPECT_EQ(second[i], static_cast<Nanoseconds>(2 * i + 1) * 1'000'000);
  }
}

// The gaps of a Poisson process are exponential: mean and standard deviation are equal, and a
// share of 1 - 1/e of the gaps is shorter than the mean. The bounds are five standard errors.
TEST(Arrivals, PoissonOnesHaveExponentialGaps) {
  constexpr std::size_t kCount = 200'000;
  constexpr double kMean = 1e5;
  const auto times = take({ArrivalProcess::kPoisson, 1e9 / kMean, 0.0, 7}, kCount + 1);
  double sum = 0;
  double squares = 0;
  std::size_t shorter = 0;
  for (std::size_t i = 1; i <= kCount; ++i) {
    const auto gap = static_cast<double>(times[i] - times[i - 1]);
    ASSERT_GE(gap, 0);
    sum += gap;
    squares += gap * gap;
    if (gap < kMean) ++shorter;
  }
  const double mean = sum / kCount;
  const double deviation = std::sqrt(squares / kCount - mean * mean);
  EXPECT_NEAR(mean, kMean, 5 * kMean / std::sqrt(kCount));
  EXPECT_NEAR(deviation, kMean, 5 * kMean * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(static_cast<double>(shorter) / kCount, 1 - std::exp(-1.0),
              5 * 0.5 / std::sqrt(kCount));
}

TEST(Arrivals, PoissonOnesDependOnTheSeedOnly) {
  const auto of = [](std::uint64_t seed) {
    return take({ArrivalProcess::kPoisson, 1000.0, 0.0, seed}, 100);
  };
  EXPECT_EQ(of(3), of(3));
  EXPECT_NE(of(3), of(4));
}

}  // namespace
}  // namespace thriftscore::benchmarks
