// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

#include "guarded_buffer.h"
#include "kernel_test.h"
#include "kernels/kernels.h"

namespace thriftscore::kernels {
namespace {

template <typename T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

template <typename T>
class NormalizerTest : public KernelTest<T> {
 protected:
  enum class Direction { kForward, kInverse };

  // Runs in place and into another buffer, and demands the bits of the formula from both.
  void expect_exact(const Kernels<T>& kernels, std::size_t rows, std::size_t columns,
                    std::size_t gap = 0) {
    GuardedBuffer<T> mean(this->random_values(columns), gap);
    GuardedBuffer<T> scale(this->random_values(columns, 0.1, 9), gap);
    const std::vector<T> x = this->random_values(rows * columns, -1e3, 1e3);
    const Normalizer<T> normalizer = {mean.data(), scale.data(), columns};
    for (const Direction direction : {Direction::kForward, Direction::kInverse}) {
      const auto expected = formula(direction, mean.values(), scale.values(), x);
      const auto kernel =
          direction == Direction::kForward ? kernels.normalize : kernels.denormalize;
      GuardedBuffer<T> input(x, gap);
      GuardedBuffer<T> output(x.size(), gap);
      kernel(normalizer, input.data(), rows, output.data());
      kernel(normalizer, input.data(), rows, input.data());
      ASSERT_TRUE(same_bits(output.values(), expected)) << rows << " x " << columns;
      ASSERT_TRUE(same_bits(input.values(), expected)) << rows << " x " << columns << " in place";
      ASSERT_TRUE(output.intact() && input.intact()) << rows << " x " << columns;
    }
  }

 private:
  static std::vector<T> formula(Direction direction, const std::vector<T>& mean,
                                const std::vector<T>& scale, const std::vector<T>& x) {
    std::vector<T> y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t c = i % mean.size();
      const T product = scale[c] * x[i];
      y[i] = direction == Direction::kForward ? (x[i] - mean[c]) / scale[c] : mean[c] + product;
    }
    return y;
  }
};
TYPED_TEST_SUITE(NormalizerTest, ValueTypes);

TYPED_TEST(NormalizerTest, IsBitEqualToTheFormulaForEveryTail) {
  this->with_every_target([&](const Kernels<TypeParam>& kernels) {
    for (std::size_t columns = 1; columns <= 70; ++columns) {
      for (const std::size_t rows : {0U, 1U, 2U, 3U, 8U, 9U, 17U, 40U}) {
        this->expect_exact(kernels, rows, columns);
      }
    }
    for (const std::size_t columns : {127U, 128U, 129U, 255U, 256U, 257U, 784U}) {
      this->expect_exact(kernels, 19, columns);
    }
  });
}

TYPED_TEST(NormalizerTest, ReadsAndWritesAtAnyByteAddress) {
  this->with_every_target([&](const Kernels<TypeParam>& kernels) {
    for (std::size_t gap = 0; gap < 64; ++gap) {
      this->expect_exact(kernels, 3, 19, gap);
      this->expect_exact(kernels, 21, 5, gap);
    }
  });
}

TYPED_TEST(NormalizerTest, SpecialValuesFollowIeee) {
  using T = TypeParam;
  const T infinity = this->kInfinity;
  const std::vector<T> x = {this->kNan, infinity, -infinity, this->kDenormal, this->kLargest};
  const std::vector<T> mean(5, T{0});
  const std::vector<T> scale = {T{1}, T{2}, T{2}, T{1}, T(0.5)};
  this->with_every_target([&](const Kernels<T>& kernels) {
    std::vector<T> y(5);
    kernels.normalize({mean.data(), scale.data(), 5}, x.data(), 1, y.data());
    EXPECT_TRUE(std::isnan(y[0]));
    EXPECT_EQ(y[1], infinity);
    EXPECT_EQ(y[2], -infinity);
    EXPECT_EQ(y[3], this->kDenormal);
    EXPECT_EQ(y[4], infinity);
    kernels.denormalize({mean.data(), scale.data(), 5}, x.data(), 1, y.data());
    EXPECT_TRUE(std::isnan(y[0]));
    EXPECT_EQ(y[1], infinity);
    EXPECT_EQ(y[2], -infinity);
    EXPECT_EQ(y[3], this->kDenormal);
    EXPECT_EQ(y[4], this->kLargest / 2);
  });
}

}  // namespace
}  // namespace thriftscore::kernels
