// SPDX-License-Identifier: Apache-2.0
// Every operator against its formula in long double, on values of every class.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "model/model.h"
#include "tests/model/model_files.h"

namespace thriftscore::testing {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct StageCase {
  std::string name;
  ModelFile file;
  double ulp = 8;
  bool mixes = false;  // columns: its error is in proportion to the largest of them
};

void PrintTo(const StageCase& test, std::ostream* out) { *out << test.name; }

// Rows over `columns` values, among them those that operators treat in their own way. Each is a
// float, so that both precisions see the same.
std::vector<float> rows_of(std::size_t columns) {
  std::vector<float> x;
  for (const double value : numbers(40 * columns, 11)) x.push_back(static_cast<float>(4 * value));
  const std::vector<double> special = {kNan, kInfinity, -kInfinity, 0.0, -0.0, 0.5,  -0.5, 1,
                                       2,    3,         1e-40,      -1,  7,    1e30, 1e-30};
  for (std::size_t i = 0; i < special.size() * columns; ++i) {
    x.push_back(static_cast<float>(special[(i + i / columns) % special.size()]));
  }
  for (std::size_t i = 0; i < 2 * columns; ++i) x.push_back(i < columns ? 0.0F : 0.5F);
  return x;
}

template <typename T>
std::vector<T> scores_of(const Model& model, const std::vector<T>& x) {
  const std::size_t rows = x.size() / model.columns();
  std::vector<T> y(rows * model.outputs());
  Workspace workspace;
  EXPECT_FALSE(model.score(x.data(), rows, y.data(), workspace));
  return y;
}

template <typename T>
void expect_like(long double expected, T actual, double tolerance) {
  const T exact = static_cast<T>(expected);
  if (std::isnan(exact)) {
    EXPECT_TRUE(std::isnan(actual)) << actual;
  } else if (std::isinf(exact)) {
    EXPECT_EQ(actual, exact);
  } else {
    EXPECT_NEAR(double{actual}, double{exact}, tolerance * std::max(1.0, std::abs(double{exact})));
  }
}

double largest_finite(const std::vector<double>& row) {
  double largest = 1;
  for (const double value : row) {
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  }
  return largest;
}

template <typename T>
void expect_like_reference(const StageCase& test) {
  ModelFile file = test.file;
  file.graph["precision"] = sizeof(T) == sizeof(float) ? "fp32" : "fp64";
  const auto model = Model::load_bytes(file.build());
  const std::vector<float> floats = rows_of(model->columns());
  const std::vector<T> x(floats.begin(), floats.end());
  const std::vector<T> y = scores_of(*model, x);
  for (std::size_t row = 0; row < x.size() / model->columns(); ++row) {
    const auto begin = floats.begin() + static_cast<std::ptrdiff_t>(row * model->columns());
    const auto end = begin + static_cast<std::ptrdiff_t>(model->columns());
    const std::vector<double> features(begin, end);
    const std::vector<long double> expected = reference(file, features);
    const double tolerance = test.ulp * double{std::numeric_limits<T>::epsilon()} *
                             (test.mixes ? largest_finite(features) : 1);
    ASSERT_EQ(expected.size(), model->outputs());
    for (std::size_t o = 0; o < expected.size(); ++o) {
      SCOPED_TRACE("row " + std::to_string(row) + " output " + std::to_string(o));
      expect_like(expected[o], y[row * expected.size() + o], tolerance);
    }
  }
}

// Of two NaN an addition passes on one that the compiler chooses: their signs may differ.
template <typename T>
bool same_bits_or_nan(T a, T b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0 || (std::isnan(a) && std::isnan(b));
}

template <typename T>
void expect_rows_alone_as_together(const StageCase& test) {
  ModelFile file = test.file;
  file.graph["precision"] = sizeof(T) == sizeof(float) ? "fp32" : "fp64";
  const auto model = Model::load_bytes(file.build());
  const std::vector<float> floats = rows_of(model->columns());
  const std::size_t rows = floats.size() / model->columns();
  const std::vector<T> x(floats.begin(), floats.end());
  const std::vector<T> together = scores_of(*model, x);
  Workspace workspace;
  for (std::size_t row = 0; row < rows; ++row) {
    // At an odd address, in memory of exactly the size, so that a sanitizer sees what is beyond.
    std::vector<char> in(1 + model->columns() * sizeof(T));
    std::vector<char> out(1 + model->outputs() * sizeof(T));
    std::memcpy(in.data() + 1, x.data() + row * model->columns(), in.size() - 1);
    model->score(reinterpret_cast<const T*>(in.data() + 1), 1, reinterpret_cast<T*>(out.data() + 1),
                 workspace);
    for (std::size_t o = 0; o < model->outputs(); ++o) {
      T alone;
      std::memcpy(&alone, out.data() + 1 + o * sizeof(T), sizeof(T));
      const T expected = together[row * model->outputs() + o];
      EXPECT_TRUE(same_bits_or_nan(alone, expected))
          << "row " << row << " output " << o << ": " << alone << " alone, " << expected;
    }
  }
}

class Stages : public ::testing::TestWithParam<StageCase> {};

TEST_P(Stages, GiveWhatTheFormulaGives) {
  expect_like_reference<float>(GetParam());
  expect_like_reference<double>(GetParam());
}

TEST_P(Stages, GiveTheSameForARowAloneAtAnyAddress) {
  expect_rows_alone_as_together<float>(GetParam());
  expect_rows_alone_as_together<double>(GetParam());
}

Json op(const char* name, Json keys = Json::object()) {
  keys["op"] = name;
  return keys;
}

ModelFile dense(const std::string& activation, Json keys = Json::object()) {
  keys["weights"] = "w";
  keys["bias"] = "b";
  keys["activation"] = activation;
  return staged(5, {op("dense", keys)}, {{"w", {9, 5}, numbers(45, 1)}, {"b", {9}, numbers(9, 2)}});
}

ModelFile link(const std::string& function) {
  return staged(3, {op("link", {{"function", function}})}, {});
}

ModelFile select(std::vector<double> columns, const char* dtype) {
  const std::size_t count = columns.size();
  return staged(5, {op("select", {{"columns", "c"}})}, {{"c", {count}, std::move(columns), dtype}});
}

ModelFile impute(Json keys) {
  keys["values"] = "v";
  return staged(3, {op("impute", keys)}, {{"v", {3}, {7, -8, 0.1}}});
}

ModelFile one_hot(const char* unknown) {
  return staged(3, {op("one_hot", {{"offsets", "o"}, {"categories", "c"}, {"unknown", unknown}})},
                {{"o", {4}, {0, 4, 4, 7}, "I32"}, {"c", {7}, {1, 0, 3, 0.5, kNan, 7, 2}}});
}

ModelFile sparse_linear() {
  return staged(
      6,
      {op("sparse_linear", {{"indptr", "p"}, {"indices", "i"}, {"weights", "w"}, {"bias", "b"}})},
      {{"p", {5}, {0, 3, 3, 5, 6}, "I64"},
       {"i", {6}, {0, 2, 5, 1, 4, 5}, "I32"},
       {"w", {6}, {1, -0.5, 2, 0.25, 3, -1}, "F32"},
       {"b", {4}, numbers(4, 4)}});
}

// A preprocessor of two kinds of columns, one handed on, in front of layers and an ensemble.
ModelFile pipeline() {
  Json numeric = {op("select", {{"columns", "s0"}}), op("impute", {{"values", "v"}}),
                  op("scale", {{"mean", "m"}, {"scale", "d"}})};
  Json categorical = {op("select", {{"columns", "s1"}}),
                      op("one_hot", {{"offsets", "o"}, {"categories", "c"}, {"unknown", "zeros"}})};
  Json first = {op("dense", {{"weights", "w0"}, {"bias", "b0"}, {"activation", "tanh"}}),
                op("dense", {{"weights", "w1"}, {"bias", "b1"}})};
  Json second = {op("clip", {{"low", "l"}, {"high", "h"}}),
                 op("dense", {{"weights", "w2"}, {"bias", "b2"}}),
                 op("link", {{"function", "sigmoid"}})};
  return staged(
      4,
      {op("concat", {{"branches", {numeric, categorical, Json::array()}}}),
       op("clip", {{"low", "l1"}, {"high", "h1"}}),
       op("sum", {{"branches", {first, second}}, {"weights", "w"}, {"bias", "b"}}),
       op("link", {{"function", "square_signed"}}), op("link", {{"function", "softplus"}})},
      {{"s0", {2}, {2, 0}, "I32"},
       {"v", {2}, {0.5, -1}},
       {"m", {2}, {0.1, 0.2}},
       {"d", {2}, {2, 3}},
       {"s1", {1}, {3}, "I64"},
       {"o", {2}, {0, 2}, "I64"},
       {"c", {2}, {0.5, -0.5}},
       {"w0", {5, 8}, numbers(40, 1)},
       {"b0", {5}, numbers(5, 2)},
       {"w1", {3, 5}, numbers(15, 3)},
       {"b1", {3}, numbers(3, 4)},
       {"l", {8}, std::vector<double>(8, -1)},
       {"h", {8}, std::vector<double>(8, 2)},
       {"w2", {3, 8}, numbers(24, 5)},
       {"b2", {3}, numbers(3, 6)},
       {"l1", {8}, std::vector<double>(8, -kInfinity)},
       {"h1", {8}, std::vector<double>(8, 100)},
       {"w", {2}, {0.75, -2}},
       {"b", {3}, numbers(3, 7)}});
}

// An empty branch hands its input on; a sum may do without a bias.
ModelFile sum_of_itself() {
  return staged(3,
                {op("sum", {{"branches", {Json::array(), {op("link", {{"function", "exp"}})}}},
                            {"weights", "w"}})},
                {{"w", {2}, {0.25, 2}}});
}

std::vector<StageCase> cases() {
  std::vector<StageCase> all;
  for (const char* name :
       {"identity", "relu", "leaky_relu", "elu", "selu", "sigmoid", "tanh", "softplus"}) {
    all.push_back({std::string("dense_") + name, dense(name), 16, true});
  }
  all.push_back({"dense_leaky_relu_alpha", dense("leaky_relu", {{"alpha", 0.3}}), 16, true});
  all.push_back({"dense_elu_alpha", dense("elu", {{"alpha", 2.5}}), 24, true});
  for (const char* name : {"identity", "sigmoid", "softmax", "exp", "probit", "tanh", "softplus",
                           "square_signed", "cloglog", "reciprocal", "relu"}) {
    all.push_back({std::string("link_") + name, link(name)});
  }
  all.push_back({"select", select({4, 0, 0, 3}, "I64")});
  all.push_back({"select_neighbours", select({1, 2, 3}, "I32")});
  all.push_back({"impute_nan", impute(Json::object())});
  all.push_back({"impute_number", impute({{"missing", 0.5}})});
  all.push_back(
      {"clip", staged(3, {op("clip", {{"low", "l"}, {"high", "h"}})},
                      {{"l", {3}, {-kInfinity, -1, 0.5}}, {"h", {3}, {1, kInfinity, 0.5}}})});
  for (const char* norm : {"l1", "l2", "max"}) {
    all.push_back(
        {std::string("row_norm_") + norm, staged(3, {op("row_norm", {{"norm", norm}})}, {})});
  }
  all.push_back(
      {"binarize", staged(3, {op("binarize", {{"thresholds", "t"}})}, {{"t", {3}, {0.5, 0, -1}}})});
  all.push_back({"one_hot_zeros", one_hot("zeros")});
  all.push_back({"one_hot_nan", one_hot("nan")});
  all.push_back({"sparse_linear", sparse_linear(), 8, true});
  all.push_back({"sum_of_itself", sum_of_itself(), 8, true});
  all.push_back({"pipeline", pipeline(), 200, true});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Operators, Stages, ::testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

// The float below 0.1 is not above it, though 0.1 rounds to a float that is above itself.
TEST(Binarize, DecidesForEveryFloatAsTheDoubleThresholdDoes) {
  ModelFile file = staged(1, {op("binarize", {{"thresholds", "t"}})}, {{"t", {1}, {0}}});
  file.graph["precision"] = "fp32";
  for (const double threshold : {0.1, -0.1, 0.3, 1e-50, -1e-50, 16777217.0, 1.0}) {
    file.tensor("t").values = {threshold};
    const auto model = Model::load_bytes(file.build());
    const auto near = static_cast<float>(threshold);
    for (const float x : {std::nextafter(near, -1e30F), near, std::nextafter(near, 1e30F)}) {
      EXPECT_EQ(scores_of<float>(*model, {x})[0], double{x} > threshold ? 1 : 0) << x;
    }
  }
}

// Blocks of rows that are narrow outside have to be small all the same.
TEST(Branches, AreWideWithoutTakingMuchMemory) {
  constexpr std::size_t kWide = 20000;
  const Json branch = {op("dense", {{"weights", "w0"}, {"bias", "b0"}, {"activation", "relu"}}),
                       op("dense", {{"weights", "w1"}, {"bias", "b1"}})};
  const ModelFile file = staged(1, {op("concat", {{"branches", {branch, Json::array()}}})},
                                {{"w0", {kWide, 1}, numbers(kWide, 1)},
                                 {"b0", {kWide}, numbers(kWide, 2)},
                                 {"w1", {1, kWide}, numbers(kWide, 3)},
                                 {"b1", {1}, {0}}});
  EXPECT_LT(Model::load_bytes(file.build())->workspace_bytes(), std::size_t{32} << 20);
}

// Every second value of every row is zero and not stored.
template <typename In, typename Out>
void expect_sparse_as_dense(ModelFile file) {
  file.graph["precision"] = sizeof(Out) == sizeof(float) ? "fp32" : "fp64";
  const auto model = Model::load_bytes(file.build());
  ASSERT_TRUE(model->takes_sparse());
  const std::size_t columns = model->columns();
  const std::size_t rows = 300;
  std::vector<In> x;
  std::vector<In> values;
  std::vector<std::int32_t> indices;
  std::vector<std::int64_t> indptr = {0};
  for (const double value : numbers(rows * columns, 3)) {
    x.push_back(x.size() % 2 == 0 ? static_cast<In>(value) : In{0});
    if (x.size() % 2 == 1) {
      values.push_back(x.back());
      indices.push_back(static_cast<std::int32_t>((x.size() - 1) % columns));
    }
    if (x.size() % columns == 0) indptr.push_back(static_cast<std::int64_t>(values.size()));
  }
  std::vector<Out> expected(rows * model->outputs());
  std::vector<Out> y(expected.size());
  Workspace workspace;
  const SparseRows<In> sparse{indptr.data(), indices.data(), values.data()};
  EXPECT_FALSE(model->score(x.data(), rows, expected.data(), workspace));
  EXPECT_FALSE(model->score_sparse(sparse, rows, y.data(), workspace));
  EXPECT_EQ(std::memcmp(y.data(), expected.data(), y.size() * sizeof(Out)), 0);

  file.graph["missing_values"] = "refuse";
  const auto strict = Model::load_bytes(file.build());
  values[static_cast<std::size_t>(indptr[7]) + 1] = std::numeric_limits<In>::quiet_NaN();
  const auto missing = strict->score_sparse(sparse, rows, y.data(), workspace);
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->row, 7U);
  EXPECT_EQ(missing->column,
            static_cast<std::size_t>(indices[static_cast<std::size_t>(indptr[7]) + 1]));
}

TEST(SparseRows, GiveTheBitsOfTheSameRowsInFull) {
  ModelFile file = sparse_linear();
  file.tensor("b").values[0] = -0.0;
  file.graph["stages"].push_back(op("row_norm", {{"norm", "l1"}}));
  file.graph["stages"].push_back(op("select", {{"columns", "c"}}));
  file.graph["stages"].push_back(op("link", {{"function", "sigmoid"}}));
  file.tensors.insert(file.tensors.begin(), {"c", {2}, {3, 0}, "I64"});
  expect_sparse_as_dense<float, float>(file);
  expect_sparse_as_dense<double, float>(file);
  expect_sparse_as_dense<float, double>(file);
  expect_sparse_as_dense<double, double>(file);
}

}  // namespace
}  // namespace thriftscore::testing
