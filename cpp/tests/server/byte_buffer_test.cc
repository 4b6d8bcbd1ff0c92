// SPDX-License-Identifier: Apache-2.0
#include "server/byte_buffer.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <vector>

namespace thriftscore::testing {
namespace {

using server::ByteBuffer;

std::vector<std::byte> content(const ByteBuffer& buffer) {
  return {buffer.bytes().begin(), buffer.bytes().end()};
}

TEST(ByteBuffer, HoldsWhatEnteredAndHasNotLeft) {
  std::mt19937 random(1);
  ByteBuffer buffer;
  std::deque<std::byte> expected;
  for (int step = 0; step < 20'000; ++step) {
    if (random() % 3 != 0) {
      std::vector<std::byte> bytes(random() % 100);
      for (auto& byte : bytes) byte = static_cast<std::byte>(random());
      buffer.append(bytes);
      expected.insert(expected.end(), bytes.begin(), bytes.end());
    } else {
      const std::size_t leaving = std::min<std::size_t>(expected.size(), random() % 200);
      buffer.drop_front(leaving);
      expected.erase(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(leaving));
    }
    if (step % 1000 == 0) {
      const std::size_t room = random() % 10'000;
      EXPECT_GE(buffer.reserve(room).size(), room);
    }
    ASSERT_EQ(buffer.size(), expected.size());
    ASSERT_TRUE(std::equal(expected.begin(), expected.end(), buffer.bytes().begin()));
  }
}

TEST(ByteBuffer, IsEmptyAfterItWasMovedFromOrCleared) {
  const std::vector<std::byte> bytes(100, std::byte{7});
  ByteBuffer buffer;
  buffer.append(bytes);
  ByteBuffer other = std::move(buffer);
  EXPECT_TRUE(buffer.empty());  // NOLINT(bugprone-use-after-move): that is the promise
  buffer.append(bytes);
  EXPECT_EQ(content(buffer), bytes);
  EXPECT_EQ(content(other), bytes);
  const auto* const address = other.bytes().data();
  other.clear(100);
  other.append(bytes);
  EXPECT_EQ(other.bytes().data(), address);
  other.clear(99);
  EXPECT_TRUE(other.empty());
  other = std::move(buffer);
  EXPECT_EQ(content(other), bytes);
}

}  // namespace
}  // namespace thriftscore::testing
