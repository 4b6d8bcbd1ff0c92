// SPDX-License-Identifier: Apache-2.0
// What is the same on every target about the codes of values.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "kernels/forest.h"
#include "kernels/unaligned.h"

namespace thriftscore::kernels {

// Codes of 8 bits are compared as signed bytes, the only comparison AVX2 has for them.
template <typename Code>
inline constexpr std::uint32_t kCodeBias = sizeof(Code) == 1 ? 128 : 0;
template <typename Code>
inline constexpr std::uint32_t kHighestCode =
    sizeof(Code) == 1 ? 255 : static_cast<std::uint32_t>(std::numeric_limits<Code>::max());

template <typename T>
inline bool is_member(const CodeColumn<T>& column, T value) noexcept {
  // Truncated toward zero, so that -0.5 is category 0. NaN fails the comparison.
  constexpr T kBeyond = T{4294967296};
  if (!(value > T{-1} && value < kBeyond)) return false;
  const auto category = static_cast<std::size_t>(static_cast<std::int64_t>(value));
  return category / 32 < column.category_words &&
         (column.category_bits[category / 32] >> (category % 32) & 1U) != 0;
}

// The code of a value, bias not included. `count_below` searches the column's thresholds.
template <typename T>
inline std::uint32_t code_of(const CodeColumn<T>& column, T value, std::uint32_t highest,
                             std::size_t (*count_below)(const ThresholdTree<T>&, T)) noexcept {
  const bool is_nan = std::isnan(value);
  if (is_nan && column.nan_is_zero) value = T{0};
  if ((is_nan && column.nan_is_missing) ||
      (column.zero_is_missing && std::abs(double{value}) <= kZeroMagnitude)) {
    return column.missing_left ? 0 : highest;
  }
  if (column.category_bits != nullptr) return is_member(column, value) ? 1 : 2;
  return 1 + static_cast<std::uint32_t>(count_below(column.thresholds, value));
}

}  // namespace thriftscore::kernels
