// SPDX-License-Identifier: Apache-2.0
// Input: a byte that chooses protocol and read size, then a struct and perhaps more.
#include <algorithm>
#include <cstdint>
#include <string>

#include "fuzz/require.h"
#include "tests/wire/samples.h"
#include "wire/binary_reader.h"
#include "wire/compact_reader.h"
#include "wire/skip.h"

namespace thriftscore::wire {
namespace {

constexpr std::size_t kMayFollow = 1U << 16U;
constexpr Limits kLimits{.nesting_max = 8, .values_max = 1000};

std::string result(Status status, std::size_t skipped) {
  return std::string(name_of(status)) + " after " + std::to_string(skipped);
}

/// Skips the struct as its bytes arrive in pieces.
template <typename Reader>
std::string skip_in_pieces(Bytes bytes, std::size_t piece) {
  SkipState state;
  std::size_t done = 0;
  std::uint32_t values_left = kLimits.values_max;
  bool has_begun = false;
  for (std::size_t end = 0;; end = std::min(end + piece, bytes.size())) {
    const Buffer part(bytes.begin() + static_cast<std::ptrdiff_t>(done),
                      bytes.begin() + static_cast<std::ptrdiff_t>(end));
    Reader reader(part, kMayFollow - end, kLimits);
    reader.set_values_left(values_left);
    has_begun = has_begun || begin_struct(reader, state);
    const bool ended = resume_skip(reader, state);
    done = end - reader.available();
    values_left = reader.values_left();
    if (ended) return result(Status::kOk, done);
    if (reader.status() != Status::kTruncated) return result(reader.status(), 0);
    if (end == bytes.size()) return result(Status::kTruncated, 0);
  }
}

template <typename Reader>
void check_skipping(Bytes bytes, std::size_t piece) {
  const std::string in_pieces = skip_in_pieces<Reader>(bytes, piece);
  require_equal("skipping depends on the pieces", in_pieces,
                skip_in_pieces<Reader>(bytes, std::max<std::size_t>(bytes.size(), 1)));
  Reader reader(bytes, kLimits);
  SkipState state;
  const bool ended = begin_struct(reader, state) && resume_skip(reader, state);
  const std::size_t skipped = bytes.size() - reader.available();
  const std::string at_once = result(reader.status(), ended ? skipped : 0);
  // A stream waits for more where a complete message has too little.
  const bool is_short =
      reader.status() == Status::kTruncated || reader.status() == Status::kSizeOutOfRange;
  if (!is_short) require_equal("a stream is not skipped like a message", in_pieces, at_once);
}

}  // namespace
}  // namespace thriftscore::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace thriftscore::wire;
  if (size == 0 || size > kMayFollow) return 0;
  const Bytes bytes(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  const std::size_t piece = 1 + data[0] / 2;
  data[0] % 2 == 0 ? check_skipping<BinaryReader>(bytes, piece)
                   : check_skipping<CompactReader>(bytes, piece);
  return 0;
}
