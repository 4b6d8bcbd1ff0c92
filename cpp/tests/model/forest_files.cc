// SPDX-License-Identifier: Apache-2.0
#include "tests/model/forest_files.h"

#include <utility>

namespace thriftscore::testing {
namespace {

constexpr double kLightGbmZero = 1e-35F;

// The leaf of `tree` that becomes a test.
std::size_t leaf_to_split(const std::vector<TestNode>& tree, Shape shape, std::mt19937_64& random) {
  if (shape == Shape::kBalanced) return (tree.size() - 1) / 2;
  if (shape == Shape::kRightChain) return tree.size() - 1;
  if (shape == Shape::kLeftChain) return tree.size() == 1 ? 0 : tree.size() - 2;
  std::vector<std::size_t> leaves;
  for (std::size_t i = 0; i < tree.size(); ++i) {
    if (tree[i].feature < 0) leaves.push_back(i);
  }
  return leaves[random() % leaves.size()];
}

std::vector<TestNode> make_tree(const ForestRecipe& recipe, std::mt19937_64& random,
                                TestForest& forest) {
  std::vector<TestNode> tree(1);
  const bool full = recipe.shape != Shape::kRandom;
  const std::size_t leaves = full ? recipe.leaves : 1 + random() % recipe.leaves;
  std::normal_distribution<double> numbers;
  for (std::size_t count = 1; count < leaves; ++count) {
    TestNode& node = tree[leaf_to_split(tree, recipe.shape, random)];
    node.feature = static_cast<int>(random() % recipe.columns);
    node.flags = recipe.flags[random() % recipe.flags.size()];
    node.threshold = recipe.thresholds.empty()
                         ? numbers(random)
                         : recipe.thresholds[random() % recipe.thresholds.size()];
    if ((node.flags & 4) != 0) {
      node.threshold = static_cast<double>(random() % forest.categories.size());
    }
    node.left = tree.size();
    node.right = tree.size() + 1;
    tree.resize(tree.size() + 2);
  }
  for (TestNode& node : tree) {
    if (node.feature >= 0) continue;
    node.left = forest.leaf_values.size();
    std::vector<double> values(recipe.vectors ? recipe.outputs : 1);
    for (double& value : values) value = numbers(random);
    forest.leaf_values.push_back(std::move(values));
  }
  return tree;
}

NamedTensor integers(const char* name, const char* dtype, const std::vector<double>& values) {
  return {name, {values.size()}, values, dtype};
}

}  // namespace

TestForest make_forest(const ForestRecipe& recipe, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  TestForest forest;
  forest.columns = recipe.columns;
  forest.outputs = recipe.outputs;
  forest.vectors = recipe.vectors;
  forest.mean = recipe.mean;
  forest.fp32_sums = recipe.fp32_sums;
  forest.categories = {{0x5A}, {}, {0xFFFFFFFF, 0x80000001}, {0, 0, 0x10}};
  for (std::size_t tree = 0; tree < recipe.trees; ++tree) {
    forest.trees.push_back(make_tree(recipe, random, forest));
    forest.tree_outputs.push_back(random() % recipe.outputs);
  }
  for (std::size_t o = 0; o < recipe.outputs; ++o) forest.base.push_back(0.25 + double(o));
  return forest;
}

bool goes_left(const TestForest& forest, const TestNode& node, double value) {
  const bool missing_left = (node.flags & 2) != 0;
  if ((node.flags & 4) != 0) {
    if (std::isnan(value)) return (node.flags & 32) != 0 && missing_left;
    const double category = std::trunc(value);
    const auto& words = forest.categories[static_cast<std::size_t>(node.threshold)];
    if (category < 0 || category >= 32.0 * static_cast<double>(words.size())) return false;
    const auto bit = static_cast<std::size_t>(category);
    return (words[bit / 32] >> (bit % 32) & 1U) != 0;
  }
  if (std::isnan(value)) {
    if ((node.flags & 16) == 0) return missing_left;
    value = 0;
  }
  if ((node.flags & 8) != 0 && std::abs(value) <= kLightGbmZero) return missing_left;
  return (node.flags & 1) != 0 ? value < node.threshold : value <= node.threshold;
}

ModelFile TestForest::file(const std::string& precision) const {
  std::vector<double> offsets = {0};
  std::vector<double> features;
  std::vector<double> thresholds;
  std::vector<double> left;
  std::vector<double> right;
  std::vector<double> flags;
  for (const auto& tree : trees) {
    for (const TestNode& node : tree) {
      features.push_back(node.feature);
      thresholds.push_back(node.threshold);
      left.push_back(static_cast<double>(node.left));
      right.push_back(static_cast<double>(node.right));
      flags.push_back(node.flags);
    }
    offsets.push_back(static_cast<double>(features.size()));
  }
  std::vector<double> values;
  for (const auto& leaf : leaf_values) values.insert(values.end(), leaf.begin(), leaf.end());
  std::vector<double> category_offsets = {0};
  std::vector<double> bits;
  for (const auto& words : categories) {
    bits.insert(bits.end(), words.begin(), words.end());
    category_offsets.push_back(static_cast<double>(bits.size()));
  }
  std::vector<std::uint64_t> leaf_shape = {leaf_values.size()};
  if (vectors) leaf_shape.push_back(outputs);

  ModelFile file = example(columns, 1, "identity", precision);
  file.graph.erase("normalizer");
  file.graph["missing_values"] = "propagate";
  Json stage = {{"op", "tree_ensemble"},
                {"tree_offsets", "tree_offsets"},
                {"features", "features"},
                {"thresholds", "thresholds"},
                {"left", "left"},
                {"right", "right"},
                {"flags", "flags"},
                {"leaf_values", "leaf_values"},
                {"category_offsets", "category_offsets"},
                {"category_bits", "category_bits"},
                {"outputs", outputs},
                {"base", "base"},
                {"aggregate", mean ? "mean" : "sum"},
                {"accumulate", fp32_sums ? "fp32" : "fp64"}};
  file.tensors = {{"thresholds", {thresholds.size()}, thresholds, "F64"},
                  {"leaf_values", leaf_shape, values, "F64"},
                  {"base", {base.size()}, base, "F64"},
                  integers("tree_offsets", "I64", offsets),
                  integers("features", "I32", features),
                  integers("left", "I32", left),
                  integers("right", "I32", right),
                  integers("category_offsets", "I32", category_offsets),
                  integers("category_bits", "U32", bits),
                  integers("flags", "U8", flags)};
  if (!vectors) {
    stage["tree_outputs"] = "tree_outputs";
    const std::vector<double> outputs_of_trees(tree_outputs.begin(), tree_outputs.end());
    file.tensors.insert(file.tensors.begin() + 4,
                        integers("tree_outputs", "I32", outputs_of_trees));
  }
  file.graph["stages"] = Json::array({stage});
  return file;
}

}  // namespace thriftscore::testing
