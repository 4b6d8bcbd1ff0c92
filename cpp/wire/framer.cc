// SPDX-License-Identifier: Apache-2.0
#include "wire/framer.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "wire/binary_reader.h"
#include "wire/compact_reader.h"
#include "wire/text.h"

namespace thriftscore::wire {
namespace {

constexpr std::size_t kLengthBytes = 4;
/// Of a THeader frame: magic, flags, sequence id and the size of the header section in words.
constexpr std::size_t kFixedHeaderBytes = 10;
constexpr std::size_t kSequenceIdAt = 4;
constexpr std::size_t kHeaderWordsAt = 8;

constexpr std::array<std::string_view, 10> kHttpStarts{"GET ", "HEAD", "POST", "PUT ", "DELE",
                                                       "CONN", "OPTI", "TRAC", "PATC", "PRI "};

/// Why a stream that starts with these four bytes is no Thrift, or kOk.
Status find_stranger(Bytes start) noexcept {
  const std::string_view text = as_text(start.first(kLengthBytes));
  if (std::find(kHttpStarts.begin(), kHttpStarts.end(), text) != kHttpStarts.end()) {
    return Status::kHttp;
  }
  const bool is_tls = start[0] == std::byte{0x16} && start[1] == std::byte{0x03};
  return is_tls ? Status::kTls : Status::kOk;
}

bool is_binary(Bytes start) noexcept {
  return start[0] == std::byte{0x80} && start[1] == std::byte{0x01};
}

bool is_compact(Bytes start) noexcept {
  return start[0] == std::byte{kCompactProtocolId} &&
         (start[1] & std::byte{kCompactVersionMask}) == std::byte{kCompactVersion};
}

/// Of the length of a frame.
Status check_frame_size(std::int32_t size, const Limits& limits) noexcept {
  if (size == 0) return Status::kFrameSizeZero;
  if (size < 0) return Status::kFrameSizeNegative;
  const auto bytes = static_cast<std::uint32_t>(size);
  return bytes > limits.frame_bytes_max ? Status::kFrameTooLarge : Status::kOk;
}

constexpr std::byte kBinaryStart{0x80};
constexpr std::byte kCompactStart{kCompactProtocolId};
constexpr std::byte kHeaderStart{0x0f};

/// The first byte of a frame tells what is in it. Wrong versions are for read_call() to refuse:
/// then the peer can be told.
bool is_known_start(std::byte first) noexcept {
  return first == kBinaryStart || first == kCompactStart || first == kHeaderStart;
}

Reject reject_header(Status reason, Bytes body) noexcept {
  Reject reject{reason, Transport::kHeader, {}};
  reject.call.sequence_id = load<std::endian::big, std::int32_t>(body.data() + kSequenceIdAt);
  return reject;
}

/// A complete THeader frame.
Outcome open_header_frame(Bytes frame) noexcept {
  const Bytes body = frame.subspan(kLengthBytes);
  if (body.size() < kFixedHeaderBytes)
    return Reject{Status::kHeaderMalformed, Transport::kHeader, {}};
  if (body[1] != std::byte{0xff}) return Reject{Status::kUnknownProtocol, Transport::kFramed, {}};
  const auto words = load<std::endian::big, std::uint16_t>(body.data() + kHeaderWordsAt);
  const std::size_t section_bytes = std::size_t{words} * 4;
  const std::size_t rest = body.size() - kFixedHeaderBytes;
  if (section_bytes >= rest) return reject_header(Status::kHeaderMalformed, body);  // no message
  HeaderSection section;
  const Status status = section.read(body.subspan(kFixedHeaderBytes, section_bytes));
  if (status != Status::kOk) return reject_header(status, body);
  return Message{Transport::kHeader, section.protocol, body.last(rest - section_bytes),
                 section.headers, frame.size()};
}

}  // namespace

Outcome Framer::next_message(Bytes buffered) noexcept {
  if (scanned_ != 0) return next_unframed(buffered);
  if (buffered.size() < kLengthBytes) return NeedMore{kLengthBytes - buffered.size()};
  if (is_binary(buffered) || is_compact(buffered)) return next_unframed(buffered);
  const Status stranger = find_stranger(buffered);
  if (stranger != Status::kOk) return Reject{stranger, Transport::kFramed, {}};
  return next_frame(buffered);
}

Outcome Framer::next_frame(Bytes buffered) const noexcept {
  const auto size = load<std::endian::big, std::int32_t>(buffered.data());
  const Status refused = check_frame_size(size, *limits_);
  if (refused != Status::kOk) return Reject{refused, Transport::kFramed, {}};
  const std::size_t total = kLengthBytes + static_cast<std::size_t>(size);
  // A frame of junk is refused when it starts, not after its last byte.
  const bool has_start = buffered.size() > kLengthBytes;
  if (has_start && !is_known_start(buffered[kLengthBytes])) {
    return Reject{Status::kUnknownProtocol, Transport::kFramed, {}};
  }
  if (buffered.size() < total) return NeedMore{total - buffered.size()};
  const std::byte start = buffered[kLengthBytes];
  if (start == kHeaderStart) return open_header_frame(buffered.first(total));
  const Protocol protocol = start == kBinaryStart ? Protocol::kBinary : Protocol::kCompact;
  return Message{Transport::kFramed,
                 protocol,
                 buffered.subspan(kLengthBytes, total - kLengthBytes),
                 {},
                 total};
}

Outcome Framer::next_unframed(Bytes buffered) noexcept {
  return buffered[0] == kBinaryStart ? scan_unframed<BinaryReader>(buffered)
                                     : scan_unframed<CompactReader>(buffered);
}

/// Skips what has arrived of a message. Its head is read again until it is complete, which is
/// linear because it is short; from then on `open_` remembers.
template <typename Reader>
bool Framer::scan(Reader& reader) noexcept {
  if (scanned_ == 0) {
    Call ignored;
    return read_head(reader, ignored) && begin_struct(reader, open_) && resume_skip(reader, open_);
  }
  reader.set_values_left(values_left_);
  return resume_skip(reader, open_);
}

template <typename Reader>
Outcome Framer::scan_unframed(Bytes buffered) noexcept {
  const std::size_t bytes_max = limits_->message_bytes_max;
  const Bytes message = buffered.first(std::min(buffered.size(), bytes_max));
  Reader reader(message.subspan(scanned_), bytes_max - message.size(), *limits_);
  const bool ended = scan(reader);
  if (open_.depth != 0) {
    scanned_ = message.size() - reader.available();
    values_left_ = reader.values_left();
  }
  if (!ended && reader.status() == Status::kTruncated) return NeedMore{reader.missing()};
  const std::size_t total = message.size() - reader.available();
  open_.depth = 0;
  scanned_ = 0;
  if (ended)
    return Message{Transport::kUnframed, Reader::kProtocol, message.first(total), {}, total};
  Reject reject{reader.status(), Transport::kUnframed, {}};
  Reader head(message, *limits_);
  static_cast<void>(read_head(head, reject.call));  // what it could not read stays empty
  return reject;
}

}  // namespace thriftscore::wire
