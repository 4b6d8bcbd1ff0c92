// SPDX-License-Identifier: Apache-2.0
// Scores against the formulas in long double, for every SIMD target, precision and feature type.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/kernels.h"
#include "model/model.h"
#include "tests/model/model_files.h"

namespace thriftscore::testing {
namespace {

template <typename T>
std::vector<T> features_of(const Model& model, std::size_t rows, std::uint64_t seed = 9) {
  const std::vector<double> values = numbers(rows * model.columns(), seed);
  return {values.begin(), values.end()};
}

template <typename In, typename Out>
std::vector<Out> scores_of(const Model& model, const std::vector<In>& x) {
  const std::size_t rows = x.size() / model.columns();
  std::vector<Out> y(rows * model.outputs());
  Workspace workspace;
  EXPECT_FALSE(model.score(x.data(), rows, y.data(), workspace));
  return y;
}

// The margin is a sum of about `columns` terms near 1; links change no error by more than e.
template <typename In, typename Out>
void expect_like_reference(const ModelFile& file, std::size_t rows) {
  const auto model = Model::load_bytes(file.build());
  const std::vector<In> x = features_of<In>(*model, rows);
  const std::vector<Out> y = scores_of<In, Out>(*model, x);
  const double unit = std::numeric_limits<Out>::epsilon();
  const double tolerance = unit * (8 + 4 * static_cast<double>(model->columns()));
  for (std::size_t row = 0; row < rows; ++row) {
    std::vector<double> features(model->columns());
    for (std::size_t c = 0; c < features.size(); ++c) {
      features[c] = static_cast<double>(static_cast<Out>(x[row * features.size() + c]));
    }
    const std::vector<long double> expected = reference(file, features);
    for (std::size_t o = 0; o < expected.size(); ++o) {
      const auto exact = static_cast<double>(expected[o]);
      EXPECT_NEAR(static_cast<double>(y[row * expected.size() + o]), exact,
                  tolerance * std::max(1.0, std::abs(exact)))
          << "row " << row << " output " << o;
    }
  }
}

using Parameters = std::tuple<std::string, std::string, std::size_t>;  // target, link, columns

class Scores : public ::testing::TestWithParam<Parameters> {
 protected:
  void SetUp() override { ASSERT_TRUE(kernels::select_target(std::get<0>(GetParam()))); }
  void TearDown() override { ASSERT_TRUE(kernels::select_target(default_target_)); }

  static ModelFile file(const std::string& precision) {
    const std::string& link = std::get<1>(GetParam());
    return example(std::get<2>(GetParam()), link == "softmax" ? 5 : 1, link, precision);
  }

