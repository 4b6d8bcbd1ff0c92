// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/instructions/memory_stream.h"

#include <cstring>
#include <utility>

namespace thriftscore::benchmarks {

using server::Transfer;

Transfer MemoryStream::read(std::span<std::byte> into) noexcept {
  const auto& request = client_.request;
  if (request.size() > into.size()) return {Transfer::State::kClosed};
  if (std::exchange(client_.has_sent, true)) return {Transfer::State::kWouldBlock};
  if (filled_ != into.data()) std::memcpy(into.data(), request.data(), request.size());
  filled_ = into.data();
  return {Transfer::State::kMoved, request.size()};
}

Transfer MemoryStream::write(std::span<const std::byte> from) noexcept {
  auto* const replies = client_.replies;
  if (replies != nullptr) replies->insert(replies->end(), from.begin(), from.end());
  return {Transfer::State::kMoved, from.size()};
}

}  // namespace thriftscore::benchmarks
