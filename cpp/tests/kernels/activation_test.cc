// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "guarded_buffer.h"
#include "kernel_test.h"
#include "kernels/kernels.h"

namespace thriftscore::kernels {
namespace {

// What kernels.h promises.
template <typename T>
constexpr long double kSigmoidUlp = std::is_same_v<T, float> ? 2 : 3;
template <typename T>
constexpr long double kSoftmaxUlp = std::is_same_v<T, float> ? 2 : 4;
constexpr long double kExponentialUlp = 2;
constexpr long double kUnitUlp = 3;  // exponential_unit, complementary_log_log

// Far more digits than float needs in double, and than double needs in long double.
template <typename T>
using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;

template <typename T>
Wide<T> exact_exponential(T x) {
  return std::exp(Wide<T>{x});
}

template <typename T>
Wide<T> exact_sigmoid(T x) {
  const Wide<T> power = std::exp(-std::abs(Wide<T>{x}));
  return (x < 0 ? power : Wide<T>{1}) / (1 + power);
}

template <typename T>
Wide<T> exact_tanh(T x) {
  return std::tanh(Wide<T>{x});
}

template <typename T>
Wide<T> exact_softplus(T x) {
  return (x < 0 ? 0 : Wide<T>{x}) + std::log1p(std::exp(-std::abs(Wide<T>{x})));
}

template <typename T>
Wide<T> exact_complementary_log_log(T x) {
  return -std::expm1(-std::exp(Wide<T>{x}));
}

// SELU's constants (Klambauer et al. 2017).
template <typename T>
constexpr T kScale = static_cast<T>(1.0507009873554805);
template <typename T>
constexpr T kNegative = static_cast<T>(1.7580993408473766);

template <typename T>
Wide<T> exact_exponential_unit(T x) {
  return x > 0 ? Wide<T>{kScale<T>} * x : Wide<T>{kNegative<T>} * std::expm1(Wide<T>{x});
}

template <typename T>
std::vector<long double> exact_softmax(std::span<const T> row) {
  long double maximum = row[0];
  for (const T value : row) maximum = std::max<long double>(maximum, value);
  std::vector<long double> powers;
  long double total = 0;
  for (const T value : row) total += powers.emplace_back(std::exp(value - maximum));
  for (long double& power : powers) power /= total;
  return powers;
}

// Bit patterns all over the type, and points all over the range where the functions move.
template <typename T>
std::vector<T> sweep() {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  constexpr std::size_t kPoints = 400'000;
  constexpr T kRange = std::is_same_v<T, float> ? T{112} : T{770};
  std::vector<T> values;
  const Bits stride = std::numeric_limits<Bits>::max() / kPoints;
  for (std::size_t i = 0; i < kPoints; ++i) {
    values.push_back(std::bit_cast<T>(static_cast<Bits>(i * stride + i % 97)));
    values.push_back(kRange * (static_cast<T>(i) / (T{kPoints} / 2) - 1));
  }
  return values;
}

template <typename T>
class ActivationTest : public KernelTest<T> {
 protected:
  template <class Kernel>
  void expect_accurate(Kernel kernel, Wide<T> (*exact)(T), long double ulp_max) {
    const std::vector<T> x = sweep<T>();
    std::vector<T> y = x;
    kernel(y.data(), y.size());
    long double worst = 0;
    T worst_at = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const long double distance = ulp_distance(y[i], exact(x[i]));
      if (distance > worst) {
        worst = distance;
        worst_at = x[i];
      }
    }
    EXPECT_LE(worst, ulp_max) << "at " << worst_at;
    this->RecordProperty(std::string(active_target()), std::to_string(worst));
  }