  std::string default_target_{kernels::active_target()};
};

TEST_P(Scores, Fp32OfFloats) { expect_like_reference<float, float>(file("fp32"), 70); }
TEST_P(Scores, Fp32OfDoubles) { expect_like_reference<double, float>(file("fp32"), 70); }
TEST_P(Scores, Fp64OfFloats) { expect_like_reference<float, double>(file("fp64"), 70); }
TEST_P(Scores, Fp64OfDoubles) { expect_like_reference<double, double>(file("fp64"), 70); }

// A block holds 1,000 rows of 32 floats, so 3,001 rows are more than three blocks.
template <typename T>
void expect_rows_alone_as_together(const ModelFile& file, std::size_t rows) {
  const auto model = Model::load_bytes(file.build());
  const std::vector<T> x = features_of<T>(*model, rows);
  const std::vector<T> together = scores_of<T, T>(*model, x);
  std::vector<T> alone(together.size());
  Workspace workspace;
  for (std::size_t row = 0; row < rows; ++row) {
    model->score(x.data() + row * model->columns(), 1, alone.data() + row * model->outputs(),
                 workspace);
  }
  EXPECT_EQ(std::memcmp(together.data(), alone.data(), alone.size() * sizeof(T)), 0);
}

TEST_P(Scores, ARowAloneAsInABatch) {
  expect_rows_alone_as_together<float>(file("fp32"), 3001);
  expect_rows_alone_as_together<double>(file("fp64"), 3001);
}

template <typename T>
void expect_the_same_at_any_address(const ModelFile& file) {
  const auto model = Model::load_bytes(file.build());
  const std::vector<T> x = features_of<T>(*model, 5);
  const std::vector<T> expected = scores_of<T, T>(*model, x);
  Workspace workspace;
  for (std::size_t offset = 1; offset < sizeof(T); ++offset) {
    // Exactly sized, so that a sanitizer sees a read or write beyond them.
    const auto input = std::make_unique<char[]>(offset + x.size() * sizeof(T));
    const auto output = std::make_unique<char[]>(offset + expected.size() * sizeof(T));
    std::memcpy(input.get() + offset, x.data(), x.size() * sizeof(T));
    model->score(reinterpret_cast<const T*>(input.get() + offset), 5,
                 reinterpret_cast<T*>(output.get() + offset), workspace);
    EXPECT_EQ(std::memcmp(output.get() + offset, expected.data(), expected.size() * sizeof(T)), 0);
  }
}

TEST_P(Scores, TheSameAtAnyAddress) {
  expect_the_same_at_any_address<float>(file("fp32"));
  expect_the_same_at_any_address<double>(file("fp64"));
}

template <typename In, typename Out>
void expect_nan_found(const ModelFile& file, std::size_t row, std::size_t column) {
  const auto model = Model::load_bytes(file.build());
  std::vector<In> x = features_of<In>(*model, 3001);
  x[row * model->columns() + column] = std::numeric_limits<In>::quiet_NaN();
  x[3000 * model->columns()] = std::numeric_limits<In>::quiet_NaN();
  std::vector<Out> y(3001 * model->outputs());
  Workspace workspace;
  const auto missing = model->score(x.data(), 3001, y.data(), workspace);
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->row, row);
  EXPECT_EQ(missing->column, column);
}

TEST_P(Scores, NamesTheFirstMissingValue) {
  const std::size_t last = std::get<2>(GetParam()) - 1;
  expect_nan_found<float, float>(file("fp32"), 0, last);
  expect_nan_found<double, float>(file("fp32"), 2222, last / 2);
  expect_nan_found<float, double>(file("fp64"), 2222, last);
  expect_nan_found<double, double>(file("fp64"), 2999, 0);
}

TEST_P(Scores, PropagatesNanWhereTheModelSaysSo) {
  ModelFile spoilt = file("fp32");
  spoilt.graph["missing_values"] = "propagate";
  const auto model = Model::load_bytes(spoilt.build());
  std::vector<float> x = features_of<float>(*model, 40);
  const std::vector<float> clean = scores_of<float, float>(*model, x);
  x[20 * model->columns()] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> y = scores_of<float, float>(*model, x);
  for (std::size_t i = 0; i < y.size(); ++i) {
    const bool missing = i / model->outputs() == 20;
    EXPECT_TRUE(missing ? std::isnan(y[i]) : y[i] == clean[i]) << i;
  }
}

TEST_P(Scores, NothingForNoRows) {
  const auto model = Model::load_bytes(file("fp32").build());
  EXPECT_TRUE((scores_of<float, float>(*model, {}).empty()));
}

std::vector<std::string> target_names() {
  const auto names = kernels::available_targets();
  return {names.begin(), names.end()};
}

INSTANTIATE_TEST_SUITE_P(Targets, Scores,
                         ::testing::Combine(::testing::ValuesIn(target_names()),
                                            ::testing::Values("identity", "sigmoid", "softmax",
                                                              "exp"),
                                            ::testing::Values(1, 7, 32, 65)),
                         [](const auto& info) {
                           return std::get<0>(info.param) + "_" + std::get<1>(info.param) + "_" +
                                  std::to_string(std::get<2>(info.param));
                         });

TEST(Folding, KeepsTheSubtractionWhereFoldingWouldCancelDigits) {
  ModelFile file = example(8, 1, "identity", "fp32");
  file.tensor("mean").values = {1e5, 2e5, -3e5, 4e5, 1e6, 1, 2, 3};
  file.tensor("scale").values = std::vector<double>(8, 0.5);
  const auto model = Model::load_bytes(file.build());
  EXPECT_EQ(model->description().plan.front(),
            "dense 8 -> 1, scale fused: the mean is subtracted first");
  std::vector<float> x;
  for (const double mean : file.tensor("mean").values)
    x.push_back(static_cast<float>(mean) + 0.25F);
  const std::vector<double> row(x.begin(), x.end());
  EXPECT_NEAR((scores_of<float, float>(*model, x)[0]), static_cast<double>(reference(file, row)[0]),
              1e-6);
}

TEST(Folding, MakesUpForAMeanThatFp32CannotHold) {
  ModelFile file = example(1, 1, "identity", "fp32");
  file.tensor("mean").values = {16777217.0};  // 2^24 + 1: the float nearest to it is 2^24
  file.tensor("scale").values = {1};
  file.tensor("weights").values = {1};
  file.tensor("bias").values = {0};
  const auto model = Model::load_bytes(file.build());
  EXPECT_EQ((scores_of<float, float>(*model, {16777220.0F})), (std::vector<float>{3.0F}));
}

TEST(Folding, RunsStagesApartWhereTheirQuotientWouldOverflow) {
  ModelFile file = example(2, 1, "identity", "fp32");
  file.tensor("mean").values = {0, 0};
  file.tensor("scale").values = {1e-30, 1};
  file.tensor("weights").values = {1e20, 1};
  const auto model = Model::load_bytes(file.build());
  EXPECT_EQ(model->description().plan, (std::vector<std::string>{"scale 2", "dense 2 -> 1"}));
  const std::vector<float> y = scores_of<float, float>(*model, {1e-30F, 1});
  EXPECT_NEAR(static_cast<double>(y[0]), 1e20, 1e14);
}

TEST(Folding, LeavesAnInfiniteFeatureInfinite) {
  const auto model = Model::load_bytes(tiny().build());
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ((scores_of<float, float>(*model, {kInfinity, 1, 1}))[0], kInfinity);
  // infinity - infinity is a result, not a missing value.
  EXPECT_TRUE(std::isnan(scores_of<float, float>(*model, {kInfinity, -kInfinity, 1})[0]));
  EXPECT_EQ((scores_of<double, float>(*model, {1e300, 1, 1}))[0], kInfinity);
}

ModelFile chain() {
  ModelFile file = example(6, 3, "softmax", "fp32");
  file.graph["stages"] = {{{"op", "dense"}, {"weights", "w0"}, {"bias", "b0"}},
                          {{"op", "scale"}, {"mean", "m0"}, {"scale", "s0"}},
                          {{"op", "scale"}, {"mean", "m1"}, {"scale", "s1"}},
                          {{"op", "dense"}, {"weights", "w1"}, {"bias", "b1"}},
                          {{"op", "dense"}, {"weights", "w2"}, {"bias", "b2"}},
                          {{"op", "scale"}, {"mean", "m2"}, {"scale", "s2"}},
                          {{"op", "link"}, {"function", "softmax"}}};
  file.graph.erase("normalizer");
  const auto positive = [](std::size_t count) { return std::vector<double>(count, 1.25); };
  file.tensors = {
      {"w0", {9, 6}, numbers(54, 1)}, {"b0", {9}, numbers(9, 2)}, {"m0", {9}, numbers(9, 3)},
      {"s0", {9}, positive(9)},       {"m1", {9}, numbers(9, 4)}, {"s1", {9}, positive(9)},
      {"w1", {2, 9}, numbers(18, 5)}, {"b1", {2}, numbers(2, 6)}, {"w2", {3, 2}, numbers(6, 7)},
      {"b2", {3}, numbers(3, 8)},     {"m2", {3}, numbers(3, 9)}, {"s2", {3}, positive(3)}};
  return file;
}

TEST(Stages, RunInAnyOrderAndNumber) {
  const auto model = Model::load_bytes(chain().build());
  EXPECT_EQ(model->description().plan,
            (std::vector<std::string>{"dense 6 -> 9", "dense 9 -> 2, scale folded", "dense 2 -> 3",
                                      "scale 3", "link softmax"}));
  expect_like_reference<float, float>(chain(), 300);
  expect_like_reference<double, float>(chain(), 300);
  expect_rows_alone_as_together<float>(chain(), 9000);
}

TEST(Stages, OfOneLinkOrOneScaleAreAModel) {
  for (const char* function : {"identity", "sigmoid", "softmax", "exp"}) {
    ModelFile file = example(4, 4, "exp", "fp32");
    file.graph.erase("normalizer");
    file.graph["stages"] = {{{"op", "link"}, {"function", function}}};
    file.tensors.clear();
    expect_like_reference<float, float>(file, 9);
  }
  ModelFile file = example(4, 4, "identity", "fp64");
  file.graph["stages"].erase(1);
  file.tensors.resize(2);
  expect_like_reference<float, double>(file, 9);
}

template <typename T>
void expect_normalizer(const std::string& precision) {
  const ModelFile file = example(13, 1, "identity", precision);
  const auto model = Model::load_bytes(file.build());
  const std::vector<T> x = features_of<T>(*model, 11);
  std::vector<T> there(x.size());
  std::vector<T> back(x.size());
  model->normalize(x.data(), 11, there.data());
  model->denormalize(there.data(), 11, back.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const T mean = static_cast<T>(numbers(13, 1)[i % 13]);
    const T scale = static_cast<T>(1.5 + numbers(13, 2)[i % 13]);
    EXPECT_EQ(there[i], (x[i] - mean) / scale);
    EXPECT_NEAR(static_cast<double>(back[i]), static_cast<double>(x[i]),
                8 * static_cast<double>(std::numeric_limits<T>::epsilon()));
  }
}

TEST(Normalizer, WorksInEitherTypeWhateverThePrecision) {
  for (const char* precision : {"fp32", "fp64"}) {
    expect_normalizer<float>(precision);
    expect_normalizer<double>(precision);
  }
}

}  // namespace
}  // namespace thriftscore::testing
