// SPDX-License-Identifier: Apache-2.0
// Builds the bytes of test messages.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "wire/types.h"

namespace thriftscore::wire {

using Buffer = std::vector<std::byte>;

/// Bytes from hexadecimal digits and 'quoted text'; spaces are ignored, `x*n` repeats the byte x.
///   bytes("80 01 00 01 00000004 'ping' 00*4")
Buffer bytes(std::string_view text);

Buffer join(std::initializer_list<Buffer> parts);

/// The head of a call with sequence id 7.
Buffer binary_call(std::string_view method);
Buffer compact_call(std::string_view method);

/// With a 4-byte length before it.
Buffer framed(const Buffer& message);

/// As a THeader frame with sequence id 7; `section` is padded to whole words.
Buffer header_framed(const Buffer& section, const Buffer& message);

}  // namespace thriftscore::wire
