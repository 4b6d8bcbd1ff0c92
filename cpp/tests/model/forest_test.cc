// SPDX-License-Identifier: Apache-2.0
// Tree ensembles bit for bit against walking them in double, on every SIMD target, by every path.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernels.h"
#include "model/model.h"
#include "tests/model/forest_files.h"

namespace thriftscore::testing {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
const std::vector<int> kNumericFlags = {0, 1, 2, 3, 8, 10, 11, 16, 17, 24, 26, 27};
const std::vector<int> kAllFlags = {0, 1, 2, 3, 8, 10, 11, 16, 17, 24, 26, 27, 4, 6, 36, 38};

template <typename T>
class ForestTest : public ::testing::Test {
 protected:
  void TearDown() override {
    ASSERT_TRUE(kernels::select_target(kernels::available_targets().back()));
  }

  // Scores x as a whole and in pieces, from odd addresses, with every target.
  void expect_walked(const TestForest& forest, std::size_t rows = 203) {
    const Bytes bytes = forest.file(sizeof(T) == 4 ? "fp32" : "fp64").build();
    const std::vector<T> x = rows_for<T>(forest, rows, 99);
    std::vector<T> expected;
    for (std::size_t row = 0; row < rows; ++row) {
      const auto first = x.begin() + static_cast<std::ptrdiff_t>(row * forest.columns);
      const std::vector<T> features(first, first + static_cast<std::ptrdiff_t>(forest.columns));
      const std::vector<T> scores = forest.fp32_sums ? walked<float, T>(forest, features)
                                                     : walked<double, T>(forest, features);
      expected.insert(expected.end(), scores.begin(), scores.end());
    }
    for (const std::string_view target : kernels::available_targets()) {
      SCOPED_TRACE(std::string(target));
      ASSERT_TRUE(kernels::select_target(target));
      const auto model = Model::load_bytes(bytes);
      for (const std::size_t piece : {rows, std::size_t{1}, std::size_t{9}, std::size_t{70}}) {
        ASSERT_EQ(scores(*model, x, piece), expected) << piece << " rows at a time";
      }
    }
  }

 private:
  static std::vector<T> scores(const Model& model, const std::vector<T>& x, std::size_t piece) {
    std::vector<std::byte> odd(x.size() * sizeof(T) + 1);
    std::memcpy(odd.data() + 1, x.data(), x.size() * sizeof(T));
    const std::size_t rows = x.size() / model.columns();
    std::vector<T> y(rows * model.outputs());
    Workspace workspace;
    for (std::size_t row = 0; row < rows; row += piece) {
      const auto* const from = reinterpret_cast<const T*>(odd.data() + 1) + row * model.columns();
      const std::size_t count = std::min(piece, rows - row);
      EXPECT_FALSE(model.score(from, count, y.data() + row * model.outputs(), workspace));
    }
    return y;
  }
};
using ValueTypes = ::testing::Types<float, double>;
TYPED_TEST_SUITE(ForestTest, ValueTypes);

TYPED_TEST(ForestTest, EveryNumberOfLeaves) {
  for (const std::size_t leaves : {1U, 2U, 3U, 8U, 9U, 16U, 17U, 63U, 64U, 65U, 254U, 255U, 256U}) {
    SCOPED_TRACE(leaves);
    this->expect_walked(make_forest(
        {.trees = 9, .leaves = leaves, .shape = Shape::kBalanced, .flags = kNumericFlags}, leaves));
  }
  this->expect_walked(make_forest({.trees = 3, .leaves = 5000, .flags = kAllFlags}, 1));
}

TYPED_TEST(ForestTest, EveryShape) {
  for (const Shape shape : {Shape::kLeftChain, Shape::kRightChain, Shape::kBalanced}) {
    SCOPED_TRACE(static_cast<int>(shape));
    this->expect_walked(make_forest({.leaves = 61, .shape = shape, .flags = kAllFlags}, 2));
    this->expect_walked(make_forest({.leaves = 2, .shape = shape, .flags = kAllFlags}, 3));
    this->expect_walked(make_forest({.trees = 2, .leaves = 700, .shape = shape}, 4));
  }
}

TYPED_TEST(ForestTest, EveryFlagAlone) {
  for (const int flags : kAllFlags) {
    SCOPED_TRACE(flags);
    this->expect_walked(make_forest({.flags = {flags}}, 5));
    this->expect_walked(make_forest({.trees = 3, .leaves = 400, .flags = {flags}}, 6));
  }
}

TYPED_TEST(ForestTest, ThresholdsThatFloatsCannotHold) {
  const std::vector<double> thresholds = {
      0.1,   -0.1,   0.0,    -0.0,      1e-46,      -1e-46,   1e-35,       1e39,       -1e39,
      1e300, -1e300, 5e-324, kInfinity, -kInfinity, 16777217, 1.0 + 1e-12, 1.0 - 1e-12};
  this->expect_walked(make_forest({.flags = kNumericFlags, .thresholds = thresholds}, 7));
  this->expect_walked(
      make_forest({.leaves = 600, .flags = kNumericFlags, .thresholds = thresholds}, 8));
}

TYPED_TEST(ForestTest, MoreThresholdsOfAFeatureThanCodesOfOneByte) {
  this->expect_walked(make_forest({.columns = 1, .trees = 150, .leaves = 31}, 9));
  this->expect_walked(make_forest(
      {.columns = 1, .trees = 9, .leaves = 255, .shape = Shape::kBalanced, .flags = {0, 3}}, 10));
}

TYPED_TEST(ForestTest, EveryWayToAddUp) {
  for (const bool mean : {false, true}) {
    for (const bool fp32_sums : {false, true}) {
      for (const std::size_t leaves : {20U, 300U}) {
        SCOPED_TRACE(std::to_string(mean) + std::to_string(fp32_sums) + std::to_string(leaves));
        ForestRecipe recipe = {.trees = 75, .leaves = leaves, .mean = mean, .fp32_sums = fp32_sums};
        this->expect_walked(make_forest(recipe, 11));
        recipe.outputs = 4;
        this->expect_walked(make_forest(recipe, 12));
        recipe.vectors = true;
        this->expect_walked(make_forest(recipe, 13));
      }
    }
  }
}

TYPED_TEST(ForestTest, BlocksOfRowsAndTailsBehindThem) {
  this->expect_walked(make_forest({.columns = 3, .trees = 70}, 14), 1027);
  this->expect_walked(make_forest({.columns = 900, .trees = 70}, 15), 200);
  this->expect_walked(make_forest({.columns = 3, .trees = 5, .leaves = 300}, 16), 1027);
}

TYPED_TEST(ForestTest, MoreThresholdsOfAFeatureThanCodesOfTwoBytes) {
  const auto one_large =
      make_forest({.columns = 1, .trees = 1, .leaves = 70000, .shape = Shape::kBalanced}, 17);
  this->expect_walked(one_large, 20);
}

TYPED_TEST(ForestTest, ZeroRowsDoNothing) {
  const auto model = Model::load_bytes(make_forest({}, 18).file("fp32").build());
  Workspace workspace;
  EXPECT_FALSE(model->score(static_cast<const TypeParam*>(nullptr), 0, static_cast<float*>(nullptr),
                            workspace));
}

TEST(Forest, SaysHowItIsScored) {
  const auto small =
      Model::load_bytes(make_forest({.trees = 2, .leaves = 1}, 1).file("fp32").build());
  EXPECT_EQ(small->description().plan.front(), "tree_ensemble 5 -> 1, 2 trees, 2 leaves, by masks");
}

}  // namespace
}  // namespace thriftscore::testing
