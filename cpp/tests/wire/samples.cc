// SPDX-License-Identifier: Apache-2.0
#include "tests/wire/samples.h"

#include <stdexcept>

namespace thriftscore::wire {
namespace {

void append_number(Buffer& out, std::size_t value, int bytes_of_value) {
  for (int i = bytes_of_value - 1; i >= 0; --i) {
    out.push_back(static_cast<std::byte>(value >> (8U * static_cast<unsigned>(i))));
  }
}

void append_text(Buffer& out, std::string_view text) {
  for (const char c : text) out.push_back(static_cast<std::byte>(c));
}

/// Appends the word at the start of `text` and returns its length.
std::size_t append_word(Buffer& out, std::string_view text) {
  if (text[0] == '\'') {
    const std::size_t end = text.find('\'', 1);
    append_text(out, text.substr(1, end - 1));
    return end + 1;
  }
  if (text[0] == '*') {
    std::size_t digits = 0;
    const std::size_t count = std::stoul(std::string(text.substr(1)), &digits);
    const std::byte repeated = out.back();
    out.pop_back();
    out.insert(out.end(), count, repeated);
    return 1 + digits;
  }
  out.push_back(static_cast<std::byte>(std::stoul(std::string(text.substr(0, 2)), nullptr, 16)));
  return 2;
}

}  // namespace

Buffer bytes(std::string_view text) {
  Buffer out;
  for (std::size_t at = 0; at < text.size();) {
    at += text[at] == ' ' ? 1 : append_word(out, text.substr(at));
  }
  return out;
}

Buffer join(std::initializer_list<Buffer> parts) {
  Buffer out;
  for (const Buffer& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

Buffer binary_call(std::string_view method) {
  Buffer out = bytes("80 01 00 01");
  append_number(out, method.size(), 4);
  append_text(out, method);
  append_number(out, 7, 4);
  return out;
}

Buffer compact_call(std::string_view method) {
  if (method.size() > 127) throw std::invalid_argument("the name does not fit a one-byte varint");
  Buffer out = bytes("82 21 07");
  append_number(out, method.size(), 1);
  append_text(out, method);
  return out;
}

Buffer framed(const Buffer& message) {
  Buffer out;
  append_number(out, message.size(), 4);
  return join({out, message});
}

Buffer header_framed(const Buffer& section, const Buffer& message) {
  Buffer padded = section;
  padded.resize((section.size() + 3) / 4 * 4);
  Buffer out = bytes("0fff 0000 00000007");
  append_number(out, padded.size() / 4, 2);
  return framed(join({out, padded, message}));
}

}  // namespace thriftscore::wire
