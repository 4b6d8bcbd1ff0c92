// SPDX-License-Identifier: Apache-2.0
#include "model/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstring>

#include "model/error.h"
#include "model/strict_json.h"

namespace thriftscore {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are read as they lie");

constexpr std::size_t kLengthBytes = 8;
constexpr const char* kMetadataKey = "__metadata__";

struct DatatypeTraits {
  const char* name;
  std::size_t bytes;
};

// By the value of Datatype.
constexpr std::array<DatatypeTraits, 6> kDatatypes = {
    {{"F32", 4}, {"F64", 8}, {"I32", 4}, {"I64", 8}, {"U8", 1}, {"U32", 4}}};

std::size_t element_bytes(Datatype datatype) noexcept {
  return kDatatypes[static_cast<std::size_t>(datatype)].bytes;
}

Datatype parse_datatype(const std::string& name, const std::string& where) {
  for (std::size_t i = 0; i < kDatatypes.size(); ++i) {
    if (name == kDatatypes[i].name) return static_cast<Datatype>(i);
  }
  refuse(where, ": dtype is ", shown(name), ", expected F32, F64, I32, I64, U8 or U32");
}

std::vector<std::uint64_t> parse_extents(const Json& list, const std::string& where) {
  std::vector<std::uint64_t> extents;
  for (const Json& extent : list) {
    if (!extent.is_number_unsigned()) {
      refuse(where, ": expected whole numbers from 0, got ", shown(extent.dump()));
    }
    extents.push_back(extent.get<std::uint64_t>());
  }
  return extents;
}

std::vector<std::uint64_t> parse_shape(const JsonObject& entry, const std::string& where) {
  const Json& list = entry.array("shape");
  if (list.empty() || list.size() > kTensorRankMax) {
    refuse(where, ": has ", list.size(), " dimensions, expected 1 to ", kTensorRankMax);
  }
  std::vector<std::uint64_t> shape = parse_extents(list, where + ": shape");
  if (std::count(shape.begin(), shape.end(), 0U) != 0) {
    refuse(where, ": shape is ", shape_text(shape), ", expected extents of at least 1");
  }
  return shape;
}

// Products that leave 64 bits are refused: no file is as large.
std::uint64_t bytes_of_shape(const Tensor& tensor, const std::string& where) {
  std::uint64_t bytes = element_bytes(tensor.datatype);
  for (const std::uint64_t extent : tensor.shape) {
    if (__builtin_mul_overflow(bytes, extent, &bytes)) {
      refuse(where, ": shape ", shape_text(tensor.shape), " is larger than any file");
    }
  }
  return bytes;
}

std::span<const std::byte> parse_range(const JsonObject& entry, const std::string& where,
                                       std::span<const std::byte> data) {
  const std::vector<std::uint64_t> range =
      parse_extents(entry.array("data_offsets"), where + ": data_offsets");
  if (range.size() != 2 || range[0] > range[1] || range[1] > data.size()) {
    refuse(where, ": data_offsets are ", shape_text(range), ", expected a begin and an end in the ",
           data.size(), " bytes of data");
  }
  return data.subspan(range[0], range[1] - range[0]);
}

Tensor parse_tensor(const std::string& name, const Json& value, std::span<const std::byte> data) {
  const std::string where = "tensor " + shown(name);
  const JsonObject entry(value, where);
  entry.allow_only({"dtype", "shape", "data_offsets"});
  Tensor tensor{name, parse_datatype(entry.text("dtype"), where), parse_shape(entry, where),
                parse_range(entry, where, data)};
  const std::uint64_t expected = bytes_of_shape(tensor, where);
  if (tensor.bytes.size() != expected) {
    refuse(where, ": has ", tensor.bytes.size(), " bytes, expected ", expected, " for shape ",
           shape_text(tensor.shape));
  }
  return tensor;
}

// In the order of their bytes, each tensor must begin where the one before it ended.
void check_coverage(const std::vector<Tensor>& tensors, std::span<const std::byte> data) {
  std::size_t end = 0;
  for (const Tensor& tensor : tensors) {
    const auto begin = static_cast<std::size_t>(tensor.bytes.data() - data.data());
    if (begin != end) {
      refuse("tensor ", shown(tensor.name), ": begins at byte ", begin, " of the data, ",
             begin < end ? "inside the tensor before it" : "behind a hole", "; expected ", end);
    }
    if (begin % element_bytes(tensor.datatype) != 0) {
      refuse("tensor ", shown(tensor.name), ": begins at byte ", begin,
             " of the data, expected a multiple of its element size");
    }
    end = begin + tensor.bytes.size();
  }
  if (end != data.size()) {
    refuse("data: ", data.size() - end, " bytes behind the last tensor belong to none");
  }
}

std::string parse_metadata(const JsonObject& header, const Json& root) {
  if (!header.has(kMetadataKey)) refuse(R"(header: key "__metadata__" is missing)");
  const JsonObject metadata(root[kMetadataKey], kMetadataKey);
  metadata.allow_only({"thriftscore"});
  return metadata.text("thriftscore");
}

std::string_view header_text(std::span<const std::byte> file) {
  if (file.size() < kLengthBytes) {
    refuse("file: has ", file.size(), " bytes, expected at least ", kLengthBytes);
  }
  if (file.size() > kFileBytesMax) {
    refuse("file: has ", file.size(), " bytes, expected at most ", kFileBytesMax);
  }
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthBytes);
  const std::uint64_t available = file.size() - kLengthBytes;
  if (length > std::min(kHeaderBytesMax, available)) {
    refuse("header: has ", length, " bytes, expected at most ",
           std::min(kHeaderBytesMax, available));
  }
  const auto* begin = reinterpret_cast<const char*>(file.data() + kLengthBytes);
  if (length == 0 || *begin != '{') refuse("header: expected to begin with {");
  return {begin, length};
}

