// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "guarded_buffer.h"
#include "kernel_test.h"
#include "kernels/kernels.h"

namespace thriftscore::kernels {
namespace {

struct Shape {
  std::size_t rows;
  std::size_t columns;
  std::size_t outputs;
};

std::string to_string(const Shape& shape) {
  return std::to_string(shape.rows) + " rows, " + std::to_string(shape.columns) + " columns, " +
         std::to_string(shape.outputs) + " outputs";
}

/** Values at an address that vectors of any target may be loaded from. */
template <typename T>
class AlignedValues {
 public:
  explicit AlignedValues(std::size_t size) : values_(size + kSlack), size_(size) {
    void* start = values_.data();
    std::size_t space = values_.size() * sizeof(T);
    data_ = static_cast<T*>(std::align(64, size * sizeof(T), start, space));
  }
  T* data() { return data_; }
  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kSlack = 64 / sizeof(T);
  std::vector<T> values_;
  std::size_t size_;
  T* data_;
};

template <typename T>
class WeightedSumTest : public KernelTest<T> {
 protected:
  struct Problem {
    Shape shape;
    std::vector<T> weights, bias, x, mean, scale;
  };

  Problem random_problem(const Shape& shape) {
    return {.shape = shape,
            .weights = this->random_values(shape.outputs * shape.columns),
            .bias = this->random_values(shape.outputs),
            .x = this->random_values(shape.rows * shape.columns),
            .mean = this->random_values(shape.columns),
            .scale = this->random_values(shape.columns, 0.25, 4)};
  }

  // Without normalisation: mean 0, scale 1.
  static Problem plain(Problem problem) {
    problem.mean.assign(problem.shape.columns, T{0});
    problem.scale.assign(problem.shape.columns, T{1});
    return problem;
  }

  static std::vector<T> run(const Kernels<T>& kernels, const Problem& problem, bool normalized,
                            std::size_t gap = 0) {
    const auto [rows, columns, outputs] = problem.shape;
    GuardedBuffer<T> weights(problem.weights, gap);
    GuardedBuffer<T> bias(problem.bias, gap);
    GuardedBuffer<T> x(problem.x, gap);
    GuardedBuffer<T> mean(problem.mean, gap);
    GuardedBuffer<T> scale(problem.scale, gap);
    GuardedBuffer<T> y(rows * outputs, gap);
    const WeightedSum<T> sum = {weights.data(), bias.data(), columns, outputs};
    if (normalized) {
      kernels.normalized_weighted_sum({mean.data(), scale.data(), columns}, sum, x.data(), rows,
                                      y.data());
    } else {
      kernels.weighted_sum(sum, x.data(), rows, y.data());
    }
    EXPECT_TRUE(y.intact()) << to_string(problem.shape) << ", gap " << gap;
    return y.values();
  }

  // Every output against long double, within the error bound of a dot product of that length.
  static void expect_sums(const Problem& problem, const std::vector<T>& y) {
    const auto [rows, columns, outputs] = problem.shape;
    ASSERT_EQ(y.size(), rows * outputs);
    for (std::size_t i = 0; i < y.size(); ++i) {
      long double total = problem.bias[i % outputs];
      long double magnitude = std::abs(total);
      for (std::size_t c = 0; c < columns; ++c) {
        const long double centred =
            static_cast<long double>(problem.x[i / outputs * columns + c]) - problem.mean[c];
        const long double term =
            problem.weights[i % outputs * columns + c] * (centred / problem.scale[c]);
        total += term;
        magnitude += std::abs(term);
      }
      const long double bound = static_cast<long double>(columns + 4) * magnitude;
      ASSERT_NEAR(static_cast<double>(y[i] - total), 0.0,
                  static_cast<double>(bound * KernelTest<T>::kEpsilon))
          << to_string(problem.shape) << ", row " << i / outputs << ", output " << i % outputs;
    }
  }

