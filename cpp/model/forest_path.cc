// SPDX-License-Identifier: Apache-2.0
#include "model/forest_path.h"

namespace thriftscore {

std::vector<TreeBatch> batches_of(const ForestSpec& forest, std::size_t first_tree,
                                  std::size_t last_tree, std::size_t most) {
  std::vector<TreeBatch> batches;
  for (std::size_t tree = first_tree; tree < last_tree; ++tree) {
    const std::size_t output = forest.tree_outputs.empty() ? 0 : forest.tree_outputs[tree];
    if (!batches.empty() && batches.back().output == output && batches.back().trees < most) {
      ++batches.back().trees;
    } else {
      batches.push_back({tree, 1, output});
    }
  }
  return batches;
}

}  // namespace thriftscore
