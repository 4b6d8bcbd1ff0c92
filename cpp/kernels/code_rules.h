// SPDX-License-Identifier: Apache-2.0
// What a value's code is, whatever way its thresholds are searched.
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

template <class Search, typename T, typename Code>
inline void encode_column(Search search, const CodeColumn<T>& column,
                          const FeatureRows<T>& features, Code* codes,
                          std::size_t code_stride) noexcept {
  const std::uint32_t missing = column.missing_left ? 0 : kHighestCode<Code>;
  for (std::size_t row = 0; row < features.rows; ++row) {
    T value = load_value(features.x, row * features.stride + column.feature);
    const bool is_nan = value != value;
    if (is_nan && column.nan_is_zero) value = T{0};
    std::uint32_t code = 0;
    if ((is_nan && column.nan_is_missing) ||
        (column.zero_is_missing && std::abs(double{value}) <= kZeroMagnitude)) {
      code = missing;
    } else if (column.category_bits != nullptr) {
      code = is_member(column, value) ? 1 : 2;
    } else {
      code = 1 + static_cast<std::uint32_t>(search(column.thresholds, value));
    }
    codes[row * code_stride] = static_cast<Code>(code - kCodeBias<Code>);
  }
}

template <class Search, typename T, typename Code>
inline void encode_columns(Search search, const CodeColumns<T>& columns,
                           const FeatureRows<T>& features,
                           const CodeMatrix<Code>& codes) noexcept {
  for (std::size_t column = 0; column < columns.count; ++column) {
    encode_column(search, columns.columns[column], features,
                  codes.data + column * codes.column_stride, codes.row_stride);
  }
}

}  // namespace thriftscore::kernels
