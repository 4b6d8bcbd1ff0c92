// SPDX-License-Identifier: Apache-2.0
// A weighted sum of stages of one kind as one stage.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <variant>

#include "model/fold.h"
#include "model/stage_context.h"

namespace thriftscore {
namespace {

// The branches, if each is one stage of this kind; otherwise none.
template <typename Spec>
std::vector<const Spec*> all_of_kind(const SumSpec& sum) {
  std::vector<const Spec*> found;
  for (const ChainSpec& branch : sum.branches) {
    const auto* spec = branch.size() == 1 ? std::get_if<Spec>(&branch.front().kind) : nullptr;
    if (spec == nullptr) return {};
    found.push_back(spec);
  }
  return found;
}

void add_scaled(std::vector<double>& total, const std::vector<double>& values, double weight) {
  for (std::size_t i = 0; i < total.size(); ++i) total[i] += weight * values[i];
}

// Whether trees of both can stand in one forest.
bool fit_together(const ForestSpec& a, const ForestSpec& b) {
  return a.accumulate_fp32 == b.accumulate_fp32 && a.tree_outputs.empty() == b.tree_outputs.empty();
}

template <typename Value>
void append_shifted(std::vector<Value>& to, const std::vector<Value>& from, Value shift) {
  for (std::size_t i = 1; i < from.size(); ++i) to.push_back(from[i] + shift);
}

// Adds the trees of `forest`, their leaves times `weight`.
void append_trees(ForestSpec& all, const ForestSpec& forest, double weight) {
  const auto leaves = static_cast<std::uint32_t>(all.leaf_values.size() / all.leaf_width());
  const auto sets = static_cast<double>(std::max<std::size_t>(all.category_offsets.size(), 1) - 1);
  append_shifted(all.tree_offsets, forest.tree_offsets,
                 static_cast<std::uint32_t>(all.nodes.size()));
  for (ForestNode node : forest.nodes) {
    if (node.is_leaf()) node.left += leaves;
    if ((node.flags & kCategorical) != 0) node.threshold += sets;
    all.nodes.push_back(node);
  }
  const double factor = forest.mean ? weight / static_cast<double>(forest.trees()) : weight;
  for (const double value : forest.leaf_values) all.leaf_values.push_back(value * factor);
  all.tree_outputs.insert(all.tree_outputs.end(), forest.tree_outputs.begin(),
                          forest.tree_outputs.end());
  if (!forest.category_offsets.empty()) {
    if (all.category_offsets.empty()) all.category_offsets.push_back(0);
    append_shifted(all.category_offsets, forest.category_offsets,
                   static_cast<std::uint32_t>(all.category_bits.size()));
    all.category_bits.insert(all.category_bits.end(), forest.category_bits.begin(),
                             forest.category_bits.end());
  }
  add_scaled(all.base, forest.base, weight);
}

// Whether indices of all the nodes together fit their type.
bool can_be_counted(const std::vector<const ForestSpec*>& forests) {
  std::size_t most = 0;
  for (const ForestSpec* forest : forests) {
    most +=
        std::max({forest->nodes.size(), forest->leaf_values.size(), forest->category_bits.size()});
  }
  return most <= std::numeric_limits<std::int32_t>::max();
}

}  // namespace

std::optional<DenseSpec> as_dense(const SumSpec& sum, Precision precision) {
  const std::vector<const DenseSpec*> parts = all_of_kind<DenseSpec>(sum);
  if (parts.empty()) return std::nullopt;
  DenseSpec all;
  all.weights.resize(parts.front()->weights.size());
  all.bias = sum.bias;
  all.note = ", sum folded";
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool plain = parts[i]->activation == Function::kIdentity && parts[i]->centre.empty();
    if (!plain) return std::nullopt;
    add_scaled(all.weights, parts[i]->weights, sum.weights[i]);
    add_scaled(all.bias, parts[i]->bias, sum.weights[i]);
  }
  if (!all_finite(all.weights, precision) || !all_finite(all.bias, precision)) return std::nullopt;
  return all;
}

std::optional<ForestSpec> as_forest(const SumSpec& sum) {
  const std::vector<const ForestSpec*> parts = all_of_kind<ForestSpec>(sum);
  if (parts.empty() || !can_be_counted(parts)) return std::nullopt;
  ForestSpec all;
  all.columns = parts.front()->columns;
  all.outputs = parts.front()->outputs;
  all.tree_offsets = {0};
  all.base = sum.bias;
  all.accumulate_fp32 = parts.front()->accumulate_fp32;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const ForestSpec& part = *parts[i];
    const bool exact = !part.accumulate_fp32 || (sum.weights[i] == 1 && !part.mean);
    if (!exact || !fit_together(part, *parts.front())) return std::nullopt;
    append_trees(all, part, sum.weights[i]);
  }
  for (const double value : all.leaf_values) {
    if (!std::isfinite(value)) return std::nullopt;
  }
  return all;
}

}  // namespace thriftscore
