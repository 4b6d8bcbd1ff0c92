// SPDX-License-Identifier: Apache-2.0
//
// The stages as a file states them. What is in these structs has been checked: what is built from
// them needs no check of its own, and does not refer to the file. All numbers are finite unless
// said, in the model's precision as well.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
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

/// What is done to single values; kSoftmax to whole rows. See FORMAT.md for the formulas.
enum class Function {
  kIdentity,
  kRelu,
  kLeakyRelu,
  kElu,
  kSelu,
  kSigmoid,
  kTanh,
  kSoftplus,
  kSoftmax,
  kExponential,
  kProbit,
  kSquareSigned,
  kCloglog,
  kReciprocal,
};

/// The name that the file uses.
const char* name_of(Function function) noexcept;

/// activation(weights (x - centre) + bias).
struct DenseSpec {
  std::vector<double> weights;  // [outputs, columns]
  std::vector<double> bias;     // [outputs]
  std::vector<double> centre;   // [columns]; empty for none, as in every file: folding makes it
  Function activation = Function::kIdentity;
  double alpha = 0;  // of leaky_relu and elu
  std::string note;  // how it was folded, for people
};

struct LinkSpec {
  Function function = Function::kIdentity;
};

/// Some columns, in any order, repeated or not.
struct SelectSpec {
  std::vector<std::uint32_t> columns;
};

/// `values` where x is missing.
struct ImputeSpec {
  std::vector<double> values;
  std::optional<double> missing;  // the number that means missing; nothing for NaN
};

/// x moved into [low, high]; NaN stays.
struct ClipSpec {
  std::vector<double> low;   // may be infinite
  std::vector<double> high;  // as low, and not below it
};

enum class Norm { kL1, kL2, kMaximum };

/// A row divided by its norm, or by 1 where that is 0.
struct RowNormSpec {
  Norm norm;
};

/// x > threshold ? 1 : 0, so 0 for NaN.
struct BinarizeSpec {
  std::vector<double> thresholds;
};

/// For column c, a 1 for that of categories[offsets[c], offsets[c + 1]) which x is.
struct OneHotSpec {
  std::vector<std::size_t> offsets;  // [columns + 1], from 0, never falling
  std::vector<double> categories;    // finite or NaN, which is NaN's category
  bool unknown_is_nan;               // what the outputs of a column are for other values: NaN or 0
};

/// weights x + bias, where most weights are zero and not stored.
struct SparseLinearSpec {
  std::vector<std::size_t> offsets;    // [outputs + 1] into the two below
  std::vector<std::uint32_t> indices;  // columns, rising for an output
  std::vector<double> weights;
  std::vector<double> bias;  // [outputs]
  std::string note;          // as in DenseSpec
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
  std::variant<ScaleSpec, DenseSpec, LinkSpec, SelectSpec, ImputeSpec, ClipSpec, RowNormSpec,
               BinarizeSpec, OneHotSpec, SparseLinearSpec, ConcatSpec, SumSpec, ForestSpec>
      kind;
  std::size_t columns;  // values in a row that it takes, at least 1
  std::size_t outputs;  // values in a row that it gives, at least 1
};

/// Values in a row that `chain` gives for rows of `columns` values.
inline std::size_t outputs_of(const ChainSpec& chain, std::size_t columns) {
  return chain.empty() ? columns : chain.back().outputs;
}

}  // namespace thriftscore
