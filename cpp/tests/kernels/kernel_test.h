// SPDX-License-Identifier: Apache-2.0
// What the tests of every kernel share: both value types, every target, random values, distances.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace thriftscore::kernels {

template <typename T>
class KernelTest : public testing::Test {
 protected:
  static constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
  static constexpr T kInfinity = std::numeric_limits<T>::infinity();
  static constexpr T kDenormal = std::numeric_limits<T>::denorm_min();
  static constexpr T kLargest = std::numeric_limits<T>::max();
  static constexpr T kEpsilon = std::numeric_limits<T>::epsilon() / 2;

  void TearDown() override { ASSERT_TRUE(select_target(available_targets().back())); }

  // Runs check(kernels) with each target this CPU has.
  template <typename Check>
  void with_every_target(Check check) {
    for (const std::string_view target : available_targets()) {
      SCOPED_TRACE(std::string(target));
      ASSERT_TRUE(select_target(target));
      check(active<T>());
      if (this->HasFatalFailure()) return;
    }
  }

  std::vector<T> random_values(std::size_t count, double lowest = -4, double highest = 4) {
    std::uniform_real_distribution<double> distribution(lowest, highest);
    std::vector<T> values(count);
    for (T& value : values) value = static_cast<T>(distribution(random_));
    return values;
  }

 private:
  std::mt19937_64 random_{20240229};
};

using ValueTypes = testing::Types<float, double>;

// |actual - exact| in units in the last place of `exact` rounded to T; 0 when both are the same
// NaN or infinity.
template <typename T>
long double ulp_distance(T actual, long double exact) {
  const T rounded = static_cast<T>(exact);
  if (std::isnan(rounded) && std::isnan(actual)) return 0;
  if (rounded == actual) return 0;
  if (!std::isfinite(rounded) || !std::isfinite(actual)) return HUGE_VALL;
  const T magnitude = std::abs(rounded);
  const T next = std::nextafter(magnitude, T{0}) == magnitude
                     ? std::numeric_limits<T>::denorm_min()
                     : magnitude - std::nextafter(magnitude, T{0});
  return std::abs(static_cast<long double>(actual) - exact) / next;
}

}  // namespace thriftscore::kernels
