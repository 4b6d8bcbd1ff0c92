// SPDX-License-Identifier: Apache-2.0
// Single values at any byte address, where dereferencing a T* is undefined.
#pragma once

#include <cstddef>
#include <cstring>

namespace thriftscore::kernels {

template <typename T>
inline T load_value(const T* from, std::size_t index) noexcept {
  T value;
  std::memcpy(&value, static_cast<const void*>(from + index), sizeof(T));
  return value;
}

template <typename T>
inline void store_value(T value, T* to, std::size_t index) noexcept {
  std::memcpy(static_cast<void*>(to + index), &value, sizeof(T));
}

}  // namespace thriftscore::kernels
