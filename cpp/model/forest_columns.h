// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/forest.h"
#include "model/aligned.h"
#include "model/forest_spec.h"

namespace thriftscore {

/// What decides at a node: code > `threshold` goes right. At 0 every value does.
struct CodeTest {
  std::uint32_t column;
  std::uint32_t threshold;
};

/// The tests of a forest as comparisons of codes (kernels/forest.h): which column each node looks
/// at and which of the column's thresholds, counted from 1, decides. T is what features come in;
/// every threshold is rounded to the T that decides every T as the double does.
template <typename T>
class ForestColumns {
 public:
  explicit ForestColumns(const ForestSpec& forest);

  struct Column {
    kernels::CodeColumn<T> rule;  // its thresholds and categories are not set
    std::uint32_t category_set;   // of a categorical column
    std::vector<T> thresholds;    // ascending, each once
    bool categorical;
  };
  const std::vector<Column>& columns() const noexcept { return columns_; }
  const std::vector<CodeTest>& tests() const noexcept { return tests_; }  // by node; leaves: unset

 private:
  std::vector<Column> columns_;
  std::vector<CodeTest> tests_;
};

/// The columns that some trees of a forest look at, ready for the kernels. Immovable parts: the
/// columns refer to the keys.
template <typename T>
class CodeTable {
 public:
  /// Adds a column with these of its thresholds.
  void add(const typename ForestColumns<T>::Column& column, const std::vector<T>& thresholds,
           const ForestSpec& forest);

  kernels::CodeColumns<T> view() const noexcept { return {columns_.data(), columns_.size()}; }
  std::size_t size() const noexcept { return columns_.size(); }

 private:
  std::vector<kernels::CodeColumn<T>> columns_;
  std::vector<AlignedVector<T>> keys_;                  // one for each level of each column
  std::vector<std::vector<std::uint32_t>> categories_;  // one for each categorical column
};

/// Consecutive trees whose tests fit codes of some width.
template <typename T>
struct TreeGroup {
  std::size_t first_tree;
  std::size_t last_tree;  // one past it
  CodeTable<T> table;
};

/// What codes of some width have room for.
struct CodeLimits {
  std::size_t thresholds;  // of one column
  std::size_t columns;
};

/// Cuts the trees into as few groups as the limits allow and makes `tests`, by node, refer to the
/// table of its tree's group. No groups where a tree alone exceeds the limits.
template <typename T>
std::vector<TreeGroup<T>> group_trees(const ForestSpec& forest, const ForestColumns<T>& columns,
                                      const CodeLimits& limits, std::vector<CodeTest>& tests);

}  // namespace thriftscore
