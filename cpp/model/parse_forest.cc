// SPDX-License-Identifier: Apache-2.0
// The parser of tree_ensemble.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "model/error.h"
#include "model/operators.h"

namespace thriftscore {
namespace {

// The node tensors, in which a tree's nodes follow one another.
struct NodeTensors {
  const Tensor& features;
  const Tensor& thresholds;
  const Tensor& left;
  const Tensor& right;
  const Tensor& flags;
};

NodeTensors take_nodes(const StageContext& stage) {
  const NodeTensors tensors = {stage.take("features", {Datatype::kI32}),
                               stage.take("thresholds", {Datatype::kF32, Datatype::kF64}),
                               stage.take("left", {Datatype::kI32}),
                               stage.take("right", {Datatype::kI32}),
                               stage.take("flags", {Datatype::kU8})};
  const std::uint64_t nodes = tensors.features.size();
  stage.check_shape(tensors.features, "features", {nodes});
  stage.check_shape(tensors.thresholds, "thresholds", {nodes});
  stage.check_shape(tensors.left, "left", {nodes});
  stage.check_shape(tensors.right, "right", {nodes});
  stage.check_shape(tensors.flags, "flags", {nodes});
  return tensors;
}

// Offsets that start at 0, rise by at least `least_step` and end with `last`.
std::vector<std::uint32_t> parse_offsets(const StageContext& stage, const char* role,
                                         std::int64_t least_step, std::size_t last) {
  const auto end = static_cast<std::int64_t>(last);
  const std::vector<std::int64_t> values = stage.integers(role, 0, end);
  if (values.size() < 2 || values.front() != 0 || values.back() != end) {
    refuse(stage.where, ": ", role, ": expected at least 2 numbers from 0 to ", end);
  }
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (values[i] - values[i - 1] < least_step) {
      refuse(stage.where, ": ", role, ": element ", i, " is ", values[i], ", expected at least ",
             values[i - 1] + least_step);
    }
  }
  return {values.begin(), values.end()};
}

void parse_categories(const StageContext& stage, ForestSpec& forest) {
  if (!stage.has("category_offsets") && !stage.has("category_bits")) return;
  const Tensor& bits = stage.take("category_bits", {Datatype::kU32});
  stage.check_shape(bits, "category_bits", {bits.size()});
  for (std::size_t i = 0; i < bits.size(); ++i) {
    forest.category_bits.push_back(static_cast<std::uint32_t>(bits.integer(i)));
  }
  forest.category_offsets = parse_offsets(stage, "category_offsets", 0, bits.size());
}

void parse_leaf_values(const StageContext& stage, ForestSpec& forest) {
  const Tensor& values = stage.take("leaf_values", {Datatype::kF32, Datatype::kF64});
  std::vector<std::uint64_t> shape = {values.shape.front()};
  if (forest.tree_outputs.empty()) shape.push_back(forest.outputs);
  stage.check_shape(values, "leaf_values", shape);
  forest.leaf_values = values_of(values);
  const Precision precision = forest.accumulate_fp32 ? Precision::kFp32 : Precision::kFp64;
  check_finite(forest.leaf_values, precision, stage.where + ": leaf_values");
  forest.base = stage.numbers("base", {forest.outputs});
  check_finite(forest.base, precision, stage.where + ": base");
}

// Puts nodes of one tree into a forest, refusing any that is not what FORMAT.md says.
class TreeParser {
 public:
  TreeParser(const StageContext& stage, const NodeTensors& tensors, ForestSpec& forest)
      : stage_(stage), tensors_(tensors), forest_(forest) {}

  void parse(std::size_t tree) {
    first_ = forest_.tree_offsets[tree];
    size_ = forest_.tree_offsets[tree + 1] - first_;
    has_parent_.assign(size_, false);
    for (std::size_t node = 0; node < size_; ++node) parse_node(first_ + node);
    for (std::size_t node = 1; node < size_; ++node) {
      if (!has_parent_[node]) refuse_node(first_ + node, "has no parent");
    }
  }

 private:
  template <typename... Parts>
  [[noreturn]] void refuse_node(std::size_t index, const Parts&... what) const {
    refuse(stage_.where, ": node ", index, " ", what...);
  }

  void parse_node(std::size_t index) {
    ForestNode node;
    const std::int64_t feature = tensors_.features.integer(index);
    if (feature < kLeafFeature || feature >= static_cast<std::int64_t>(stage_.columns)) {
      refuse_node(index, "tests feature ", feature, ", expected -1 (a leaf) to ",
                  stage_.columns - 1);
    }
    node.feature = static_cast<std::int32_t>(feature);
    node.flags = static_cast<std::uint8_t>(tensors_.flags.integer(index));
    if (node.is_leaf()) {
      parse_leaf(index, node);
    } else {
      check_flags(index, node.flags);
      node.threshold = parse_threshold(index, node.flags);
      node.left = parse_child(index, "left", tensors_.left.integer(index));
      node.right = parse_child(index, "right", tensors_.right.integer(index));
    }
    forest_.nodes.push_back(node);
  }

