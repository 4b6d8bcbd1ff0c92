// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace thriftscore {

inline constexpr std::uint64_t kFileBytesMax = std::uint64_t{4} << 30;
inline constexpr std::uint64_t kHeaderBytesMax = std::uint64_t{16} << 20;
inline constexpr std::size_t kTensorRankMax = 8;

enum class Datatype : std::uint8_t { kF32, kF64, kI32, kI64, kU8, kU32 };

/// The name that the file uses.
const char* name_of(Datatype datatype) noexcept;

/// A tensor in the bytes it was parsed from. Row-major, little-endian, at any alignment.
struct Tensor {
  std::string name;
  Datatype datatype = Datatype::kF32;
  std::vector<std::uint64_t> shape;  // extents of at least 1
  std::span<const std::byte> bytes;  // exactly the product of the extents times the element size

  std::size_t size() const noexcept;
  /// Element `index` in row-major order, widened to double. `index` < size(); F32 or F64 only.
  double operator[](std::size_t index) const noexcept;
  /// The same for the integer types, each of which int64 holds.
  std::int64_t integer(std::size_t index) const noexcept;
};

/// "[3, 4]".
std::string shape_text(std::span<const std::uint64_t> shape);

/// What a safetensors file holds, checked: see FORMAT.md for what is refused.
struct Safetensors {
  std::string graph;            // the value of the metadata key "thriftscore"
  std::vector<Tensor> tensors;  // in the order of their bytes, which they cover without a gap
};

/// Parses a whole file. The tensors refer to `file`, which must outlive them.
/// Throws ModelError; reads nothing outside `file`, whatever it holds.
Safetensors parse_safetensors(std::span<const std::byte> file);

}  // namespace thriftscore
