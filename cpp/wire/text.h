// SPDX-License-Identifier: Apache-2.0
// Text in a message.
#pragma once

#include <string_view>

#include "wire/types.h"

namespace thriftscore::wire {

/// The same bytes as characters; unchecked.
inline std::string_view as_text(Bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The same characters as bytes.
inline Bytes as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

/// True if `text` is well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, no code point
/// over U+10FFFF). Empty text is.
bool is_utf8(Bytes text) noexcept;

}  // namespace thriftscore::wire
