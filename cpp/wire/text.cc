// SPDX-License-Identifier: Apache-2.0
#include "wire/text.h"

#include <cstring>

namespace thriftscore::wire {
namespace {

/// True if `size` bytes, which are as many as Word has or up to twice as many, are all ASCII.
template <typename Word>
bool is_ascii(const std::byte* text, std::size_t size) noexcept {
  constexpr Word kHighBits = static_cast<Word>(0x8080808080808080U);
  Word first = 0;
  Word last = 0;  // may overlap the first
  std::memcpy(&first, text, sizeof(Word));
  std::memcpy(&last, text + size - sizeof(Word), sizeof(Word));
  return ((first | last) & kHighBits) == 0;
}

/// The short texts that names and ids are.
bool is_short_ascii(Bytes text) noexcept {
  const std::size_t size = text.size();
  if (size > 16) return false;
  if (size >= 8) return is_ascii<std::uint64_t>(text.data(), size);
  if (size >= 4) return is_ascii<std::uint32_t>(text.data(), size);
  return size >= 2 && is_ascii<std::uint16_t>(text.data(), size);
}

/// Bytes of the ASCII text at `text`, in whole words.
std::size_t ascii_words(const std::byte* text, std::size_t size) noexcept {
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  std::size_t done = 0;
  while (size - done >= kWord && is_ascii<std::uint64_t>(text + done, kWord)) done += kWord;
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
  if (is_short_ascii(text)) return true;
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
