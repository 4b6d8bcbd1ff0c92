// SPDX-License-Identifier: Apache-2.0
// Files whose trees are wrong are refused with the reason.
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "model/model.h"
#include "tests/model/forest_files.h"

namespace thriftscore::testing {
namespace {

std::string refusal(const Bytes& file) {
  try {
    Model::load_bytes(file);
  } catch (const ModelError& error) {
    return error.what();
  }
  return "";
}

// Two trees: a test of a number with a test of a category below it, and a leaf.
//   0: x0 <= 0.5 ? 1 : 2    1: leaf 0    2: x1 in set 0 ? 3 : 4    3: leaf 1    4: leaf 2
ModelFile two_trees() {
  TestForest forest;
  forest.columns = 2;
  forest.trees = {{{0, 0.5, 1, 2, 2}, {-1, 0, 0}, {1, 0, 3, 4, 4}, {-1, 0, 1}, {-1, 0, 2}},
                  {{-1, 0, 3}}};
  forest.tree_outputs = {0, 0};
  forest.leaf_values = {{1}, {2}, {3}, {4}};
  forest.base = {0};
  forest.categories = {{1}};
  return forest.file("fp32");
}

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Case {
  std::string name;
  std::function<void(ModelFile&)> spoil;
  std::string message;  // a part of it
};

void PrintTo(const Case& test, std::ostream* out) { *out << test.name; }

Case value(const char* name, const char* tensor, std::size_t index, double wrong,
           const char* message) {
  return {name, [=](ModelFile& f) { f.tensor(tensor).values[index] = wrong; }, message};
}

Case key(const char* name, const char* role, const Json& wrong, const char* message) {
  return {name, [=](ModelFile& f) { f.graph["stages"][0][role] = wrong; }, message};
}

Case shorter(const char* name, const char* tensor, const char* message) {
  return {name,
          [=](ModelFile& f) {
            f.tensor(tensor).values.pop_back();
            --f.tensor(tensor).shape[0];
          },
          message};
}

const Case kCases[] = {
    value("FeatureBeyondTheRow", "features", 0, 2, "node 0 tests feature 2, expected -1"),
    value("FeatureBelowLeaf", "features", 0, -2, "node 0 tests feature -2"),
    value("ChildIsItself", "left", 0, 0, "node 0 has the left child 0, expected 1 to 4"),
    value("ChildBeforeIts", "right", 2, 1, "node 2 has the right child 1, expected 3 to 4"),
    value("ChildInTheNextTree", "right", 2, 5, "node 2 has the right child 5"),
    value("NegativeChild", "left", 2, -1, "node 2 has the left child -1"),
    value("TwoParents", "right", 2, 3, "node 3 has two parents"),
    value("NoParent", "right", 0, 3, "two parents"),
    value("LeafValueBeyond", "left", 5, 4, "node 5 is a leaf of value 4, expected 0 to 3"),
    value("LeafValueNegative", "left", 1, -1, "node 1 is a leaf of value -1"),
    value("LeafWithRight", "right", 1, 1, "node 1 is a leaf: expected flags and right to be 0"),
    value("LeafWithFlags", "flags", 1, 2, "node 1 is a leaf: expected flags"),
    value("UnknownFlag", "flags", 0, 64, "node 0 has flags 64"),
    value("StrictCategories", "flags", 2, 5, "node 2 has flags 5"),
    value("NumberWithCategoryFlag", "flags", 0, 32, "node 0 has flags 32"),
    value("ThresholdIsNan", "thresholds", 0, kNan, "threshold that is not a number"),
    value("CategorySetBeyond", "thresholds", 2, 1, "tests category set 1, expected one of 1"),
    value("CategorySetNegative", "thresholds", 2, -1, "tests category set -1"),
    value("CategorySetBroken", "thresholds", 2, 0.5, "tests category set 0.5"),
    value("CategorySetNan", "thresholds", 2, kNan, "tests category set"),
    value("CategoryOffsetsBeyond", "category_offsets", 1, 2, "category_offsets: element 1 is 2"),
    value("CategoryOffsetsStart", "category_offsets", 0, 1, "expected at least 2 numbers from 0"),
    value("TreeOffsetsStart", "tree_offsets", 0, 1, "tree_offsets: expected at least 2 numbers"),
    value("TreeOffsetsEnd", "tree_offsets", 2, 5, "tree_offsets: expected at least 2 numbers"),
    value("TreeOffsetsBeyond", "tree_offsets", 1, 7, "tree_offsets: element 1 is 7"),
    value("EmptyTree", "tree_offsets", 1, 6, "tree_offsets: element 2 is 6, expected at least 7"),
    value("TreeOutputBeyond", "tree_outputs", 1, 1, "tree_outputs: element 1 is 1"),
    value("TreeOutputNegative", "tree_outputs", 1, -1, "tree_outputs: element 1 is -1"),
    value("LeafValueNan", "leaf_values", 1, kNan, "leaf_values: element 1 is nan"),
    value("LeafValueInfinite", "leaf_values", 1, kInfinity, "leaf_values: element 1 is inf"),
    value("BaseNan", "base", 0, kNan, "base: element 0 is nan"),
    shorter("FewerThresholds", "thresholds", "thresholds is [5], expected [6]"),
    shorter("FewerFlags", "flags", "flags is [5], expected [6]"),
    shorter("FewerRights", "right", "right is [5], expected [6]"),
    shorter("FewerTreeOutputs", "tree_outputs", "tree_outputs has 1 elements"),
    key("NoOutputs", "outputs", 0, "outputs is 0, expected at least 1"),
    key("TooManyOutputs", "outputs", 65537, "outputs"),
    key("OtherOutputs", "outputs", 2, "base is [1], expected [2]"),
    key("UnknownAggregate", "aggregate", "max", "aggregate is \"max\""),
    key("UnknownAccumulate", "accumulate", "fp16", "accumulate is \"fp16\""),
    key("UnknownKey", "depth", 3, "depth"),
};

class RefusesForest : public ::testing::TestWithParam<Case> {};

TEST_P(RefusesForest, WithTheReason) {
  ModelFile file = two_trees();
  ASSERT_EQ(refusal(file.build()), "");
  GetParam().spoil(file);
  const std::string message = refusal(file.build());
  EXPECT_NE(message.find(GetParam().message), std::string::npos) << "refused with: " << message;
}

INSTANTIATE_TEST_SUITE_P(Forest, RefusesForest, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

TEST(ForestLoading, RefusesLeavesBeyondFloatWhereTheyAreAddedInFloat) {
  ModelFile file = two_trees();
  file.tensor("leaf_values").values[0] = 1e39;
  EXPECT_EQ(refusal(file.build()), "");
  file.graph["stages"][0]["accumulate"] = "fp32";
  EXPECT_NE(refusal(file.build()).find("element 0 is 1e+39"), std::string::npos);
}

// What is accepted must score any row without touching what is not the model's: the sanitizer
// builds watch.
TEST(ForestLoading, SurvivesEveryFlippedByteOfTheTensors) {
  const ModelFile good = two_trees();
  const std::size_t header = join(good.header().dump(), {}).size();
  const Bytes file = good.build();
  const auto nan = static_cast<float>(kNan);
  const auto infinity = static_cast<float>(kInfinity);
  const std::vector<float> x = {0.5F, 1, nan, 0, -1, infinity, 1e30F, -1e30F};
  std::size_t accepted = 0;
  for (std::size_t i = header; i < file.size(); ++i) {
    for (const unsigned flip : {0x01U, 0x80U, 0xFFU}) {
      Bytes spoilt = file;
      spoilt[i] ^= static_cast<std::byte>(flip);
      if (!refusal(spoilt).empty()) continue;
      ++accepted;
      std::vector<float> y(4);
      Workspace workspace;
      EXPECT_FALSE(Model::load_bytes(spoilt)->score(x.data(), 4, y.data(), workspace));
    }
  }
  EXPECT_GT(accepted, 0U);
}

}  // namespace
}  // namespace thriftscore::testing
