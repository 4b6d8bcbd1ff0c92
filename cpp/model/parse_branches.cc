// SPDX-License-Identifier: Apache-2.0
// Parsers of the stages that hold chains of their own.
#include <utility>

#include "model/error.h"
#include "model/operators.h"

namespace thriftscore {
namespace {

std::vector<ChainSpec> parse_branches(const StageContext& stage) {
  if (stage.depth == kBranchDepthMax) {
    refuse(stage.where, ": branches nested deeper than ", kBranchDepthMax);
  }
  const Json& list = stage.json.array("branches");
  if (list.empty() || list.size() > kOutputsMax) {
    refuse(stage.where, ": has ", list.size(), " branches, expected 1 to ", kOutputsMax);
  }
  std::vector<ChainSpec> branches;
  for (const Json& chain : list) {
    const std::string where = stage.where + ", branch " + std::to_string(branches.size());
    if (!chain.is_array()) refuse(where, ": expected a list, got ", chain.type_name());
    branches.push_back(
        parse_chain(chain, {where + ", ", stage.columns, stage.depth + 1}, stage.file));
  }
  return branches;
}

}  // namespace

StageSpec parse_concat(const StageContext& stage) {
  stage.json.allow_only({"op", "branches"});
  ConcatSpec concat{parse_branches(stage)};
  std::size_t outputs = 0;  // no overflow: both counts of the product are below 2^17
  for (const ChainSpec& branch : concat.branches) outputs += outputs_of(branch, stage.columns);
  stage.check_outputs(outputs);
  return {std::move(concat), stage.columns, outputs};
}

StageSpec parse_sum(const StageContext& stage) {
  stage.json.allow_only({"op", "branches", "weights", "bias"});
  SumSpec sum{parse_branches(stage), {}, {}};
  const std::size_t outputs = outputs_of(sum.branches.front(), stage.columns);
  for (std::size_t i = 1; i < sum.branches.size(); ++i) {
    const std::size_t own = outputs_of(sum.branches[i], stage.columns);
    if (own != outputs) {
      refuse(stage.where, ": branch ", i, " gives ", own, " columns, expected ", outputs,
             " as branch 0");
    }
  }
  sum.weights = stage.numbers("weights", {sum.branches.size()});
  sum.bias = stage.has("bias") ? stage.numbers("bias", {outputs}) : std::vector<double>(outputs);
  return {std::move(sum), stage.columns, outputs};
}

}  // namespace thriftscore
