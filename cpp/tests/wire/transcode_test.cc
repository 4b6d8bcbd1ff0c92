// SPDX-License-Identifier: Apache-2.0
// What one protocol says, the other can say.
#include "tests/wire/transcode.h"

#include <gtest/gtest.h>

#include "tests/wire/dump.h"
#include "wire/types.h"

namespace thriftscore::wire {
namespace {

std::string dump(Protocol protocol, const Buffer& message) {
  return dump_message(protocol, message, Limits{});
}

void expect_same_in_both(const Buffer& binary) {
  const std::string expected = dump(Protocol::kBinary, binary);
  ASSERT_NE(expected[0], '!') << expected;
  const auto compact = transcode(Protocol::kBinary, binary, Protocol::kCompact);
  ASSERT_TRUE(compact.has_value());
  EXPECT_EQ(dump(Protocol::kCompact, *compact), expected);
  const auto back = transcode(Protocol::kCompact, *compact, Protocol::kBinary);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(dump(Protocol::kBinary, *back), expected);
}

TEST(Transcode, KeepsEveryValue) {
  expect_same_in_both(join({binary_call("S:ping"), bytes("00")}));
  expect_same_in_both(join(
      {binary_call("score"), bytes("0c0001 0b0001 00000001 'm' 0b0002 00000001 '3' 0b0003 00000004"
                                   " 0000803f 080004 0000000c 0c0005 0b0001 00000001 'r' 080002"
                                   " 80000000 00 080006 7fffffff 00 00")}));
  expect_same_in_both(join({binary_call("score_named"),
                            bytes("0d0002 0b04 00000001 00000001 'a' 7ff8000000000001 00")}));
  expect_same_in_both(join(
      {binary_call("infer"),
       bytes("0c0001 0f0005 0c 00000001 0f0003 0a 00000002 8000000000000000 7fffffffffffffff"
             " 0c0005 0f0001 02 00000002 0100 0f0005 0b 00000001 00000001 ff 00"
             " 0d0006 0b0c 00000001 00000001 'k' 020001 00 0a0002 ffffffffffffffff 00 00 00 00")}));
}

TEST(Transcode, KeepsListsOfEveryLength) {
  for (std::size_t count : {0U, 1U, 14U, 15U, 16U, 127U, 128U, 255U}) {
    Buffer message = join({binary_call("score_values"), bytes("0f0002 04 000000")});
    message.push_back(static_cast<std::byte>(count));
    message.resize(message.size() + 8 * count + 1);
    expect_same_in_both(message);
  }
}

}  // namespace
}  // namespace thriftscore::wire