  void expect_both_kernels(const Kernels<T>& kernels, const Shape& shape, std::size_t gap = 0) {
    const Problem problem = random_problem(shape);
    expect_sums(problem, run(kernels, problem, true, gap));
    expect_sums(plain(problem), run(kernels, problem, false, gap));
  }
};
TYPED_TEST_SUITE(WeightedSumTest, ValueTypes);

TYPED_TEST(WeightedSumTest, IsRightForEveryTailOfColumnsOutputsAndRows) {
  this->with_every_target([&](const Kernels<TypeParam>& kernels) {
    for (std::size_t columns = 1; columns <= 70; ++columns) {
      for (std::size_t outputs = 1; outputs <= 9; ++outputs) {
        const std::size_t rows = (columns + outputs) % 10;
        this->expect_both_kernels(kernels, {rows, columns, outputs});
      }
      for (std::size_t rows = 0; rows <= 9; ++rows) {
        this->expect_both_kernels(kernels, {rows, columns, 1 + (columns + rows) % 9});
      }
    }
  });
}

TYPED_TEST(WeightedSumTest, IsRightAcrossBlocksOfRowsAndColumns) {
  this->with_every_target([&](const Kernels<TypeParam>& kernels) {
    for (const std::size_t columns : {255U, 256U, 257U, 1023U, 1024U, 1025U, 2048U, 2051U}) {
      this->expect_both_kernels(kernels, {5, columns, 6});
    }
    for (const std::size_t rows : {47U, 48U, 49U, 95U, 97U, 150U}) {
      this->expect_both_kernels(kernels, {rows, 13, 10});
      this->expect_both_kernels(kernels, {rows, 259, 16});
      this->expect_both_kernels(kernels, {rows, 32, 1});
    }
  });
}

TYPED_TEST(WeightedSumTest, ReadsAndWritesAtAnyByteAddress) {
  this->with_every_target([&](const Kernels<TypeParam>& kernels) {
    for (std::size_t gap = 0; gap < 64; ++gap) {
      this->expect_both_kernels(kernels, {9, 21, 3}, gap);
      this->expect_both_kernels(kernels, {9, 35, 1}, gap);
    }
  });
}

TYPED_TEST(WeightedSumTest, GivesARowTheSameBitsAloneAsInABatch) {
  this->with_every_target([&](const Kernels<TypeParam>& kernels) {
    for (const std::size_t outputs : {1U, 2U, 3U, 4U, 7U, 8U, 10U, 16U, 17U}) {
      for (const std::size_t columns : {1U, 5U, 31U, 64U, 257U}) {
        const auto problem = this->random_problem({50, columns, outputs});
        for (const bool normalized : {false, true}) {
          const auto batch = this->run(kernels, problem, normalized);
          for (const std::size_t row : {0U, 1U, 31U, 48U, 49U}) {
            auto alone = problem;
            alone.shape.rows = 1;
            alone.x.assign(problem.x.begin() + static_cast<std::ptrdiff_t>(row * columns),
                           problem.x.begin() + static_cast<std::ptrdiff_t>((row + 1) * columns));
            const auto y = this->run(kernels, alone, normalized);
            for (std::size_t o = 0; o < outputs; ++o) {
              ASSERT_EQ(y[o], batch[row * outputs + o])
                  << to_string(problem.shape) << ", row " << row;
            }
          }
        }
      }
    }
  });
}

TYPED_TEST(WeightedSumTest, PackedWeightsGiveTheSameBits) {
  this->with_every_target([&](const Kernels<TypeParam>& kernels) {
    for (const Shape shape : {Shape{1, 64, 10},
                              {1, 64, 64},
                              {1, 300, 100},
                              {1, 17, 200},
                              {7, 300, 16},
                              {3, 5, 33},
                              {16, 64, 64},
                              {40, 784, 100}}) {
      const auto problem = this->random_problem(shape);
      AlignedValues<TypeParam> packed(kernels.packed_size(shape.columns, shape.outputs));
      WeightedSum<TypeParam> sum = {problem.weights.data(), problem.bias.data(), shape.columns,
                                    shape.outputs};
      std::vector<TypeParam> expected(shape.rows * shape.outputs);
      kernels.weighted_sum(sum, problem.x.data(), shape.rows, expected.data());
      if (packed.size() != 0) {
        kernels.pack(sum, packed.data());
        sum.packed = packed.data();
        sum.packed_by = kernels.pack;
      }
      std::vector<TypeParam> y(expected.size());
      kernels.weighted_sum(sum, problem.x.data(), shape.rows, y.data());
      ASSERT_EQ(y, expected) << to_string(shape);
      // With a null scale the weights, packed or not, count as divided.
      const Normalizer<TypeParam> centre = {problem.mean.data(), nullptr, shape.columns};
      kernels.normalized_weighted_sum(centre, sum, problem.x.data(), shape.rows, y.data());
      auto unscaled = problem;
      unscaled.scale.assign(shape.columns, TypeParam{1});
      this->expect_sums(unscaled, y);
    }
  });
}

TYPED_TEST(WeightedSumTest, MissingValueReachesEveryOutputOfItsRowAndNoOther) {
  this->with_every_target([&](const Kernels<TypeParam>& kernels) {
    constexpr Shape kShape = {11, 37, 6};
    for (std::size_t column = 0; column < kShape.columns; ++column) {
      const std::size_t row = column % kShape.rows;
      auto problem = this->random_problem(kShape);
      problem.x[row * kShape.columns + column] = this->kNan;
      for (const bool normalized : {false, true}) {
        const auto y = this->run(kernels, problem, normalized);
        for (std::size_t i = 0; i < y.size(); ++i) {
          ASSERT_EQ(std::isnan(y[i]), i / kShape.outputs == row) << "output " << i;
        }
      }
    }
  });
}

TYPED_TEST(WeightedSumTest, InfinitiesFollowIeee) {
  using T = TypeParam;
  const T infinity = this->kInfinity;
  this->with_every_target([&](const Kernels<T>& kernels) {
    for (const std::size_t columns : {2U, 9U, 33U}) {
      auto problem = this->plain(this->random_problem({1, columns, 1}));
      problem.x[columns - 1] = infinity;
      problem.weights[columns - 1] = -2;
      for (const bool normalized : {false, true}) {
        EXPECT_EQ(this->run(kernels, problem, normalized)[0], -infinity);
      }
      problem.weights[columns - 1] = 0;
      EXPECT_TRUE(std::isnan(this->run(kernels, problem, false)[0])) << "infinity * 0";
      problem.weights[columns - 1] = 1;
      problem.x[0] = infinity;
      problem.weights[0] = -1;
      EXPECT_TRUE(std::isnan(this->run(kernels, problem, false)[0])) << "infinity - infinity";
    }
  });
}

TYPED_TEST(WeightedSumTest, KeepsDenormalAndHugeTerms) {
  using T = TypeParam;
  this->with_every_target([&](const Kernels<T>& kernels) {
    for (const std::size_t columns : {1U, 7U, 40U}) {
      auto problem = this->plain(this->random_problem({3, columns, 1}));
      problem.bias = {T{0}};
      problem.weights.assign(columns, T{1});
      problem.x.assign(3 * columns, this->kDenormal);
      for (const T y : this->run(kernels, problem, false)) {
        EXPECT_EQ(y, static_cast<T>(columns) * this->kDenormal);
      }
      problem.x.assign(3 * columns, T{0});
      problem.x[columns - 1] = this->kLargest;
      EXPECT_EQ(this->run(kernels, problem, false)[0], this->kLargest);
    }
  });
}

// x and mean agree in all but the last digits: subtracting after the product would lose them.
TYPED_TEST(WeightedSumTest, NormalizedSumSubtractsTheMeanFirst) {
  using T = TypeParam;
  this->with_every_target([&](const Kernels<T>& kernels) {
    auto problem = this->random_problem({4, 24, 2});
    for (std::size_t i = 0; i < problem.x.size(); ++i) {
      const T mean = static_cast<T>(1e6) + static_cast<T>(i % 24);
      problem.mean[i % 24] = mean;
      problem.x[i] = mean + static_cast<T>(0.125) * static_cast<T>(i % 7);
    }
    this->expect_sums(problem, this->run(kernels, problem, true));
  });
}

}  // namespace
}  // namespace thriftscore::kernels
