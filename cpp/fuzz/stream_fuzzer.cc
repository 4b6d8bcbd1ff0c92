// SPDX-License-Identifier: Apache-2.0
// Input: a byte n, n bytes that are the sizes of the reads, then the bytes of a connection.
#include <algorithm>
#include <cstdint>
#include <string>

#include "fuzz/require.h"
#include "tests/wire/dump.h"
#include "tests/wire/samples.h"

namespace thriftscore::wire {
namespace {

/// The outcomes of a connection whose reads have these sizes, over and over.
std::string outcomes(Bytes stream, Bytes read_sizes) {
  Limits limits;
  limits.message_bytes_max = 4096;
  Framer framer(limits);
  std::string out;
  std::size_t start = 0;
  std::size_t end = 0;
  std::size_t needed = 0;
  for (std::size_t read = 0;;) {
    const Buffer buffered(stream.begin() + static_cast<std::ptrdiff_t>(start),
                          stream.begin() + static_cast<std::ptrdiff_t>(end));
    const Outcome outcome = framer.next_message(buffered);
    if (const auto* need = std::get_if<NeedMore>(&outcome)) {
      require("no bytes are needed", need->bytes != 0);
      needed = std::max(needed, end + need->bytes);
      if (end == stream.size()) return out;  // how many bytes are needed depends on the reads
      const auto size = read_sizes.empty()
                            ? stream.size()
                            : static_cast<std::size_t>(read_sizes[read++ % read_sizes.size()]) + 1;
      end = std::min(stream.size(), end + size);
      continue;
    }
    out += dump_outcome(outcome, limits) + "; ";
    const auto* message = std::get_if<Message>(&outcome);
    if (message == nullptr) return out;
    require("a hint asked for more bytes than were needed", start + message->total_bytes >= needed);
    require("a message is empty", message->total_bytes != 0 && !message->payload.empty());
    start += message->total_bytes;
    require("a message is longer than the buffer", start <= end);
    needed = 0;
  }
}

}  // namespace
}  // namespace thriftscore::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace thriftscore;
  if (size == 0 || size - 1 < data[0]) return 0;
  const wire::Bytes input(reinterpret_cast<const std::byte*>(data), size);
  const wire::Bytes read_sizes = input.subspan(1, data[0]);
  const wire::Bytes stream = input.subspan(1 + std::size_t{data[0]});
  require_equal("the outcomes depend on how the stream was split",
                wire::outcomes(stream, read_sizes), wire::outcomes(stream, {}));
  return 0;
}
