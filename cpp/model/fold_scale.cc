// SPDX-License-Identifier: Apache-2.0
// A scale and what follows it as one stage.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "model/fold.h"
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

// A number whose use as a divisor loses no digits.
bool is_normal(double value, Precision precision) {
  return std::isfinite(rounded_to(precision, value)) &&
         std::abs(value) >= smallest_normal(precision);
}

}  // namespace

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

// (x - m) / s, minus n, over t: x - (m + s n), over s t.
std::optional<ScaleSpec> joined(const ScaleSpec& first, ScaleSpec second, Precision precision) {
  for (std::size_t c = 0; c < second.mean.size(); ++c) {
    second.mean[c] = first.mean[c] + first.scale[c] * second.mean[c];
    second.scale[c] *= first.scale[c];
    if (!is_normal(second.scale[c], precision)) return std::nullopt;
  }
  if (!all_finite(second.mean, precision)) return std::nullopt;
  return second;
}

// Its sums are in double, so that an fp32 model has digits to spare.
std::optional<SparseLinearSpec> joined(const ScaleSpec& scale, SparseLinearSpec sparse,
                                       Precision precision) {
  if (precision == Precision::kFp64 && !offsets_are_small(scale, precision)) return std::nullopt;
  for (std::size_t o = 0; o < sparse.bias.size(); ++o) {
    for (std::size_t i = sparse.offsets[o]; i < sparse.offsets[o + 1]; ++i) {
      const std::size_t column = sparse.indices[i];
      sparse.weights[i] /= scale.scale[column];
      sparse.bias[o] -= sparse.weights[i] * scale.mean[column];
    }
  }
  const bool finite = all_finite(sparse.weights, precision) && all_finite(sparse.bias, precision);
  if (!finite) return std::nullopt;
  sparse.note = ", scale folded";
  return sparse;
}

}  // namespace thriftscore
