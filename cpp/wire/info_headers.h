// SPDX-License-Identifier: Apache-2.0
// The header section of a THeader frame.
#pragma once

#include <optional>
#include <string_view>

#include "wire/status.h"
#include "wire/types.h"

namespace thriftscore::wire {

struct InfoPair {
  std::string_view key;    ///< any bytes: the peer chose them
  std::string_view value;  ///< any bytes
};

/// The key-value headers of one THeader frame, in place. Nothing in them is to be trusted.
class InfoHeaders {
 public:
  InfoHeaders() = default;

  [[nodiscard]] std::size_t size() const noexcept { return count_; }

  /// The value of `key`; of several, the last.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view key) const noexcept;

  /// Calls `visit` with each InfoPair in order.
  template <typename Visit>
  void for_each(Visit visit) const {
    Bytes rest = info_;
    std::uint32_t left_in_block = 0;
    for (std::size_t i = 0; i < count_; ++i) visit(next(rest, left_in_block));
  }

 private:
  friend struct HeaderSection;
  static InfoPair next(Bytes& rest, std::uint32_t& left_in_block) noexcept;

  Bytes info_;  // checked by HeaderSection: blocks of pairs, perhaps something unknown after them
  std::size_t count_ = 0;
};

/// What the header section of a THeader frame says.
struct HeaderSection {
  Protocol protocol = Protocol::kBinary;
  InfoHeaders headers;

  /// Reads the bytes between the fixed 14 bytes of the frame and its message.
  /// Info blocks of an unknown kind end the headers, as in the other implementations.
  Status read(Bytes section) noexcept;

 private:
  Status read_info(class CompactReader& reader) noexcept;
};

}  // namespace thriftscore::wire
