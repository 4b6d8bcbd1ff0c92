// SPDX-License-Identifier: Apache-2.0
//
// The stages as a file states them. What is in these structs has been checked: what is built from
// them needs no check of its own, and does not refer to the file. All numbers are finite unless
// said, in the model's precision as well.
#pragma once

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "model/forest_spec.h"

namespace thriftscore {

/// (x - mean) / scale, by column.
struct ScaleSpec {
  std::vector<double> mean;
  std::vector<double> scale;  // no zero
};

/// weights (x - centre) + bias.
struct DenseSpec {
  std::vector<double> weights;  // [outputs, columns]
  std::vector<double> bias;     // [outputs]
  std::vector<double> centre;   // [columns]; empty for none, as in every file: folding makes it
  std::string note;             // how it was folded, for people
};

enum class LinkFunction { kIdentity, kSigmoid, kSoftmax, kExponential };

/// The name that the file uses.
const char* name_of(LinkFunction function) noexcept;

struct LinkSpec {
  LinkFunction function;
};

struct StageSpec;

/// Stages in the order they run, each taking what the one before it gives. An empty chain hands
/// its input on.
using ChainSpec = std::vector<StageSpec>;

/// What the branches give for the stage's input, side by side.
struct ConcatSpec {
  std::vector<ChainSpec> branches;  // at least one
};

/// bias + the sum of weights[i] * what branches[i] gives.
struct SumSpec {
  std::vector<ChainSpec> branches;  // at least one, all with the same outputs
  std::vector<double> weights;      // [branches]
  std::vector<double> bias;         // [outputs]
};

/// One alternative for each operator. See "A new operator" in README.md.
struct StageSpec {
  std::variant<ScaleSpec, DenseSpec, LinkSpec, ConcatSpec, SumSpec, ForestSpec> kind;
  std::size_t columns;  // values in a row that it takes, at least 1
  std::size_t outputs;  // values in a row that it gives, at least 1
};

/// Values in a row that `chain` gives for rows of `columns` values.
inline std::size_t outputs_of(const ChainSpec& chain, std::size_t columns) {
  return chain.empty() ? columns : chain.back().outputs;
}

}  // namespace thriftscore