  void parse_leaf(std::size_t index, ForestNode& node) const {
    const std::int64_t value = tensors_.left.integer(index);
    const std::size_t values = forest_.leaf_values.size() / forest_.leaf_width();
    if (value < 0 || value >= static_cast<std::int64_t>(values)) {
      refuse_node(index, "is a leaf of value ", value, ", expected 0 to ", values - 1);
    }
    if (node.flags != 0 || tensors_.right.integer(index) != 0) {
      refuse_node(index, "is a leaf: expected flags and right to be 0");
    }
    node.left = static_cast<std::uint32_t>(value);
  }

  void check_flags(std::size_t index, std::uint8_t flags) const {
    constexpr int kNumeric = kStrict | kMissingLeft | kZeroIsMissing | kNanIsZero;
    constexpr int kOfCategories = kMissingLeft | kCategorical | kNanIsMissing;
    if ((flags & ~((flags & kCategorical) != 0 ? kOfCategories : kNumeric)) != 0) {
      refuse_node(index, "has flags ", int{flags}, ", expected bits 0, 1, 3, 4 only, or 1, 2, 5");
    }
  }

  double parse_threshold(std::size_t index, std::uint8_t flags) const {
    const double threshold = tensors_.thresholds[index];
    if ((flags & kCategorical) != 0) {
      const std::size_t sets =
          forest_.category_offsets.empty() ? 0 : forest_.category_offsets.size() - 1;
      if (!(threshold >= 0 && threshold < static_cast<double>(sets)) ||
          threshold != std::floor(threshold)) {
        refuse_node(index, "tests category set ", threshold, ", expected one of ", sets);
      }
    } else if (std::isnan(threshold)) {
      refuse_node(index, "has a threshold that is not a number");
    }
    return threshold;
  }

  std::uint32_t parse_child(std::size_t index, const char* side, std::int64_t child) {
    const auto parent = static_cast<std::int64_t>(index - first_);
    if (child <= parent || child >= static_cast<std::int64_t>(size_)) {
      refuse_node(index, "has the ", side, " child ", child, ", expected ", parent + 1, " to ",
                  size_ - 1);
    }
    const auto position = static_cast<std::size_t>(child);
    if (has_parent_[position]) refuse_node(first_ + position, "has two parents");
    has_parent_[position] = true;
    return static_cast<std::uint32_t>(position);
  }

  const StageContext& stage_;
  const NodeTensors& tensors_;
  ForestSpec& forest_;
  std::size_t first_ = 0;  // node of the tree
  std::size_t size_ = 0;
  std::vector<bool> has_parent_;  // by node of the tree
};

}  // namespace

StageSpec parse_tree_ensemble(const StageContext& stage) {
  stage.json.allow_only({"op", "tree_offsets", "features", "thresholds", "left", "right", "flags",
                         "category_offsets", "category_bits", "leaf_values", "tree_outputs",
                         "outputs", "base", "aggregate", "accumulate"});
  ForestSpec forest;
  forest.columns = stage.columns;
  forest.outputs = static_cast<std::size_t>(stage.json.count("outputs", kOutputsMax));
  if (forest.outputs == 0) refuse(stage.where, ": outputs is 0, expected at least 1");
  forest.mean = stage.choice("aggregate", {"sum", "mean"}) == 1;
  forest.accumulate_fp32 =
      stage.has("accumulate") && stage.choice("accumulate", {"fp64", "fp32"}) == 1;
  const NodeTensors nodes = take_nodes(stage);
  forest.tree_offsets = parse_offsets(stage, "tree_offsets", 1, nodes.features.size());
  if (stage.has("tree_outputs")) {
    const auto highest = static_cast<std::int64_t>(forest.outputs) - 1;
    const std::vector<std::int64_t> outputs = stage.integers("tree_outputs", 0, highest);
    if (outputs.size() != forest.trees()) {
      refuse(stage.where, ": tree_outputs has ", outputs.size(),
             " elements, expected one for each ", "of ", forest.trees(), " trees");
    }
    forest.tree_outputs.assign(outputs.begin(), outputs.end());
  }
  parse_categories(stage, forest);
  parse_leaf_values(stage, forest);
  forest.nodes.reserve(nodes.features.size());
  TreeParser parser(stage, nodes, forest);
  for (std::size_t tree = 0; tree < forest.trees(); ++tree) parser.parse(tree);
  const std::size_t outputs = forest.outputs;
  return {std::move(forest), stage.columns, outputs};
}

}  // namespace thriftscore
