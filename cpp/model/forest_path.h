// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "kernels/forest.h"
#include "model/forest_columns.h"
#include "model/forest_leaves.h"
#include "model/forest_spec.h"

namespace thriftscore {

/// The trees of one output each, in order of their outputs; or trees whose leaves are vectors.
/// `spec` outlives what is built from it no further than the constructor.
template <typename T, typename Sum>
struct ForestParts {
  const ForestSpec& spec;
  const LeafOrder& order;
  const ForestColumns<T>& columns;
  const LeafValues<Sum>& leaves;  // outlives the path
};

/// Consecutive trees that add to the same output.
struct TreeBatch {
  std::size_t first_tree;
  std::size_t trees;
  std::size_t output;  // 0 where leaves are vectors
};

/// The trees [first_tree, last_tree) in batches of at most `most`.
std::vector<TreeBatch> batches_of(const ForestSpec& forest, std::size_t first_tree,
                                  std::size_t last_tree, std::size_t most);

/// One way to find the leaves of all trees and add up their values. All give the same bits: each
/// adds a row's leaves to its totals in the order of the trees.
template <typename T, typename Sum>
class ForestPath {
 public:
  ForestPath() = default;
  ForestPath(const ForestPath&) = delete;
  ForestPath& operator=(const ForestPath&) = delete;
  virtual ~ForestPath() = default;

  /// Rows that one call of add() takes at most; a multiple of 64.
  virtual std::size_t block_rows() const noexcept = 0;
  virtual std::size_t scratch_bytes() const noexcept = 0;
  /// Adds the leaves of at most block_rows() rows to `totals`, which have room for block_rows().
  virtual void add(const kernels::FeatureRows<T>& features, const Totals<Sum>& totals,
                   std::byte* scratch) const noexcept = 0;
  /// "masks" or "walk".
  virtual std::string describe() const = 0;
};

template <typename T, typename Sum>
using ForestPathPointer = std::unique_ptr<const ForestPath<T, Sum>>;

/// Strikes out leaves (kernels::exit_leaves); best for many rows and few leaves. Null where a tree
/// has more than kMaskedLeavesMax.
template <typename T, typename Sum>
ForestPathPointer<T, Sum> make_masked_path(const ForestParts<T, Sum>& parts);

/// Walks the trees (kernels/tree_walk.h).
template <typename T, typename Sum>
ForestPathPointer<T, Sum> make_walked_path(const ForestParts<T, Sum>& parts);

}  // namespace thriftscore
