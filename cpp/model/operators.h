// SPDX-License-Identifier: Apache-2.0
//
// The operators of a model file, by name.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "model/stage_context.h"
#include "model/stage_spec.h"

namespace thriftscore {

/// Where a chain of stages stands.
struct ChainPlace {
  std::string where;    // what messages put before "stage 0"; empty for the main chain
  std::size_t columns;  // values in a row that its first stage takes
  std::size_t depth;    // of branches around it
};

/// Parses a list of stages, and those in their branches. Throws ModelError with the stage, the
/// check that failed, what was expected and what was found.
ChainSpec parse_chain(const Json& list, const ChainPlace& place, FileContext& file);

// One parser for each operator. Each refuses keys it does not know.
StageSpec parse_binarize(const StageContext& stage);
StageSpec parse_clip(const StageContext& stage);
StageSpec parse_concat(const StageContext& stage);
StageSpec parse_dense(const StageContext& stage);
StageSpec parse_impute(const StageContext& stage);
StageSpec parse_link(const StageContext& stage);
StageSpec parse_one_hot(const StageContext& stage);
StageSpec parse_row_norm(const StageContext& stage);
StageSpec parse_scale(const StageContext& stage);
StageSpec parse_select(const StageContext& stage);
StageSpec parse_sparse_linear(const StageContext& stage);
StageSpec parse_sum(const StageContext& stage);
StageSpec parse_tree_ensemble(const StageContext& stage);

/// Refuses a scale that has a zero or leaves the range of the precision.
void check_divisor(const std::vector<double>& scale, Precision precision, const std::string& where);

}  // namespace thriftscore
