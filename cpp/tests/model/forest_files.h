// SPDX-License-Identifier: Apache-2.0
// Forests for tests: random ones of every shape, as model files, and scored by walking them in
// double, node by node, as FORMAT.md says.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tests/model/model_files.h"

namespace thriftscore::testing {

struct TestNode {
  int feature = -1;
  double threshold = 0;
  std::size_t left = 0;  // in the tree; of a leaf: its row of leaf_values
  std::size_t right = 0;
  int flags = 0;
};

struct TestForest {
  std::size_t columns = 1;
  std::size_t outputs = 1;
  bool vectors = false;  // leaves of all outputs; otherwise each tree has one
  bool mean = false;
  bool fp32_sums = false;
  std::vector<std::vector<TestNode>> trees;
  std::vector<std::size_t> tree_outputs;
  std::vector<std::vector<double>> leaf_values;
  std::vector<double> base;
  std::vector<std::vector<std::uint32_t>> categories;

  ModelFile file(const std::string& precision) const;
};

enum class Shape { kRandom, kLeftChain, kRightChain, kBalanced };

struct ForestRecipe {
  std::size_t columns = 5;
  std::size_t trees = 20;
  std::size_t leaves = 31;  // the most of a tree
  Shape shape = Shape::kRandom;
  std::vector<int> flags = {0};         // each node has one of these
  std::vector<double> thresholds = {};  // each numeric node has one of these; empty: any number
  std::size_t outputs = 1;
  bool vectors = false;
  bool mean = false;
  bool fp32_sums = false;
};

TestForest make_forest(const ForestRecipe& recipe, std::uint64_t seed);

/// Whether `value` goes left at a node.
bool goes_left(const TestForest& forest, const TestNode& node, double value);

/// Scores of one row, added up in Sum and rounded to T.
template <typename Sum, typename T>
std::vector<T> walked(const TestForest& forest, const std::vector<T>& row) {
  const auto trees = static_cast<Sum>(forest.trees.size());
  std::vector<Sum> sums(forest.outputs);
  for (std::size_t o = 0; o < sums.size() && !forest.mean; ++o) {
    sums[o] = static_cast<Sum>(forest.base[o]);
  }
  for (std::size_t t = 0; t < forest.trees.size(); ++t) {
    const auto& tree = forest.trees[t];
    std::size_t at = 0;
    while (tree[at].feature >= 0) {
      const auto value = double{row[static_cast<std::size_t>(tree[at].feature)]};
      at = goes_left(forest, tree[at], value) ? tree[at].left : tree[at].right;
    }
    const std::vector<double>& leaf = forest.leaf_values[tree[at].left];
    const std::size_t first = forest.vectors ? 0 : forest.tree_outputs[t];
    for (std::size_t i = 0; i < leaf.size(); ++i) sums[first + i] += static_cast<Sum>(leaf[i]);
  }
  std::vector<T> scores;
  for (std::size_t o = 0; o < sums.size(); ++o) {
    const auto base = static_cast<Sum>(forest.base[o]);
    scores.push_back(static_cast<T>(forest.mean ? sums[o] / trees + base : sums[o]));
  }
  return scores;
}

/// Rows that hit the thresholds, miss them by one unit in the last place, and hold NaN, infinities,
/// zeros, denormals and numbers that are no category.
template <typename T>
std::vector<T> rows_for(const TestForest& forest, std::size_t rows, std::uint64_t seed) {
  using Limits = std::numeric_limits<T>;
  std::vector<T> values = {Limits::quiet_NaN(),
                           Limits::infinity(),
                           -Limits::infinity(),
                           T{0},
                           -T{0},
                           Limits::denorm_min(),
                           -Limits::denorm_min(),
                           Limits::max(),
                           Limits::lowest(),
                           T(1e-35F),
                           T(-1e-35F),
                           T(1.1e-35F),
                           T(-0.5),
                           T(-1),
                           T(3e9)};
  for (const auto& tree : forest.trees) {
    for (const TestNode& node : tree) {
      const auto threshold = static_cast<T>(node.threshold);
      values.push_back(threshold);
      values.push_back(std::nextafter(threshold, Limits::infinity()));
      values.push_back(std::nextafter(threshold, -Limits::infinity()));
    }
  }
  for (int category = 0; category < 80; ++category) values.push_back(static_cast<T>(category));
  std::mt19937_64 random(seed);
  std::vector<T> x(rows * forest.columns);
  for (T& value : x) {
    const bool special = random() % 8 == 0;
    value = values[random() % (special ? 15 : values.size())];
  }
  return x;
}

}  // namespace thriftscore::testing
