// SPDX-License-Identifier: Apache-2.0
#include "wire/text.h"

#include <cstring>

namespace thriftscore::wire {
namespace {

constexpr std::uint64_t kHighBits = 0x8080808080808080U;

/// Bytes of the ASCII text at `text`, in whole words.
std::size_t ascii_words(const std::byte* text, std::size_t size) noexcept {
  std::size_t done = 0;
  for (; size - done >= sizeof(std::uint64_t); done += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, text + done, sizeof(word));
    if ((word & kHighBits) != 0) break;
  }
  return done;
}

/// Bytes of the character that starts at `text`, or 0 where none does.
/// The ranges of the second byte are those of the Unicode Standard, table 3-7.
std::size_t character_bytes(const std::uint8_t* text, std::size_t size) noexcept {
  const std::uint8_t lead = text[0];
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const std::size_t bytes = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (bytes > size) return 0;
  const std::uint8_t lowest = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const std::uint8_t highest = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (text[1] < lowest || text[1] > highest) return 0;
  for (std::size_t i = 2; i < bytes; ++i) {
    if ((text[i] & 0xc0U) != 0x80U) return 0;
  }
  return bytes;
}

}  // namespace

bool is_utf8(Bytes text) noexcept {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  std::size_t done = ascii_words(text.data(), text.size());
  while (done < text.size()) {
    const std::size_t step = character_bytes(bytes + done, text.size() - done);
    if (step == 0) return false;
    done += step;
    if (step > 1) done += ascii_words(text.data() + done, text.size() - done);
  }
  return true;
}

}  // namespace thriftscore::wire
