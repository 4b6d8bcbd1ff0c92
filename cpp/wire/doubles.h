// SPDX-License-Identifier: Apache-2.0
// Runs of doubles on the wire: big-endian in the binary protocol, little-endian in the compact.
#pragma once

#include "wire/types.h"

namespace thriftscore::wire {

/// Bytes of a double on the wire.
inline constexpr std::size_t kDoubleBytes = 8;

/// Reads `count` doubles from `source` into `values`. NaN payloads survive.
void load_doubles(Protocol protocol, const std::byte* source, std::size_t count,
                  double* values) noexcept;

/// Writes `count` numbers to `target`, which has room for count * kDoubleBytes bytes. T is float or
/// double. `target` may be the address of `values` if T is double.
template <typename T>
void store_doubles(Protocol protocol, const T* values, std::size_t count,
                   std::byte* target) noexcept;

}  // namespace thriftscore::wire
