// SPDX-License-Identifier: Apache-2.0
#include "wire/info_headers.h"

#include "wire/compact_reader.h"
#include "wire/text.h"

namespace thriftscore::wire {
namespace {

constexpr std::uint32_t kBinaryId = 0;
constexpr std::uint32_t kCompactId = 2;
constexpr std::uint32_t kKeyValueBlock = 1;
constexpr Limits kLimits;

bool read_pair(CompactReader& reader, InfoPair& pair) noexcept {
  Bytes key;
  Bytes value;
  if (!reader.read_binary(key) || !reader.read_binary(value)) return false;
  pair = {as_text(key), as_text(value)};
  return true;
}

}  // namespace

InfoPair InfoHeaders::next(Bytes& rest, std::uint32_t& left_in_block) noexcept {
  CompactReader reader(rest, kLimits);
  InfoPair pair;
  while (left_in_block == 0) {
    std::uint32_t kind = 0;
    if (!reader.read_varint(kind) || !reader.read_size(left_in_block)) return pair;
  }
  read_pair(reader, pair);
  --left_in_block;
  rest = rest.last(reader.available());
  return pair;
}

std::optional<std::string_view> InfoHeaders::find(std::string_view key) const noexcept {
  std::optional<std::string_view> found;
  for_each([&](const InfoPair& pair) {
    if (pair.key == key) found = pair.value;
  });
  return found;
}

Status HeaderSection::read(Bytes section) noexcept {
  CompactReader reader(section, kLimits);
  std::uint32_t protocol_id = 0;
  std::uint32_t transforms = 0;
  if (!reader.read_varint(protocol_id) || !reader.read_varint(transforms)) {
    return Status::kHeaderMalformed;
  }
  if (protocol_id != kBinaryId && protocol_id != kCompactId) return Status::kHeaderProtocol;
  if (transforms != 0) return Status::kHeaderTransform;
  protocol = protocol_id == kBinaryId ? Protocol::kBinary : Protocol::kCompact;
  headers.info_ = section.last(reader.available());
  return read_info(reader);
}

Status HeaderSection::read_info(CompactReader& reader) noexcept {
  while (reader.available() != 0) {
    std::uint32_t kind = 0;
    std::uint32_t pairs = 0;
    if (!reader.read_varint(kind)) return Status::kHeaderMalformed;
    if (kind != kKeyValueBlock) break;
    if (!reader.read_size(pairs)) return Status::kHeaderMalformed;
    if (pairs > kInfoPairsMax - headers.count_) return Status::kHeaderTooManyPairs;
    for (std::uint32_t i = 0; i < pairs; ++i) {
      InfoPair ignored;
      if (!read_pair(reader, ignored)) return Status::kHeaderMalformed;
      ++headers.count_;
    }
  }
  return Status::kOk;
}

}  // namespace thriftscore::wire
