// SPDX-License-Identifier: Apache-2.0
#include "model/fold.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <variant>

#include "model/stage_context.h"

namespace thriftscore {
namespace {

// Folding turns w (x - mean) / scale into w/scale x - w mean/scale, which cancels digits in
// proportion to |mean / scale|: a float may lose one bit, a double six of its 53.
double foldable_offset(Precision precision) { return precision == Precision::kFp32 ? 1.0 : 64.0; }

bool offsets_are_small(const ScaleSpec& scale, Precision precision) {
  for (std::size_t c = 0; c < scale.mean.size(); ++c) {
    if (!(std::abs(scale.mean[c] / scale.scale[c]) <= foldable_offset(precision))) return false;
  }
  return true;
}

double smallest_normal(Precision precision) {
  return precision == Precision::kFp32 ? double{std::numeric_limits<float>::min()}
                                       : std::numeric_limits<double>::min();
}

// How weights / scale lie in the precision. An underflow loses digits but stays finite.
enum class Range { kNormal, kUnderflow, kOverflow };

Range range_of_folded(const ScaleSpec& scale, const DenseSpec& dense, Precision precision) {
  Range range = Range::kNormal;
  const std::size_t columns = scale.scale.size();
  for (std::size_t i = 0; i < dense.weights.size(); ++i) {
    const double exact = dense.weights[i] / scale.scale[i % columns];
    if (!std::isfinite(rounded_to(precision, exact))) return Range::kOverflow;
    if (std::abs(exact) < smallest_normal(precision) && exact != 0.0) range = Range::kUnderflow;
  }
  return range;
}

// Divides the weights by the scale and moves the mean, but for the centre, into the bias.
void divide(const ScaleSpec& scale, DenseSpec& dense) {
  const std::size_t columns = scale.scale.size();
  for (std::size_t o = 0; o < dense.bias.size(); ++o) {
    for (std::size_t c = 0; c < columns; ++c) {
      double& weight = dense.weights[o * columns + c];
      weight /= scale.scale[c];
      dense.bias[o] -= weight * (scale.mean[c] - (dense.centre.empty() ? 0.0 : dense.centre[c]));
    }
  }
}

bool all_finite(const std::vector<double>& values, Precision precision) {
  return std::all_of(values.begin(), values.end(), [precision](double value) {
    return std::isfinite(rounded_to(precision, value));
  });
}

// A scale and the dense stage behind it as one. Folds the scale into the weights where that costs
// no accuracy, otherwise keeps the subtraction of the mean, rounded to the precision. Nothing where
// the weights over the scale leave the range of the precision.
std::optional<DenseSpec> joined(const ScaleSpec& scale, DenseSpec dense, Precision precision) {
  const Range range = range_of_folded(scale, dense, precision);
  if (range == Range::kOverflow || !dense.centre.empty()) return std::nullopt;
  if (range == Range::kNormal && offsets_are_small(scale, precision)) {
    dense.note = ", scale folded";
  } else {
    for (const double mean : scale.mean) dense.centre.push_back(rounded_to(precision, mean));
    dense.note = ", scale fused: the mean is subtracted first";
  }
  divide(scale, dense);
  if (!all_finite(dense.bias, precision)) return std::nullopt;
  return dense;
}

// Folds `next` into the last stage of `done`, if they can be one.
bool join_last(ChainSpec& done, const StageSpec& next, Precision precision) {
  if (done.empty()) return false;
  StageSpec& last = done.back();
  const auto* scale = std::get_if<ScaleSpec>(&last.kind);
  const auto* dense = std::get_if<DenseSpec>(&next.kind);
  if (scale == nullptr || dense == nullptr) return false;
  std::optional<DenseSpec> both = joined(*scale, *dense, precision);
  if (!both) return false;
  last.kind = *std::move(both);
  last.outputs = next.outputs;
  return true;
}

bool does_nothing(const StageSpec& stage) {
  const auto* link = std::get_if<LinkSpec>(&stage.kind);
  return link != nullptr && link->function == Function::kIdentity;
}

}  // namespace

ChainSpec fold(ChainSpec stages, Precision precision) {
  ChainSpec done;
  for (StageSpec& stage : stages) {
    if (does_nothing(stage) || join_last(done, stage, precision)) continue;
    done.push_back(std::move(stage));
  }
  return done;
}

}  // namespace thriftscore