// Element `index` of values of type T at any address.
template <typename T>
T element(const Tensor& tensor, std::size_t index) noexcept {
  T value;
  std::memcpy(&value, tensor.bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

}  // namespace

const char* name_of(Datatype datatype) noexcept {
  return kDatatypes[static_cast<std::size_t>(datatype)].name;
}

std::size_t Tensor::size() const noexcept { return bytes.size() / element_bytes(datatype); }

double Tensor::operator[](std::size_t index) const noexcept {
  assert(datatype == Datatype::kF32 || datatype == Datatype::kF64);
  return datatype == Datatype::kF32 ? double{element<float>(*this, index)}
                                    : element<double>(*this, index);
}

std::int64_t Tensor::integer(std::size_t index) const noexcept {
  assert(datatype != Datatype::kF32 && datatype != Datatype::kF64);
  switch (datatype) {
    case Datatype::kI32:
      return element<std::int32_t>(*this, index);
    case Datatype::kU8:
      return element<std::uint8_t>(*this, index);
    case Datatype::kU32:
      return element<std::uint32_t>(*this, index);
    default:
      return element<std::int64_t>(*this, index);
  }
}

std::string shape_text(std::span<const std::uint64_t> shape) {
  std::string text = "[";
  for (const std::uint64_t extent : shape) {
    text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  }
  return text + "]";
}

Safetensors parse_safetensors(std::span<const std::byte> file) {
  const std::string_view text = header_text(file);
  const std::span<const std::byte> data = file.subspan(kLengthBytes + text.size());
  const Json root = parse_strict_json(text, "header");
  const JsonObject header(root, "header");
  Safetensors parsed{parse_metadata(header, root), {}};
  for (const auto& [name, value] : root.items()) {
    if (name != kMetadataKey) parsed.tensors.push_back(parse_tensor(name, value, data));
  }
  std::sort(parsed.tensors.begin(), parsed.tensors.end(),
            [](const Tensor& a, const Tensor& b) { return a.bytes.data() < b.bytes.data(); });
  check_coverage(parsed.tensors, data);
  return parsed;
}

}  // namespace thriftscore
