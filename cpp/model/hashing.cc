// SPDX-License-Identifier: Apache-2.0
#include "model/hashing.h"

#include <bit>

namespace thriftscore {
namespace {

std::uint32_t scrambled(std::uint32_t word) noexcept {
  return std::rotl(word * 0xcc9e2d51U, 15) * 0x1b873593U;
}

/// The first `count` <= 4 bytes of `text`, the first one lowest.
std::uint32_t word_at(std::string_view text, std::size_t count) noexcept {
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < count; ++i) {
    word |= std::uint32_t{static_cast<unsigned char>(text[i])} << (8 * i);
  }
  return word;
}

}  // namespace

std::uint32_t murmur3_32(std::string_view text, std::uint32_t seed) noexcept {
  std::uint32_t hash = seed;
  const auto size = static_cast<std::uint32_t>(text.size());
  for (; text.size() >= 4; text.remove_prefix(4)) {
    hash = std::rotl(hash ^ scrambled(word_at(text, 4)), 13) * 5 + 0xe6546b64U;
  }
  hash ^= scrambled(word_at(text, text.size())) ^ size;
  hash = (hash ^ (hash >> 16U)) * 0x85ebca6bU;
  hash = (hash ^ (hash >> 13U)) * 0xc2b2ae35U;
  return hash ^ (hash >> 16U);
}

HashedFeature hashed_feature(std::string_view name, std::size_t columns,
                             const FeatureHashing& hashing) noexcept {
  const std::int64_t hash = static_cast<std::int32_t>(murmur3_32(name, 0));
  const bool negative = hash < 0;
  const auto size = static_cast<std::size_t>(negative ? -hash : hash);
  return {size % columns, hashing.alternate_sign && negative ? -1.0 : 1.0};
}

}  // namespace thriftscore
