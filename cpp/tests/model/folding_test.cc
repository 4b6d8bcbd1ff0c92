// SPDX-License-Identifier: Apache-2.0
// What is folded at load, and that it gives what the stages as written give.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "model/model.h"
#include "tests/model/model_files.h"

namespace thriftscore::testing {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
using Plan = std::vector<std::string>;

Json op(const char* name, Json keys = Json::object()) {
  keys["op"] = name;
  return keys;
}

template <typename T>
void expect_like_reference(ModelFile file, double tolerance) {
  file.graph["precision"] = sizeof(T) == sizeof(float) ? "fp32" : "fp64";
  const auto model = Model::load_bytes(file.build());
  Workspace workspace;
  for (std::uint64_t row = 0; row < 20; ++row) {
    std::vector<T> x;
    for (const double value : numbers(model->columns(), row)) x.push_back(static_cast<T>(value));
    std::vector<T> y(model->outputs());
    model->score(x.data(), 1, y.data(), workspace);
    const auto expected = reference(file, {x.begin(), x.end()});
    for (std::size_t o = 0; o < y.size(); ++o) {
      EXPECT_NEAR(double{y[o]}, static_cast<double>(expected[o]), tolerance) << "row " << row;
    }
  }
}

// Both precisions fold to the same plan here.
void expect_plan(const ModelFile& file, const Plan& plan) {
  EXPECT_EQ(Model::load_bytes(file.build())->description().plan, plan);
  expect_like_reference<float>(file, 1e-5);
  expect_like_reference<double>(file, 1e-13);
}

std::vector<double> above_one(std::size_t count, std::uint64_t seed) {
  std::vector<double> values = numbers(count, seed);
  for (double& value : values) value += 2.5;
  return values;
}

const Json kFirstScale = op("scale", {{"mean", "m0"}, {"scale", "s0"}});
const Json kSecondScale = op("scale", {{"mean", "m1"}, {"scale", "s1"}});

std::vector<NamedTensor> scales() {
  return {{"m0", {3}, numbers(3, 1)},
          {"s0", {3}, above_one(3, 2)},
          {"m1", {3}, numbers(3, 3)},
          {"s1", {3}, above_one(3, 4)}};
}

TEST(Folding, ScalesInARowAreOne) {
  expect_plan(staged(3, {kFirstScale, kSecondScale}, scales()), {"scale 3"});
}

TEST(Folding, ScalesStayApartWhereTheirProductLeavesThePrecision) {
  ModelFile file = staged(3, {kFirstScale, kSecondScale}, scales());
  file.tensor("s0").values = {1e-30, 1, 1};
  file.tensor("s1").values = {1e-30, 1, 1};
  file.graph["precision"] = "fp32";
  EXPECT_EQ(Model::load_bytes(file.build())->description().plan, (Plan{"scale 3", "scale 3"}));
}

TEST(Folding, AScaleGoesIntoSparseWeights) {
  std::vector<NamedTensor> tensors = scales();
  tensors.resize(2);
  tensors.push_back({"p", {3}, {0, 2, 3}, "I64"});
  tensors.push_back({"i", {3}, {0, 2, 1}, "I64"});
  tensors.push_back({"w", {3}, numbers(3, 5)});
  tensors.push_back({"b", {2}, numbers(2, 6)});
  const Json sparse =
      op("sparse_linear", {{"indptr", "p"}, {"indices", "i"}, {"weights", "w"}, {"bias", "b"}});
  expect_plan(staged(3, {kFirstScale, sparse}, tensors),
              {"sparse_linear 3 -> 2, 3 weights, scale folded"});
}

ModelFile sum_of_dense(const char* activation) {
  const Json first = {op("dense", {{"weights", "w0"}, {"bias", "b0"}})};
  const Json second = {
      op("dense", {{"weights", "w1"}, {"bias", "b1"}, {"activation", activation}})};
  return staged(3, {op("sum", {{"branches", {first, second}}, {"weights", "w"}, {"bias", "b"}})},
                {{"w0", {2, 3}, numbers(6, 1)},
                 {"b0", {2}, numbers(2, 2)},
                 {"w1", {2, 3}, numbers(6, 3)},
                 {"b1", {2}, numbers(2, 4)},
                 {"w", {2}, {0.25, -3}},
                 {"b", {2}, numbers(2, 5)}});
}

TEST(Folding, ASumOfDenseStagesIsOne) {
  expect_plan(sum_of_dense("identity"), {"dense 3 -> 2, sum folded"});
}

TEST(Folding, ASumWithAnActivationStays) {
  expect_plan(sum_of_dense("tanh"), {"sum 3 -> 2 of [dense 3 -> 2] [dense 3 -> 2 tanh]"});
}

TEST(Folding, WhatDoesNothingIsDropped) {
  expect_plan(
      staged(
          2,
          {op("link", {{"function", "identity"}}), op("clip", {{"low", "low"}, {"high", "high"}}),
           op("select", {{"columns", "all"}}), op("scale", {{"mean", "zero"}, {"scale", "one"}}),
           op("select", {{"columns", "swapped"}})},
          {{"low", {2}, {-kInfinity, -kInfinity}},
           {"high", {2}, {kInfinity, kInfinity}},
           {"all", {2}, {0, 1}, "I64"},
           {"zero", {2}, {0, 0}},
           {"one", {2}, {1, 1}},
           {"swapped", {2}, {1, 0}, "I64"}}),
      {"select 2 of 2"});
}

TEST(Folding, OneBranchIsTheStagesInIt) {
  const Json concat = op("concat", {{"branches", Json::array({Json::array({kFirstScale})})}});
  std::vector<NamedTensor> tensors = scales();
  expect_plan(staged(3, {concat, kSecondScale}, tensors), {"scale 3"});
  tensors.resize(2);
  tensors.push_back({"w", {1}, {1}});
  const Json sum =
      op("sum", {{"branches", Json::array({Json::array({kFirstScale})})}, {"weights", "w"}});
  expect_plan(staged(3, {sum}, tensors), {"scale 3"});
  tensors.back().values = {2};
  expect_plan(staged(3, {sum}, tensors), {"sum 3 -> 3 of [scale 3]"});
}

TEST(Folding, BranchesAreFoldedInside) {
  const Json branch = {kFirstScale, kSecondScale};
  expect_plan(staged(3, {op("concat", {{"branches", {branch, Json::array()}}})}, scales()),
              {"concat 3 -> 6 of [scale 3] [nothing]"});
}

// A forest of two trees over 2 features: a leaf, and one test.
void add_forest(ModelFile& file, const std::string& prefix, const char* aggregate,
                const char* accumulate) {
  const auto name = [&prefix](const char* role) { return prefix + role; };
  file.graph["stages"][0]["branches"].push_back(
      Json::array({op("tree_ensemble", {{"tree_offsets", name("offsets")},
                                        {"features", name("features")},
                                        {"thresholds", name("thresholds")},
                                        {"left", name("left")},
                                        {"right", name("right")},
                                        {"flags", name("flags")},
                                        {"leaf_values", name("leaves")},
                                        {"outputs", 1},
                                        {"base", name("base")},
                                        {"aggregate", aggregate},
                                        {"accumulate", accumulate}})}));
  const std::vector<NamedTensor> tensors = {
      {name("offsets"), {3}, {0, 1, 4}, "I64"},        {name("leaves"), {3, 1}, {0.5, 1, -2}},
      {name("thresholds"), {4}, {0, 0.25, 0, 0}},      {name("base"), {1}, {3}},
      {name("features"), {4}, {-1, 1, -1, -1}, "I32"}, {name("left"), {4}, {0, 1, 1, 2}, "I32"},
      {name("right"), {4}, {0, 2, 0, 0}, "I32"},       {name("flags"), {4}, {0, 0, 0, 0}, "U8"}};
  file.tensors.insert(file.tensors.begin(), tensors.begin(), tensors.begin() + 4);
  file.tensors.insert(file.tensors.end(), tensors.begin() + 4, tensors.end());
}

ModelFile sum_of_forests(const char* accumulate) {
  ModelFile file = staged(2, {op("sum", {{"branches", Json::array()}, {"weights", "w"}})},
                          {{"w", {2}, {0.5, 2}}});
  add_forest(file, "a.", "sum", accumulate);
  add_forest(file, "b.", "mean", accumulate);
  return file;
}

TEST(Folding, ASumOfForestsIsAForestWithWeightedLeaves) {
  const auto model = Model::load_bytes(sum_of_forests("fp64").build());
  ASSERT_EQ(model->description().plan.size(), 1U);
  EXPECT_EQ(model->description().plan[0].find("tree_ensemble 2 -> 1, 4 trees"), 0U)
      << model->description().plan[0];
  Workspace workspace;
  for (const double x : {0.0, 0.25, 0.5}) {
    const std::vector<double> row = {7, x};
    double y = 0;
    model->score(row.data(), 1, &y, workspace);
    const double trees = 0.5 + (x <= 0.25 ? 1 : -2);
    EXPECT_DOUBLE_EQ(y, 0.5 * (3 + trees) + 2 * (3 + trees / 2)) << x;
  }
}

TEST(Folding, ForestsThatAddUpInFloatStayApart) {
  const auto model = Model::load_bytes(sum_of_forests("fp32").build());
  EXPECT_EQ(model->description().plan[0].find("sum 2 -> 1 of [tree_ensemble"), 0U);
}

}  // namespace
}  // namespace thriftscore::testing
