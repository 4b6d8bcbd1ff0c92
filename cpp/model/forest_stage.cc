// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "kernels/unaligned.h"
#include "model/chain.h"
#include "model/forest_path.h"
#include "model/stage.h"

namespace thriftscore {
namespace {

// Fewer rows than this are walked one by one.
constexpr std::size_t kMaskedRowsMin = 10;

// Bytes of the sums of a block of rows.
constexpr std::size_t kTotalsBytes = std::size_t{256} << 10;

// The trees in order of their outputs, those of one output as they were.
ForestSpec sorted_by_output(const ForestSpec& forest) {
  ForestSpec sorted = forest;
  if (std::is_sorted(forest.tree_outputs.begin(), forest.tree_outputs.end())) return sorted;
  std::vector<std::size_t> trees(forest.trees());
  std::iota(trees.begin(), trees.end(), std::size_t{0});
  std::stable_sort(trees.begin(), trees.end(), [&forest](std::size_t a, std::size_t b) {
    return forest.tree_outputs[a] < forest.tree_outputs[b];
  });
  sorted.nodes.clear();
  sorted.tree_offsets = {0};
  sorted.tree_outputs.clear();
  for (const std::size_t tree : trees) {
    sorted.nodes.insert(sorted.nodes.end(), forest.nodes.begin() + forest.tree_offsets[tree],
                        forest.nodes.begin() + forest.tree_offsets[tree + 1]);
    sorted.tree_offsets.push_back(static_cast<std::uint32_t>(sorted.nodes.size()));
    sorted.tree_outputs.push_back(forest.tree_outputs[tree]);
  }
  return sorted;
}

template <typename T, typename Sum>
class ForestStage final : public Stage<T> {
 public:
  ForestStage(const ForestSpec& forest, const LeafOrder& order)
      : Stage<T>(forest.columns, forest.outputs),
        leaves_(forest, order),
        divisor_(forest.mean ? static_cast<Sum>(forest.trees()) : Sum{0}),
        base_(rounded<Sum>(forest.base)) {
    const ForestColumns<T> columns(forest);
    const ForestParts<T, Sum> parts{forest, order, columns, leaves_};
    masked_ = make_masked_path(parts);
    walked_ = make_walked_path(parts);
    const std::size_t leaves = (forest.nodes.size() + forest.trees()) / 2;
    description_ = "tree_ensemble " + std::to_string(forest.columns) + " -> " +
                   std::to_string(forest.outputs) + ", " + std::to_string(forest.trees()) +
                   " trees, " + std::to_string(leaves) + " leaves, by " +
                   (masked_ != nullptr ? masked_->describe() : walked_->describe());
    operations_ = operations_of(forest, leaves);
  }

  std::size_t scratch_bytes(std::size_t /*rows*/) const noexcept override {
    std::size_t bytes = 0;
    for (const auto* path : {&masked_, &walked_}) {
      if (*path == nullptr) continue;
      bytes = std::max(bytes, totals_bytes(block_rows(**path)) + (*path)->scratch_bytes());
    }
    return bytes;
  }

  void run(const T* x, std::size_t rows, T* y, std::byte* scratch) const noexcept override {
    const auto& path = masked_ == nullptr || rows < kMaskedRowsMin ? *walked_ : *masked_;
    const std::size_t block = block_rows(path);
    for (std::size_t row = 0; row < rows; row += block) {
      run_block(path, {x + row * this->columns(), std::min(block, rows - row), this->columns()},
                y + row * this->outputs(), scratch);
    }
  }

  std::size_t operations() const noexcept override { return operations_; }
  std::string describe() const override { return description_; }

 private:
  using Path = ForestPath<T, Sum>;

  static std::size_t operations_of(const ForestSpec& forest, std::size_t leaves) {
    std::size_t depth = 1;
    for (std::size_t full = 1; full < leaves / forest.trees(); full *= 2) ++depth;
    return forest.columns + forest.trees() * (depth + forest.leaf_width());
  }

  std::size_t block_rows(const Path& path) const noexcept {
    const std::size_t rows = kTotalsBytes / (this->outputs() * sizeof(Sum)) / 64 * 64;
    return std::clamp<std::size_t>(rows, 64, path.block_rows());
  }

  std::size_t totals_bytes(std::size_t rows) const noexcept {
    return whole_lines(rows * this->outputs() * sizeof(Sum));
  }

  void run_block(const Path& path, const kernels::FeatureRows<T>& features, T* y,
                 std::byte* scratch) const noexcept {
    const std::size_t block = block_rows(path);
    const bool vectors = leaves_.width() > 1;
    const Totals<Sum> totals = {reinterpret_cast<Sum*>(scratch), vectors ? this->outputs() : 1,
                                vectors ? 1 : block};
    for (std::size_t o = 0; o < this->outputs(); ++o) {
      for (std::size_t row = 0; row < features.rows; ++row) {
        totals.values[row * totals.row_stride + o * totals.output_stride] =
            divisor_ == Sum{0} ? base_[o] : Sum{0};
      }
    }
    path.add(features, totals, scratch + totals_bytes(block));
    for (std::size_t row = 0; row < features.rows; ++row) {
      for (std::size_t o = 0; o < this->outputs(); ++o) {
        const Sum sum = totals.values[row * totals.row_stride + o * totals.output_stride];
        const Sum result = divisor_ == Sum{0} ? sum : sum / divisor_ + base_[o];
        kernels::store_value(static_cast<T>(result), y, row * this->outputs() + o);
      }
    }
  }

  LeafValues<Sum> leaves_;
  Sum divisor_;  // of a mean; 0 for a sum
  AlignedVector<Sum> base_;
  ForestPathPointer<T, Sum> masked_;  // null for large trees
  ForestPathPointer<T, Sum> walked_;
  std::string description_;
  std::size_t operations_;
};

}  // namespace

template <typename T>
StagePointer<T> make_stage(const ForestSpec& forest, std::size_t /*columns*/) {
  const ForestSpec sorted = sorted_by_output(forest);
  const LeafOrder order(sorted);
  if (sorted.accumulate_fp32) return std::make_unique<ForestStage<T, float>>(sorted, order);
  return std::make_unique<ForestStage<T, double>>(sorted, order);
}

template StagePointer<float> make_stage(const ForestSpec&, std::size_t);
template StagePointer<double> make_stage(const ForestSpec&, std::size_t);

}  // namespace thriftscore
