// SPDX-License-Identifier: Apache-2.0
#include "wire/call.h"

#include "wire/binary_reader.h"
#include "wire/compact_reader.h"
#include "wire/skip.h"
#include "wire/text.h"

namespace thriftscore::wire {
namespace {

template <typename Reader>
Status read_call_of(Bytes message, const Limits& limits, Call& call) noexcept {
  Reader reader(message, limits);
  if (!read_head(reader, call)) return reader.status();
  call.arguments = message.last(reader.available());
  const bool is_call = call.type == static_cast<std::uint8_t>(MessageType::kCall);
  return is_call ? Status::kOk : Status::kInvalidMessageType;
}

template <typename Reader>
Status check_arguments_of(const Call& call, const Limits& limits) noexcept {
  Reader reader(call.arguments, limits);
  SkipState state;
  if (!begin_struct(reader, state) || !resume_skip(reader, state)) return reader.status();
  return reader.available() == 0 ? Status::kOk : Status::kTrailingBytes;
}

}  // namespace

template <typename Reader>
bool read_head(Reader& reader, Call& call) noexcept {
  Bytes name;
  call.protocol = Reader::kProtocol;
  if (!reader.read_message(call.type, name, call.sequence_id)) return false;
  if (name.size() > reader.limits().method_name_bytes_max) {
    return reader.fail(Status::kNameTooLong);
  }
  if (!is_utf8(name)) return reader.fail(Status::kNameInvalid);
  call.method = as_text(name);
  const std::size_t colon = call.method.find(':');
  if (colon != std::string_view::npos) {
    call.service = call.method.substr(0, colon);
    call.method.remove_prefix(colon + 1);
  }
  return true;
}

Status read_call(Protocol protocol, Bytes message, const Limits& limits, Call& call) noexcept {
  return protocol == Protocol::kBinary ? read_call_of<BinaryReader>(message, limits, call)
                                       : read_call_of<CompactReader>(message, limits, call);
}

Status check_arguments(const Call& call, const Limits& limits) noexcept {
  return call.protocol == Protocol::kBinary ? check_arguments_of<BinaryReader>(call, limits)
                                            : check_arguments_of<CompactReader>(call, limits);
}

template bool read_head(BinaryReader&, Call&) noexcept;
template bool read_head(CompactReader&, Call&) noexcept;

}  // namespace thriftscore::wire
