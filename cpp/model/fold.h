// SPDX-License-Identifier: Apache-2.0
//
// What can be computed once is computed at load, in double.
#pragma once

#include <optional>

#include "model/description.h"
#include "model/stage_spec.h"

namespace thriftscore {

/// The chain with fewer stages that gives the same but for rounding, branches included.
ChainSpec fold(ChainSpec stages, Precision precision);

// The parts of it. Each gives nothing where the two must stay apart.

/// A scale and the dense stage behind it as one. Folds the scale into the weights where that costs
/// no accuracy, otherwise keeps the subtraction of the mean, rounded to the precision.
std::optional<DenseSpec> joined(const ScaleSpec& scale, DenseSpec dense, Precision precision);
std::optional<ScaleSpec> joined(const ScaleSpec& first, ScaleSpec second, Precision precision);
std::optional<SparseLinearSpec> joined(const ScaleSpec& scale, SparseLinearSpec sparse,
                                       Precision precision);

/// A sum of dense stages without activations.
std::optional<DenseSpec> as_dense(const SumSpec& sum, Precision precision);
/// A sum of tree ensembles that add up in double, or in float where all weights are 1.
std::optional<ForestSpec> as_forest(const SumSpec& sum);

}  // namespace thriftscore
