// SPDX-License-Identifier: Apache-2.0
// The outputs beside the scores, and what a file says of them.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "model/hashing.h"
#include "model/model.h"
#include "tests/model/model_files.h"

namespace thriftscore::testing {
namespace {

template <typename T>
struct Evaluated {
  std::vector<T> scores;
  std::vector<T> margin;
  std::vector<T> probabilities;
  std::vector<std::int64_t> labels;
};

template <typename T>
Evaluated<T> evaluate(const Model& model, const std::vector<T>& x) {
  const std::size_t rows = x.size() / model.columns();
  const std::size_t classes = model.description().classes.size();
  Evaluated<T> y{std::vector<T>(rows * model.outputs()), std::vector<T>(rows * model.outputs()),
                 std::vector<T>(rows * classes), std::vector<std::int64_t>(rows)};
  Workspace workspace;
  EXPECT_FALSE(model.evaluate(
      x.data(), rows,
      Outputs<T>{y.scores.data(), y.margin.data(), classes > 0 ? y.probabilities.data() : nullptr,
                 classes > 0 ? y.labels.data() : nullptr},
      workspace));
  std::vector<T> scores(y.scores.size());
  model.score(x.data(), rows, scores.data(), workspace);
  EXPECT_EQ(scores, y.scores);
  return y;
}

template <typename T>
std::vector<T> rows_for(const Model& model, std::size_t rows) {
  const std::vector<double> values = numbers(rows * model.columns(), 5);
  return {values.begin(), values.end()};
}

TEST(Outputs, OfABinaryClassifier) {
  const auto model = Model::load_bytes(example(4, 1, "sigmoid", "fp32").build());
  const std::vector<std::string> names = {"scores", "margin", "probabilities", "label"};
  EXPECT_EQ(model->description().outputs, names);
  const Evaluated<float> y = evaluate(*model, rows_for<float>(*model, 3000));
  for (std::size_t row = 0; row < 3000; ++row) {
    EXPECT_NEAR(y.scores[row], 1 / (1 + std::exp(-y.margin[row])), 1e-6);
    EXPECT_EQ(y.probabilities[2 * row], 1 - y.scores[row]);
    EXPECT_EQ(y.probabilities[2 * row + 1], y.scores[row]);
    EXPECT_EQ(y.labels[row], y.scores[row] > 0.5F ? 1 : 0);
  }
}

TEST(Outputs, OfAMulticlassClassifier) {
  const auto model = Model::load_bytes(example(4, 3, "softmax", "fp64").build());
  const Evaluated<double> y = evaluate(*model, rows_for<double>(*model, 500));
  EXPECT_EQ(y.probabilities, y.scores);
  for (std::size_t row = 0; row < 500; ++row) {
    const double* const own = y.scores.data() + 3 * row;
    EXPECT_EQ(y.labels[row], std::max_element(own, own + 3) - own);
    EXPECT_NEAR(own[1] / own[0], std::exp(y.margin[3 * row + 1] - y.margin[3 * row]), 1e-12);
  }
}

TEST(Outputs, TheFirstOfEqualScoresIsTheLabel) {
  ModelFile file = example(2, 2, "softmax", "fp32");
  file.graph["stages"] = {{{"op", "link"}, {"function", "identity"}}};
  file.graph.erase("normalizer");
  file.graph["missing_values"] = "propagate";
  file.tensors.clear();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto model = Model::load_bytes(file.build());
  EXPECT_EQ(evaluate<float>(*model, {1, 1, 0, 1, 2, 1}).labels,
            (std::vector<std::int64_t>{0, 1, 0}));
  Workspace workspace;
  const std::vector<float> x = {nan, 3};
  std::vector<float> scores(2);
  std::int64_t label = -1;
  model->evaluate(x.data(), 1, Outputs<float>{.scores = scores.data(), .labels = &label},
                  workspace);
  EXPECT_EQ(label, 0);
}

TEST(Outputs, LabelsAreAboveTheThreshold) {
  ModelFile file = example(1, 1, "sigmoid", "fp32");
  file.graph["stages"] = {{{"op", "link"}, {"function", "identity"}}};
  file.graph.erase("normalizer");
  file.tensors.clear();
  file.graph["label_threshold"] = 0.1;  // between two floats, nearer to the upper one
  const auto model = Model::load_bytes(file.build());
  const float below = std::nextafter(0.1F, 0.0F);
  EXPECT_EQ(evaluate<float>(*model, {below, 0.1F, 0.2F, -1}).labels,
            (std::vector<std::int64_t>{0, 1, 1, 0}));
}

TEST(Outputs, OfRegressionsAreScoresAndMargin) {
  const auto model = Model::load_bytes(example(4, 3, "exp", "fp64").build());
  EXPECT_EQ(model->description().outputs, (std::vector<std::string>{"scores", "margin"}));
  const Evaluated<double> y = evaluate(*model, rows_for<double>(*model, 10));
  for (std::size_t i = 0; i < 30; ++i) EXPECT_NEAR(y.scores[i], std::exp(y.margin[i]), 1e-12);
}

TEST(Outputs, TheMarginIsWhatAllLinksAtTheEndTake) {
  ModelFile file = tiny();
  file.graph["stages"].push_back({{"op", "link"}, {"function", "tanh"}});
  file.graph["stages"].push_back({{"op", "link"}, {"function", "exp"}});
  const auto model = Model::load_bytes(file.build());
  EXPECT_EQ(model->description().link, "tanh, exp");
  const Evaluated<float> y = evaluate<float>(*model, {0.125F, 0, 0});
  EXPECT_EQ(y.margin[0], 0.625F);
  EXPECT_NEAR(y.scores[0], std::exp(std::tanh(0.625F)), 1e-6);
}

std::string refusal_of(ModelFile file, const char* key, Json value) {
  file.graph[key] = std::move(value);
  return refusal(file.build());
}

TEST(Labels, AreRefusedWhereTheyMakeNoSense) {
  const ModelFile binary = example(4, 1, "sigmoid", "fp32");
  const ModelFile multiclass = example(4, 3, "softmax", "fp32");
  EXPECT_EQ(refusal_of(binary, "label", "argmax"),
            "label is argmax, expected so of multiclass_classification only");
  EXPECT_EQ(refusal_of(multiclass, "label", "threshold"),
            "label is threshold, expected so of binary_classification only");
  EXPECT_EQ(refusal_of(tiny(), "label", "argmax"),
            "label is argmax, expected so of multiclass_classification only");
  EXPECT_EQ(refusal_of(multiclass, "label_threshold", 0.5),
            "label_threshold is given where label is not threshold");
  EXPECT_EQ(refusal_of(binary, "label", "first"),
            "label is \"first\", expected one of none, threshold, argmax");
  EXPECT_EQ(refusal_of(binary, "label", "none"), "");
  EXPECT_EQ(refusal_of(tiny(), "label", "none"), "");
}

TEST(Hashing, IsStatedInFull) {
  const Json alternate = {{"function", "murmur3_32"}, {"signs", "alternate"}};
  ModelFile file = tiny();
  EXPECT_FALSE(Model::load_bytes(file.build())->description().hashing);
  file.graph["hashing"] = alternate;
  EXPECT_TRUE(Model::load_bytes(file.build())->description().hashing->alternate_sign);
  file.graph["hashing"]["signs"] = "positive";
  EXPECT_FALSE(Model::load_bytes(file.build())->description().hashing->alternate_sign);
  EXPECT_EQ(refusal_of(tiny(), "hashing", {{"function", "md5"}, {"signs", "positive"}}),
            "hashing: function is \"md5\", expected one of murmur3_32");
  EXPECT_EQ(refusal_of(tiny(), "hashing", {{"function", "murmur3_32"}, {"signs", 1}}),
            "hashing: signs: expected text, got number");
  EXPECT_EQ(refusal_of(tiny(), "hashing", {{"function", "murmur3_32"}, {"seed", 1}}),
            "hashing: unknown key \"seed\"");
  file.graph["categories"] = {{"x1", {"red"}}};
  EXPECT_EQ(refusal(file.build()), "hashing: expected no categories beside it");
}

// The published check of the function, and its values for a name with a negative hash.
TEST(Hashing, IsMurmur3) {
  EXPECT_EQ(murmur3_32("", 0), 0U);
  EXPECT_EQ(murmur3_32("", 1), 0x514e28b7U);
  EXPECT_EQ(murmur3_32("", 0xffffffffU), 0x81f16f39U);
  EXPECT_EQ(murmur3_32("abc", 0), 0xb3dd93faU);
  EXPECT_EQ(murmur3_32("Hello, world!", 0x9747b28cU), 0x24884cbaU);
  const auto place = hashed_feature("abc", 1000, {.alternate_sign = true});
  EXPECT_EQ(place.column, (0x100000000U - 0xb3dd93faU) % 1000);
  EXPECT_EQ(place.sign, -1);
  EXPECT_EQ(hashed_feature("abc", 1000, {.alternate_sign = false}).sign, 1);
}

TEST(Categories, AreOfFeaturesAndUnique) {
  EXPECT_EQ(refusal_of(tiny(), "categories", {{"x1", {"red", "green"}}}), "");
  EXPECT_EQ(refusal_of(tiny(), "categories", {{"y", {"red"}}}),
            "categories: \"y\": there is no such feature");
  EXPECT_EQ(refusal_of(tiny(), "categories", {{"x1", {"red", "red"}}}),
            "categories: \"x1\": name \"red\" is given twice");
  EXPECT_EQ(refusal_of(tiny(), "categories", {{"x1", 1}}),
            "categories: \"x1\": expected a list, got number");
  EXPECT_EQ(refusal_of(tiny(), "categories", Json::array()),
            "stage graph: categories: expected an object, got array");
  ModelFile file = tiny();
  file.graph["categories"]["x2"] = {"a", "b"};
  const auto model = Model::load_bytes(file.build());
  EXPECT_EQ(model->description().categories.at("x2"), (std::vector<std::string>{"a", "b"}));
}

}  // namespace
}  // namespace thriftscore::testing