  void expect_softmax(const Kernels<T>& kernels, const std::vector<T>& scores, std::size_t columns,
                      std::size_t gap = 0) {
    GuardedBuffer<T> y(scores, gap);
    kernels.softmax(y.data(), scores.size() / columns, columns);
    ASSERT_TRUE(y.intact()) << columns << " columns, gap " << gap;
    const std::vector<T> actual = y.values();
    for (std::size_t start = 0; start < scores.size(); start += columns) {
      const auto exact = exact_softmax(std::span(scores).subspan(start, columns));
      for (std::size_t c = 0; c < columns; ++c) {
        ASSERT_LE(ulp_distance(actual[start + c], exact[c]), kSoftmaxUlp<T>)
            << columns << " columns, column " << c << ", score " << scores[start + c];
      }
    }
  }
};
TYPED_TEST_SUITE(ActivationTest, ValueTypes);

TYPED_TEST(ActivationTest, ExponentialIsAccurateEverywhere) {
  this->with_every_target([&](const Kernels<TypeParam>& kernels) {
    this->expect_accurate(kernels.exponential, exact_exponential<TypeParam>, kExponentialUlp);
  });
}

TYPED_TEST(ActivationTest, SigmoidIsAccurateEverywhere) {
  this->with_every_target([&](const Kernels<TypeParam>& kernels) {
    this->expect_accurate(kernels.sigmoid, exact_sigmoid<TypeParam>, kSigmoidUlp<TypeParam>);
  });
}

TYPED_TEST(ActivationTest, TanhAndSoftplusAreAccurateEverywhere) {
  this->with_every_target([&](const Kernels<TypeParam>& kernels) {
    this->expect_accurate(kernels.tanh, exact_tanh<TypeParam>, kSigmoidUlp<TypeParam>);
    this->expect_accurate(kernels.softplus, exact_softplus<TypeParam>, kSigmoidUlp<TypeParam>);
  });
}

TYPED_TEST(ActivationTest, UnitsBuiltOnExponentialsAreAccurateEverywhere) {
  using T = TypeParam;
  this->with_every_target([&](const Kernels<T>& kernels) {
    this->expect_accurate(kernels.complementary_log_log, exact_complementary_log_log<T>, kUnitUlp);
    const auto selu = [&kernels](T* y, std::size_t count) {
      kernels.exponential_unit(kScale<T>, kNegative<T>, y, count);
    };
    this->expect_accurate(selu, exact_exponential_unit<T>, kUnitUlp);
  });
}

TYPED_TEST(ActivationTest, RectifiersAreExactEverywhere) {
  using T = TypeParam;
  this->with_every_target([&](const Kernels<T>& kernels) {
    this->expect_accurate(
        kernels.relu, +[](T x) { return Wide<T>{x < 0 ? 0 : x}; }, 0);
    const auto leaky = [&kernels](T* y, std::size_t count) {
      kernels.leaky_relu(T(0.25), y, count);
    };
    this->expect_accurate(
        leaky, +[](T x) { return Wide<T>{static_cast<T>(x < 0 ? x / 4 : x)}; }, 0);
  });
}

TYPED_TEST(ActivationTest, SpecialValuesFollowIeee) {
  using T = TypeParam;
  const T infinity = this->kInfinity;
  const std::vector<T> x = {this->kNan,     infinity,        -infinity,       T{0},    -T{0},
                            this->kLargest, -this->kLargest, this->kDenormal, T{1000}, -T{1000}};
  this->with_every_target([&](const Kernels<T>& kernels) {
    std::vector<T> y = x;
    kernels.exponential(y.data(), y.size());
    EXPECT_TRUE(std::isnan(y[0]));
    const std::vector<T> powers = {infinity, 0, 1, 1, infinity, 0, 1, infinity, 0};
    EXPECT_EQ(std::vector<T>(y.begin() + 1, y.end()), powers);
    y = x;
    kernels.sigmoid(y.data(), y.size());
    EXPECT_TRUE(std::isnan(y[0]));
    const std::vector<T> probabilities = {1, 0, T(0.5), T(0.5), 1, 0, T(0.5), 1, 0};
    EXPECT_EQ(std::vector<T>(y.begin() + 1, y.end()), probabilities);
    y = x;
    kernels.tanh(y.data(), y.size());
    EXPECT_TRUE(std::isnan(y[0]));
    EXPECT_TRUE(std::signbit(y[4]));
    const std::vector<T> tangents = {1, -1, 0, 0, 1, -1, this->kDenormal, 1, -1};
    EXPECT_EQ(std::vector<T>(y.begin() + 1, y.end()), tangents);
    y = x;
    kernels.relu(y.data(), y.size());
    EXPECT_TRUE(std::isnan(y[0]));
    EXPECT_EQ(y[2], 0);
  });
}

TYPED_TEST(ActivationTest, ResultDoesNotDependOnPositionCountOrAddress) {
  using T = TypeParam;
  const std::vector<T> x = this->random_values(70, -20, 20);
  this->with_every_target([&](const Kernels<T>& kernels) {
    for (const auto kernel : {kernels.exponential, kernels.sigmoid, kernels.relu, kernels.tanh,
                              kernels.softplus, kernels.complementary_log_log}) {
      std::vector<T> alone = x;
      for (T& value : alone) kernel(&value, 1);
      for (std::size_t count = 0; count <= x.size(); ++count) {
        GuardedBuffer<T> y(std::span<const T>(x).first(count), count % 64);
        kernel(y.data(), count);
        ASSERT_TRUE(y.intact()) << count << " values";
        ASSERT_EQ(y.values(), std::vector<T>(alone.begin(), alone.begin() + std::ssize(y.values())))
            << count << " values";
      }
    }
  });
}

TYPED_TEST(ActivationTest, SoftmaxIsAccurateForEveryTailRangeAndAddress) {
  this->with_every_target([&](const Kernels<TypeParam>& kernels) {
    for (std::size_t columns = 1; columns <= 70; ++columns) {
      for (const double range : {1.0, 30.0, 100.0, 1000.0}) {
        this->expect_softmax(kernels, this->random_values(3 * columns, -range, range), columns);
      }
      this->expect_softmax(kernels, this->random_values(columns), columns, columns % 64);
    }
    this->expect_softmax(kernels, this->random_values(2048, -30, 30), 1024);
  });
}

TYPED_TEST(ActivationTest, SoftmaxOfSpecialValuesFollowsTheFormula) {
  using T = TypeParam;
  const T infinity = this->kInfinity;
  this->with_every_target([&](const Kernels<T>& kernels) {
    for (const std::size_t columns : {3U, 8U, 21U}) {
      const std::vector<T> scores = this->random_values(columns);
      const auto softmax_with = [&](std::size_t column, T score) {
        std::vector<T> y = scores;
        y[column] = score;
        kernels.softmax(y.data(), 1, columns);
        return y;
      };
      for (std::size_t column = 0; column < columns; ++column) {
        for (const T score : {this->kNan, infinity}) {
          for (const T y : softmax_with(column, score)) ASSERT_TRUE(std::isnan(y)) << score;
        }
        ASSERT_EQ(softmax_with(column, -infinity)[column], 0);
        ASSERT_EQ(softmax_with(column, this->kLargest)[column], 1);
        ASSERT_EQ(softmax_with(column, -this->kLargest)[column], 0);
      }
      std::vector<T> nothing(columns, -infinity);
      kernels.softmax(nothing.data(), 1, columns);
      for (const T y : nothing) EXPECT_TRUE(std::isnan(y));
    }
    kernels.softmax(nullptr, 0, 3);
  });
}

}  // namespace
}  // namespace thriftscore::kernels
