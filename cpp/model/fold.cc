// SPDX-License-Identifier: Apache-2.0
#include "model/fold.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <variant>

namespace thriftscore {
namespace {

// Replaces `last` by both stages in one, if they can be.
template <typename Second>
bool join_scale(StageSpec& last, StageSpec& next, Precision precision) {
  const auto* scale = std::get_if<ScaleSpec>(&last.kind);
  const auto* second = std::get_if<Second>(&next.kind);
  if (scale == nullptr || second == nullptr) return false;
  auto both = joined(*scale, *second, precision);
  if (!both) return false;
  last.kind = *std::move(both);
  last.outputs = next.outputs;
  return true;
}

bool join(StageSpec& last, StageSpec& next, Precision precision) {
  return join_scale<ScaleSpec>(last, next, precision) ||
         join_scale<DenseSpec>(last, next, precision) ||
         join_scale<SparseLinearSpec>(last, next, precision);
}

bool all_are(const std::vector<double>& values, double expected) {
  return std::all_of(values.begin(), values.end(),
                     [expected](double value) { return value == expected; });
}

// Of each kind, whether it hands on what it takes.
struct DoesNothing {
  std::size_t columns;

  bool operator()(const LinkSpec& link) const { return link.function == Function::kIdentity; }
  bool operator()(const ScaleSpec& scale) const {
    return all_are(scale.mean, 0) && all_are(scale.scale, 1);
  }
  bool operator()(const ClipSpec& clip) const {
    return all_are(clip.low, -INFINITY) && all_are(clip.high, INFINITY);
  }
  bool operator()(const SelectSpec& select) const {
    std::vector<std::uint32_t> all(columns);
    std::iota(all.begin(), all.end(), 0U);
    return select.columns == all;
  }
  template <typename Other>
  bool operator()(const Other& /*other*/) const {
    return false;
  }
};

// The chain that a stage of one branch amounts to; null if it has more or does more.
ChainSpec* only_branch(StageSpec& stage) {
  if (auto* concat = std::get_if<ConcatSpec>(&stage.kind)) {
    return concat->branches.size() == 1 ? &concat->branches.front() : nullptr;
  }
  auto* sum = std::get_if<SumSpec>(&stage.kind);
  if (sum == nullptr || sum->branches.size() != 1) return nullptr;
  return all_are(sum->weights, 1) && all_are(sum->bias, 0) ? &sum->branches.front() : nullptr;
}

void fold_branches(std::vector<ChainSpec>& branches, Precision precision) {
  for (ChainSpec& branch : branches) branch = fold(std::move(branch), precision);
}

void fold_inside(StageSpec& stage, Precision precision) {
  if (auto* concat = std::get_if<ConcatSpec>(&stage.kind)) {
    fold_branches(concat->branches, precision);
  }
  if (auto* sum = std::get_if<SumSpec>(&stage.kind)) {
    fold_branches(sum->branches, precision);
    if (auto dense = as_dense(*sum, precision)) {
      stage.kind = *std::move(dense);
    } else if (auto forest = as_forest(*sum)) {
      stage.kind = *std::move(forest);
    }
  }
}

void append(ChainSpec& done, StageSpec next, Precision precision) {
  if (std::visit(DoesNothing{next.columns}, next.kind)) return;
  if (!done.empty() && join(done.back(), next, precision)) return;
  done.push_back(std::move(next));
}

}  // namespace

ChainSpec fold(ChainSpec stages, Precision precision) {
  ChainSpec done;
  for (StageSpec& stage : stages) {
    fold_inside(stage, precision);
    if (ChainSpec* branch = only_branch(stage)) {
      for (StageSpec& inner : *branch) append(done, std::move(inner), precision);
    } else {
      append(done, std::move(stage), precision);
    }
  }
  return done;
}

}  // namespace thriftscore
