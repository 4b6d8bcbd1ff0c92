// SPDX-License-Identifier: Apache-2.0
// Where messages begin and end in a stream.
#include "wire/framer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/wire/dump.h"
#include "tests/wire/samples.h"

namespace thriftscore::wire {
namespace {

const Buffer kPing = join({binary_call("ping"), bytes("00")});
const Buffer kCompactPing = join({compact_call("ping"), bytes("00")});

/// All outcomes of a stream whose first `first` bytes come before the others; ends with the first
/// outcome that is no message.
std::string outcomes(const Buffer& stream, std::size_t first, const Limits& limits = {}) {
  Framer framer(limits);
  std::string out;
  std::size_t start = 0;
  std::size_t end = first;
  for (;;) {
    // An exact copy, so that a sanitizer sees every byte read too far.
    const Buffer buffered(stream.begin() + static_cast<std::ptrdiff_t>(start),
                          stream.begin() + static_cast<std::ptrdiff_t>(end));
    const Outcome outcome = framer.next_message(buffered);
    if (const auto* message = std::get_if<Message>(&outcome)) {
      out += dump_outcome(outcome, limits) + "; ";
      start += message->total_bytes;
    } else if (std::holds_alternative<NeedMore>(outcome) && end < stream.size()) {
      end = stream.size();
    } else {
      return out + dump_outcome(outcome, limits);
    }
  }
}

std::string outcomes(const Buffer& stream) { return outcomes(stream, stream.size()); }

struct Row {
  const char* name;
  const char* stream;
  const char* expected;
};

class FramerStart : public testing::TestWithParam<Row> {};

TEST_P(FramerStart, IsDecidedOnTheFirstBytes) {
  EXPECT_EQ(outcomes(bytes(GetParam().stream)), GetParam().expected);
}

const Row kRows[] = {
    {"nothing", "", "need 4"},
    {"half_a_length", "00 00", "need 2"},
    {"minus_1", "ffffffff", "reject frame_size_negative"},
    {"largest_length", "7fffffff", "reject frame_too_large"},
    {"limit_plus_1", "00fa0001", "reject frame_too_large"},
    {"limit", "00fa0000", "need 16384000"},
    {"empty_frame", "00000000", "reject frame_size_zero"},
    {"http_get", "'GET / HTTP/1.1'", "reject http"},
    {"http_post", "'POST'", "reject http"},
    {"http_head", "'HEAD'", "reject http"},
    {"http_put", "'PUT '", "reject http"},
    {"http_2", "'PRI * HTTP/2.0'", "reject http"},
    {"tls_client_hello", "16 03 01 00", "reject tls"},
    {"unversioned_framed_binary", "00000011 00000004 'echo' 01 00000007 00",
     "reject unknown_protocol"},
    {"unversioned_with_a_long_name", "00000008 40000000 'echo'", "reject unknown_protocol"},
    {"unversioned_unframed_binary", "00000004 'echo' 01 00000007 00", "reject unknown_protocol"},
    {"junk_in_a_frame", "00001000 a1", "reject unknown_protocol"},
    {"compact_id_83", "00000004 83 21 07 00", "reject unknown_protocol"},
    {"compact_version_2_framed", "00000009 82 22 07 04'ping' 00",
     "framed compact !bad_version; need 4"},
    {"compact_version_2_unframed", "82 22 07 04'ping' 00", "reject frame_size_negative"},
    {"binary_version_2_framed", "00000004 80020001", "framed binary !bad_version; need 4"},
    {"one_byte_frame", "00000001 80", "framed binary !truncated; need 4"},
    {"frame_starts_like_a_header_and_is_none", "0000000a 0f 00*9", "reject unknown_protocol"},
};

INSTANTIATE_TEST_SUITE_P(, FramerStart, testing::ValuesIn(kRows),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Framer, FindsEveryTransportAndProtocol) {
  EXPECT_EQ(outcomes(framed(kPing)), "framed binary ping#7{}; need 4");
  EXPECT_EQ(outcomes(framed(kCompactPing)), "framed compact ping#7{}; need 4");
  EXPECT_EQ(outcomes(kPing), "unframed binary ping#7{}; need 4");
  EXPECT_EQ(outcomes(kCompactPing), "unframed compact ping#7{}; need 4");
  EXPECT_EQ(outcomes(header_framed(bytes("00 00"), kPing)), "header binary ping#7{}; need 4");
  EXPECT_EQ(outcomes(header_framed(bytes("02 00"), kCompactPing)),
            "header compact ping#7{}; need 4");
}

TEST(Framer, TakesAnotherTransportWithEachMessage) {
  const Buffer stream = join({framed(kPing), kCompactPing, header_framed(bytes("00 00"), kPing),
                              kPing, framed(kCompactPing)});
  EXPECT_EQ(outcomes(stream),
            "framed binary ping#7{}; unframed compact ping#7{}; header binary ping#7{}; "
            "unframed binary ping#7{}; framed compact ping#7{}; need 4");
}

TEST(Framer, NeverJoinsFrames) {
  const Buffer cut = join({binary_call("score"), bytes("0c0001 00")});
  const Buffer junk = join({kPing, Buffer(64)});
  EXPECT_EQ(outcomes(join({framed(cut), framed(kPing)})),
            "framed binary !truncated; framed binary ping#7{}; need 4");
  EXPECT_EQ(outcomes(join({framed(junk), framed(kPing)})),
            "framed binary !trailing_bytes; framed binary ping#7{}; need 4");
}

/// A stream with every transport, protocol and kind of value.
Buffer long_stream() {
  const Buffer score = bytes("0c0001 0b0001 00000001 'm' 0b0003 00000004 0000803f 00 00");
  const Buffer unknown = bytes(
      "02 0063 01 0f 0064 02 00000002 0100 0d 0065 0b0c 00000001 00000001 'k' 080001 00000005 00"
      " 0e 0066 0f 00000002 0b 00000001 00000003 'abc' 03 00000000 00");
  const Buffer compact = bytes(
      "1c 18 01'm' 28 04 0000803f 00 01 c601 19 31 01 02 00 1b 01 8c 01'k' 15 02 00 16 80 80 01"
      " 19 46 80 01 02 03 04 00");
  return join(
      {framed(join({binary_call("score"), score})), binary_call("score"), unknown,
       compact_call("score"), compact,
       header_framed(bytes("02 00 01 01 01'k' 01'v'"), join({compact_call("score"), compact})),
       kPing, framed(kCompactPing)});
}

TEST(Framer, GivesTheSameMessagesHoweverTheStreamIsSplit) {
  const Buffer stream = long_stream();
  const std::string whole = outcomes(stream);
  EXPECT_EQ(std::count(whole.begin(), whole.end(), ';'), 6);
  EXPECT_EQ(whole.find('!'), std::string::npos) << whole;
  for (std::size_t first = 0; first <= stream.size(); ++first) {
    EXPECT_EQ(outcomes(stream, first), whole) << "split at byte " << first;
  }
}

/// As outcomes(), with the stream arriving byte by byte; checks that no hint asks for too much.
std::string outcomes_bytewise(const Buffer& stream) {
  const Limits limits;
  Framer framer(limits);
  std::string out;
  std::size_t start = 0;
  std::size_t earliest_end = 0;
  for (std::size_t end = 0; end <= stream.size(); ++end) {
    const Outcome outcome = framer.next_message(Bytes(stream.data() + start, end - start));
    if (const auto* need = std::get_if<NeedMore>(&outcome)) {
      EXPECT_GT(need->bytes, 0U);
      earliest_end = std::max(earliest_end, end + need->bytes);
      continue;
    }
    EXPECT_GE(end, earliest_end) << "a hint asked for more than was needed";
    out += dump_outcome(outcome, limits) + "; ";
    if (!std::holds_alternative<Message>(outcome)) break;
    start = end;
  }
  return out;
}

TEST(Framer, TakesBytesOneByOneAndNeverAsksForMoreThanItNeeds) {
  const Buffer stream = long_stream();
  EXPECT_EQ(outcomes_bytewise(stream) + "need 4", outcomes(stream));
}

TEST(Framer, RefusesAnUnframedMessageAtItsFirstBadByte) {
  EXPECT_EQ(outcomes(join({binary_call("score"), bytes("05 0063")})), "reject bad_type");
  EXPECT_EQ(outcomes(bytes("80010001 000000c8")), "reject name_too_long");
  EXPECT_EQ(outcomes(bytes("8221 07 c801")), "reject name_too_long");
  EXPECT_EQ(outcomes(join({binary_call("score"), bytes("0b0063 7fffffff")})),
            "reject message_too_large");
  EXPECT_EQ(outcomes(join({binary_call("score"), bytes("0f0063 04 20000000")})),
            "reject message_too_large");
}

TEST(Framer, NamesTheCallOfARefusedUnframedMessage) {
  const Limits limits;
  Framer framer(limits);
  const Buffer stream = join({binary_call("score"), bytes("05 0063")});
  const Outcome outcome = framer.next_message(stream);
  const auto& reject = std::get<Reject>(outcome);
  EXPECT_EQ(reject.transport, Transport::kUnframed);
  EXPECT_EQ(reject.call.protocol, Protocol::kBinary);
  EXPECT_EQ(reject.call.sequence_id, 7);
  EXPECT_EQ(reject.call.method, "score");
}

TEST(Framer, EndsUnframedMessagesOfEveryType) {
  Buffer reply = kPing;
  reply[3] = std::byte{2};
  EXPECT_EQ(outcomes(join({reply, kPing})),
            "unframed binary !invalid_message_type; unframed binary ping#7{}; need 4");
}

TEST(Framer, LimitsUnframedMessages) {
  Limits limits;
  limits.message_bytes_max = 64;
  const auto with_string = [](std::size_t size) {
    Buffer out = join({binary_call("score"), bytes("0b0063 000000"), Buffer{std::byte(size)}});
    out.resize(out.size() + size + 1);
    return out;
  };
  const std::size_t longest = 64 - with_string(0).size();
  const Buffer fits = with_string(longest);
  const Buffer too_long = with_string(longest + 1);
  for (std::size_t first = 0; first <= fits.size(); ++first) {
    EXPECT_EQ(outcomes(fits, first, limits), "unframed binary score#7{}; need 4");
    EXPECT_EQ(outcomes(too_long, first, limits), "reject message_too_large");
  }
  EXPECT_EQ(outcomes(join({fits, fits}), 0, limits),
            "unframed binary score#7{}; unframed binary score#7{}; need 4");
}

TEST(Framer, LimitsFrames) {
  Limits limits;
  limits.frame_bytes_max = static_cast<std::uint32_t>(kPing.size());
  EXPECT_EQ(outcomes(framed(kPing), 0, limits), "framed binary ping#7{}; need 4");
  EXPECT_EQ(outcomes(framed(join({kPing, Buffer(1)})), 0, limits), "reject frame_too_large");
}

TEST(Framer, ScansEachByteOfAnUnframedMessageOnce) {
  // 300,000 elements that are visited one by one, byte by byte: quadratic work would take hours.
  Buffer stream = join({compact_call("score"), bytes("59 f8 e0 a7 12")});
  stream.resize(stream.size() + 300'000 + 1);
  EXPECT_EQ(outcomes_bytewise(stream), "unframed compact score#7{}; ");
}

struct HeaderRow {
  const char* name;
  const char* section;
  const char* expected;
};

class HeaderSections : public testing::TestWithParam<HeaderRow> {};

TEST_P(HeaderSections, AreAcceptedOrRefused) {
  const Buffer stream = header_framed(bytes(GetParam().section), kPing);
  const std::string expected = GetParam().expected;
  EXPECT_EQ(outcomes(stream), expected.starts_with("reject") ? expected : expected + "; need 4");
}

const HeaderRow kHeaderRows[] = {
    {"empty", "", "reject header_malformed"},
    {"padded", "00 00", "header binary ping#7{}"},
    {"padded_ids", "80 00 80 00", "header binary ping#7{}"},
    {"one_transform", "00 01 01", "reject header_transform"},
    {"transform_count_2_31_minus_1", "00 ff ff ff ff 07", "reject header_transform"},
    {"transform_count_minus_1", "00 ff ff ff ff 0f", "reject header_transform"},
    {"json", "01 00", "reject header_protocol"},
    {"protocol_3", "03 00", "reject header_protocol"},
    {"protocol_minus_1", "ff ff ff ff 0f 00", "reject header_protocol"},
    {"protocol_2_31_minus_1", "ff ff ff ff 07 00", "reject header_protocol"},
    {"protocol_of_6_bytes", "80*5 00 00", "reject header_malformed"},
    {"wrong_protocol", "02 00", "header compact !bad_version"},
    {"pairs", "00 00 01 02 01'a' 01'b' 02'cd' 00", R"(header binary "a":"b" "cd":"" ping#7{})"},
    {"two_blocks", "00 00 01 01 01'a' 01'b' 01 01 01'c' 01'd' 00",
     R"(header binary "a":"b" "c":"d" ping#7{})"},
    {"empty_block", "00 00 01 00 01 01 01'a' 00", R"(header binary "a":"" ping#7{})"},
    {"unknown_info_with_junk", "00 00 07 ff ff ff", "header binary ping#7{}"},
    {"unknown_info_after_pairs", "00 00 01 01 01'a' 00 07 ff", R"(header binary "a":"" ping#7{})"},
    {"key_longer_than_the_section", "00 00 01 01 20 'a'", "reject header_malformed"},
    {"value_longer_than_the_section", "00 00 01 01 01 'a' 7f", "reject header_malformed"},
    {"pair_count_2_31_minus_1", "00 00 01 ff ff ff ff 07", "reject header_too_many_pairs"},
    {"pair_count_beyond_the_section", "00 00 01 05 01'a' 00", "reject header_malformed"},
    {"control_characters", "00 00 01 01 03 0d0a00 01 00",
     R"(header binary "\x0d\x0a\x00":"\x00" ping#7{})"},
    {"129_pairs", "00 00 01 81 01 00*258", "reject header_too_many_pairs"},
};

INSTANTIATE_TEST_SUITE_P(, HeaderSections, testing::ValuesIn(kHeaderRows),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(HeaderFrames, RefuseSectionsThatFillTheFrameOrMore) {
  EXPECT_EQ(outcomes(bytes("0000000e 0fff 0000 00000007 0001 00 00 00 00")),
            "reject header_malformed");
  EXPECT_EQ(outcomes(bytes("0000000e 0fff 0000 00000007 ffff 00 00 00 00")),
            "reject header_malformed");
  EXPECT_EQ(outcomes(bytes("00000009 0fff 0000 00000007 00")), "reject header_malformed");
  EXPECT_EQ(outcomes(bytes("00000002 0fff")), "reject header_malformed");
}

TEST(HeaderFrames, HaveUpTo128Pairs) {
  const std::string out = outcomes(header_framed(bytes("00 00 01 80 01 00*256"), kPing));
  EXPECT_EQ(std::count(out.begin(), out.end(), ':'), 128) << out;
}

TEST(HeaderFrames, FindTheLastOfEqualKeys) {
  const Limits limits;
  Framer framer(limits);
  const Buffer stream =
      header_framed(bytes("00 00 01 03 01'a' 01'1' 01'b' 01'2' 01'a' 01'3'"), kPing);
  const Outcome outcome = framer.next_message(stream);
  const InfoHeaders& headers = std::get<Message>(outcome).headers;
  EXPECT_EQ(headers.size(), 3U);
  EXPECT_EQ(headers.find("a"), "3");
  EXPECT_EQ(headers.find("b"), "2");
  EXPECT_EQ(headers.find("c"), std::nullopt);
}

}  // namespace
}  // namespace thriftscore::wire
