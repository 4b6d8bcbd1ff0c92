// SPDX-License-Identifier: Apache-2.0
// Replies, against bytes worked out by hand from the protocols' specifications.
#include "wire/encode.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "tests/wire/samples.h"

namespace thriftscore::wire {
namespace {

constexpr ReplyTo kBinaryFramed{Transport::kFramed, Protocol::kBinary, 7, "score"};
constexpr ReplyTo kCompactFramed{Transport::kFramed, Protocol::kCompact, 7, "score"};

/// Encodes `result` into exactly the bytes it needs; none fewer may do.
template <typename T>
Buffer encode(const ReplyTo& to, T result) {
  Buffer out(reply_bytes_max(to, result));
  const std::size_t size = encode_result(out, to, result);
  EXPECT_GT(size, 0U);
  for (std::size_t less = 0; less < size; ++less) {
    Buffer small(less);
    EXPECT_EQ(encode_result(small, to, result), 0U) << less;
  }
  Buffer exact(size);
  EXPECT_EQ(encode_result(exact, to, result), size);
  return exact;
}

TEST(Encode, WritesScoresWhereTheKernelsWant) {
  ScoreResponse response{{8}, DataType::kFp32, 2, 1, "3", "r"};
  Buffer out(reply_bytes_max(kBinaryFramed, response));
  const std::size_t size = encode_result(out, kBinaryFramed, response);
  ASSERT_NE(response.scores.data, nullptr);
  const float scores[] = {1.0F, -2.0F};
  std::memcpy(response.scores.data, scores, sizeof(scores));
  out.resize(size);
  EXPECT_EQ(out, framed(bytes("80010002 00000005 'score' 00000007 0c0000"
                              " 0b0001 00000008 0000803f 000000c0 080002 0000000b"
                              " 0a0003 0000000000000002 080004 00000001 0b0005 00000001 '3'"
                              " 0b0006 00000001 'r' 00 00")));
}

TEST(Encode, WritesCompactScores) {
  EXPECT_EQ(
      encode(kCompactFramed, ScoreResponse{{2}, DataType::kFp64, 300, 2, "12", {}}),
      framed(bytes("82 41 07 05'score' 0c 00 18 02 0000 15 18 16 d804 15 04 18 02'12' 00 00")));
}

TEST(Encode, WritesBools) {
  EXPECT_EQ(encode(kBinaryFramed, true),
            framed(bytes("80010002 00000005 'score' 00000007 020000 01 00")));
  EXPECT_EQ(encode(kCompactFramed, true), framed(bytes("82 41 07 05'score' 01 00 00")));
  EXPECT_EQ(encode(kCompactFramed, false), framed(bytes("82 41 07 05'score' 02 00 00")));
}

TEST(Encode, AnswersInKind) {
  ReplyTo to = kBinaryFramed;
  to.transport = Transport::kUnframed;
  const Buffer message = bytes("80010002 00000005 'score' 00000007 020000 01 00");
  EXPECT_EQ(encode(to, true), message);
  to.transport = Transport::kHeader;
  EXPECT_EQ(encode(to, true), header_framed(bytes("00 00"), message));
  const std::array pairs{InfoPair{":drain", "1"}, InfoPair{"k", ""}};
  to.headers = pairs;
  EXPECT_EQ(encode(to, true),
            header_framed(bytes("00 00 01 02 06':drain' 01'1' 01'k' 00"), message));
  to.protocol = Protocol::kCompact;
  to.headers = {};
  EXPECT_EQ(encode(to, true), header_framed(bytes("02 00"), bytes("82 41 07 05'score' 01 00 00")));
}

TEST(Encode, WritesDoublesInTheOrderOfTheProtocol) {
  const double doubles[] = {1.0, -2.0};
  const float floats[] = {1.0F, -2.0F};
  for (const ReplyTo& to : {kBinaryFramed, kCompactFramed}) {
    const bool is_binary = to.protocol == Protocol::kBinary;
    const Buffer expected = framed(
        is_binary ? bytes("80010002 00000005 'score' 00000007 0f0000 04 00000002 3ff0000000000000"
                          " c000000000000000 00")
                  : bytes("82 41 07 05'score' 09 00 27 000000000000f03f 00000000000000c0 00"));
    DoublesRoom room{2};
    Buffer out(expected.size());
    ASSERT_EQ(encode_result(out, to, room), expected.size());
    store_doubles(to.protocol, doubles, 2, room.data);
    EXPECT_EQ(out, expected);
    std::memset(room.data, 0, 16);
    store_doubles(to.protocol, floats, 2, room.data);
    EXPECT_EQ(out, expected);
  }
}

TEST(Encode, WritesLongLists) {
  DoublesRoom room{15};
  Buffer out(reply_bytes_max(kCompactFramed, room));
  const std::size_t size = encode_result(out, kCompactFramed, room);
  out.resize(size);
  EXPECT_EQ(out, framed(bytes("82 41 07 05'score' 09 00 f7 0f 00*120 00")));
}

TEST(Encode, WritesTensors) {
  const std::array<std::int64_t, 2> shape{2, 3};
  std::array outputs{OutputTensor{"y", DataType::kFp32, shape, {2}},
                     OutputTensor{"z", DataType::kFp64, {}, {0}}};
  InferResponse response{"m", "3", "id", outputs, {}};
  EXPECT_EQ(encode(kBinaryFramed, response),
            framed(bytes("80010002 00000005 'score' 00000007 0c0000 0b0001 00000001 'm'"
                         " 0b0002 00000001 '3' 0b0003 00000002 'id' 0f0005 0c 00000002"
                         " 0b0001 00000001 'y' 080002 0000000b 0f0003 0a 00000002"
                         " 0000000000000002 0000000000000003 0b0004 00000002 0000 00"
                         " 0b0001 00000001 'z' 080002 0000000c 0f0003 0a 00000000"
                         " 0b0004 00000000 00 00 00")));
  EXPECT_NE(outputs[0].data.data, nullptr);
}

TEST(Encode, WritesErrors) {
  Buffer out(256);
  out.resize(encode_error(out, kBinaryFramed, {ErrorCode::kOverloaded, "full", true, 5}));
  EXPECT_EQ(out, framed(bytes("80010002 00000005 'score' 00000007 0c0001 080001 00000005"
                              " 0b0002 00000004 'full' 020003 01 080004 00000005 00 00")));
  out.resize(256);
  out.resize(encode_error(out, kCompactFramed, {ErrorCode::kInternal, "", false, -1}));
  EXPECT_EQ(out, framed(bytes("82 41 07 05'score' 1c 15 14 18 00 12 15 01 00 00")));
}

TEST(Encode, WritesExceptions) {
  Buffer out(256);
  out.resize(encode_exception(out, kBinaryFramed, {"no", ExceptionType::kUnknownMethod}));
  EXPECT_EQ(out, framed(bytes("80010003 00000005 'score' 00000007 0b0001 00000002 'no'"
                              " 080002 00000001 00")));
  ReplyTo to = kCompactFramed;
  to.sequence_id = -1;
  out.resize(256);
  out.resize(encode_exception(out, to, {"no", ExceptionType::kProtocolError}));
  EXPECT_EQ(out, framed(bytes("82 61 ff ff ff ff 0f 05'score' 18 02'no' 15 0e 00")));
}

TEST(Encode, FramesMessagesThatWereEncodedElsewhere) {
  const Buffer message = bytes("80010002 00000005 'score' 00000007 020000 01 00");
  ReplyTo to = kBinaryFramed;
  const auto envelope = [&] {
    Buffer out(envelope_bytes_max(to, message));
    out.resize(encode_envelope(out, to, message));
    Buffer small(out.size() - 1);
    EXPECT_EQ(encode_envelope(small, to, message), 0U);
    return out;
  };
  EXPECT_EQ(envelope(), framed(message));
  to.transport = Transport::kUnframed;
  EXPECT_EQ(envelope(), message);
  to.transport = Transport::kHeader;
  EXPECT_EQ(envelope(), header_framed(bytes("00 00"), message));
}

TEST(Encode, WritesHeadersUpTo256KiBOnly) {
  const std::string value(300'000, 'v');
  const std::array pairs{InfoPair{"k", value}};
  ReplyTo to{Transport::kHeader, Protocol::kBinary, 7, "score", pairs};
  Buffer out(reply_bytes_max(to, true));
  bool result = true;
  EXPECT_EQ(encode_result(out, to, result), 0U);
}

}  // namespace
}  // namespace thriftscore::wire
