// SPDX-License-Identifier: Apache-2.0
// Input: one message in either protocol, without frame.
#include <algorithm>
#include <cstdint>
#include <string>

#include "fuzz/require.h"
#include "tests/wire/dump.h"
#include "tests/wire/transcode.h"

namespace thriftscore::wire {
namespace {

bool is_refused(const std::string& text) { return text[0] == '!'; }

/// What only the typed decoders refuse.
bool is_refused_by_contract(const std::string& text) {
  return text == "!invalid_utf8" || text == "!too_many_elements" || text == "!element_type" ||
         text == "!too_many_values";
}

void check_transcoding(Protocol protocol, Bytes message, const std::string& text) {
  const Protocol other = protocol == Protocol::kBinary ? Protocol::kCompact : Protocol::kBinary;
  const auto transcoded = transcode(protocol, message, other);
  if (!transcoded) return;
  require_equal("transcoding changed the call", dump_message(other, *transcoded, Limits{}), text);
}

void check_message(Bytes message) {
  const Protocol protocol = message[0] == std::byte{0x80} ? Protocol::kBinary : Protocol::kCompact;
  const Limits limits;
  const std::string text = dump_message(protocol, message, limits);
  Call call;
  Status status = read_call(protocol, message, limits, call);
  if (status == Status::kOk) status = check_arguments(call, limits);
  if (is_refused(text)) {
    const std::string unknown = status == Status::kOk ? text : "!" + std::string(name_of(status));
    require("check_arguments() and the decoder disagree",
            status != Status::kOk || is_refused_by_contract(unknown));
    return;
  }
  require_equal("the decoder accepts what check_arguments() refuses", std::string(name_of(status)),
                "ok");
  check_transcoding(protocol, message, text);
  const std::size_t shorter = message.size() * static_cast<unsigned char>(message.back()) / 256;
  require("a part of a message is a message",
          is_refused(
              dump_message(protocol, message.first(std::max<std::size_t>(shorter, 1)), limits)) ||
              shorter == message.size());
}

}  // namespace
}  // namespace thriftscore::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  thriftscore::wire::check_message({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}
