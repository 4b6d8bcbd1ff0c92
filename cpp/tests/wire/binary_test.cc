// SPDX-License-Identifier: Apache-2.0
// What the binary decoder accepts and refuses, by hand-made bytes.
#include <gtest/gtest.h>

#include "tests/wire/dump.h"
#include "tests/wire/samples.h"

namespace thriftscore::wire {
namespace {

struct Row {
  const char* name;
  const char* arguments;  // of score, after the head of the call
  const char* expected;   // of dump_message()
};

std::string repeat(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

std::string dump_binary(const Buffer& message) {
  return dump_message(Protocol::kBinary, message, Limits{});
}

std::string dump_score(std::string_view arguments) {
  return dump_binary(join({binary_call("score"), bytes(arguments)}));
}

class BinaryArguments : public testing::TestWithParam<Row> {};

TEST_P(BinaryArguments, AreAcceptedOrRefused) {
  EXPECT_EQ(dump_score(GetParam().arguments), GetParam().expected);
}

constexpr const char* kNoRequest = "score#7{}";
constexpr const char* kNoFields =
    R"(score#7{request={model_name="" model_version="" features= datatype=11 } })";

const Row kRows[] = {
    {"no_request", "00", kNoRequest},
    {"empty_request", "0c0001 00 00", kNoFields},
    {"all_fields",
     "0c0001 0b0001 00000001 'm' 0b0002 00000001 '3' 0b0003 00000004 0000803f 080004 0000000b"
     " 0c0005 0b0001 00000001 'r' 080002 00000064 00 080006 00000001 00 00",
     R"(score#7{request={model_name="m" model_version="3" features=0000803f datatype=11 )"
     R"(context={request_id="r" deadline_ms=100 } columns=1 } })"},
    {"fields_in_any_order", "0c0001 080006 00000002 0b0001 00000001 'm' 00 00",
     R"(score#7{request={model_name="m" model_version="" features= datatype=11 columns=2 } })"},
    {"undefined_enum_value", "0c0001 080004 ffffffff 00 00",
     R"(score#7{request={model_name="" model_version="" features= datatype=-1 } })"},
    {"unknown_fields_of_every_type",
     "0c0001 02 0063 01 03 0064 ff 04 0065 00*8 06 0066 0001 08 0067 00*4 0a 0068 00*8"
     " 0b 0069 00000002 ffff 0c 006a 00 0d 006b 0b08 00000001 00000000 00000009"
     " 0e 006c 06 00000001 0001 0f 006d 02 00000002 0100 10 006e 00*16 00 00",
     kNoFields},
    {"string_length_minus_1", "0c0001 0b0001 ffffffff 00 00", "!size_out_of_range"},
    {"string_length_2_31", "0c0001 0b0001 7fffffff 00 00", "!truncated"},
    {"string_longer_than_the_frame", "0c0001 0b0001 00000064 616263", "!truncated"},
    {"list_count_2_31", "0f0004 08 7fffffff", "!size_out_of_range"},
    {"list_count_minus_1", "0f0004 08 ffffffff", "!size_out_of_range"},
    {"list_count_minus_2_31", "0f0004 08 80000000", "!size_out_of_range"},
    {"list_of_double_whose_bytes_wrap_32_bits", "0f0004 04 20000000 00", "!size_out_of_range"},
    {"map_count_2_31", "0d0004 08 08 7fffffff 00", "!size_out_of_range"},
    {"elements_of_type_stop", "0f0063 00 02faf080 00", "!bad_type"},
    {"elements_of_type_void", "0f0063 01 7fffffff 00", "!bad_type"},
    {"map_keys_of_type_stop", "0d0063 00 08 00000001 00000000 00", "!bad_type"},
    {"empty_list_of_type_stop", "0f0063 00 00000000 00", kNoRequest},
    {"known_id_of_another_type", "080001 00000005 00", kNoRequest},
    {"known_text_sent_as_number", "0c0001 080001 00000005 00 00", kNoFields},
    {"field_type_5", "050063 00", "!bad_type"},
    {"field_type_7", "070063 00", "!bad_type"},
    {"field_type_9", "090063 00", "!bad_type"},
    {"field_type_17", "110063 00", "!bad_type"},
    {"field_type_127", "7f0063 00", "!bad_type"},
    {"field_type_255", "ff0063 00", "!bad_type"},
    {"duplicate_field_last_wins", "0c0001 0b0001 00000001 'a' 0b0001 00000001 'b' 00 00",
     R"(score#7{request={model_name="b" model_version="" features= datatype=11 } })"},
    {"duplicate_struct_replaces_the_first",
     "0c0001 0c0005 0b0001 00000001 'a' 00 0c0005 080002 00000001 00 00 00",
     R"(score#7{request={model_name="" model_version="" features= datatype=11 )"
     "context={deadline_ms=1 } } }"},
    {"bool_byte_2", "020063 02 00", "!bad_bool"},
    {"bool_byte_255", "020063 ff 00", "!bad_bool"},
    {"bool_byte_2_in_a_list", "0f0063 02 00000003 010002 00", "!bad_bool"},
    {"invalid_utf8_in_text", "0c0001 0b0001 00000002 c328 00 00", "!invalid_utf8"},
    {"surrogate_in_text", "0c0001 0b0001 00000003 eda080 00 00", "!invalid_utf8"},
    {"overlong_utf8_in_text", "0c0001 0b0001 00000002 c0af 00 00", "!invalid_utf8"},
    {"cut_utf8_in_text", "0c0001 0b0001 00000002 e282 00 00", "!invalid_utf8"},
    {"any_bytes_in_binary", "0c0001 0b0003 00000004 ffffc328 00 00",
     R"(score#7{request={model_name="" model_version="" features=ffffc328 datatype=11 } })"},
    {"any_bytes_in_unknown_string", "0b0063 00000002 c328 00", kNoRequest},
    {"no_stop_byte", "0c0001 00", "!truncated"},
    {"no_arguments", "", "!truncated"},
    {"bytes_after_the_arguments", "00 00*64", "!trailing_bytes"},
    {"more_structs_than_bytes", "0f0063 0c 00100001 00", "!size_out_of_range"},
};

INSTANTIATE_TEST_SUITE_P(, BinaryArguments, testing::ValuesIn(kRows),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(BinaryHead, TakesAServiceName) {
  EXPECT_EQ(dump_binary(join({binary_call("ScoringService:ping"), bytes("00")})),
            "ScoringService:ping#7{}");
  EXPECT_EQ(dump_binary(join({binary_call("a:b:ping"), bytes("00")})), "a:b:ping#7");
}

TEST(BinaryHead, RefusesMessagesWithoutVersion) {
  EXPECT_EQ(dump_binary(bytes("00000004 'echo' 01 00000007 00")), "!bad_version");
  EXPECT_EQ(dump_binary(bytes("40000000 'echo'")), "!bad_version");
  EXPECT_EQ(dump_binary(bytes("80 02 00 01 00000004 'ping' 00000007 00")), "!bad_version");
}

TEST(BinaryHead, LimitsTheMethodName) {
  EXPECT_EQ(dump_binary(bytes("80010001 7fffffff")), "!truncated");
  EXPECT_EQ(dump_binary(bytes("80010001 ffffffff")), "!size_out_of_range");
  const std::string longest(128, 'a');
  EXPECT_EQ(dump_binary(join({binary_call(longest), bytes("00")})), longest + "#7");
  EXPECT_EQ(dump_binary(join({binary_call(longest + 'a'), bytes("00")})), "!name_too_long");
  EXPECT_EQ(dump_binary(join({binary_call("\xc3\x28"), bytes("00")})), "!name_invalid");
}

TEST(BinaryHead, KeepsTheSequenceIdOfARefusedName) {
  Call call;
  const Buffer message = join({binary_call(std::string(300, 'a')), bytes("00")});
  EXPECT_EQ(read_call(Protocol::kBinary, message, Limits{}, call), Status::kNameTooLong);
  EXPECT_EQ(call.sequence_id, 7);
  EXPECT_EQ(call.method, "");
}

TEST(BinaryHead, RefusesEveryTypeButCall) {
  for (unsigned type = 0; type < 256; ++type) {
    Buffer message = join({binary_call("ping"), bytes("00")});
    message[3] = static_cast<std::byte>(type);
    EXPECT_EQ(dump_binary(message), type == 1 ? "ping#7{}" : "!invalid_message_type");
  }
}

struct Nesting {
  const char* name;
  const char* field;  // the header of the field that holds it all
  const char* open;   // a level that holds another
  const char* inner;  // the innermost level
  const char* close;  // ends a level; structs only
};

class BinaryNesting : public testing::TestWithParam<Nesting> {};

// Levels: the argument struct is the first.
std::string nested(const Nesting& kind, int levels) {
  return kind.field + repeat(kind.open, levels - 2) + kind.inner + repeat(kind.close, levels - 2) +
         "00";
}

TEST_P(BinaryNesting, IsLimitedTo64Levels) {
  for (const int levels : {2, 63, 64}) {
    EXPECT_EQ(dump_score(nested(GetParam(), levels)), kNoRequest) << levels;
  }
  for (const int levels : {65, 5'000, 100'000}) {
    EXPECT_EQ(dump_score(nested(GetParam(), levels)), "!too_deep") << levels;
  }
}

const Nesting kNestings[] = {
    {"structs", "0c0063", "0c0063", "00", "00"},
    {"lists", "0f0063", "0f 00000001", "03 00000001 00", ""},
    {"sets", "0e0063", "0e 00000001", "03 00000001 00", ""},
    {"maps", "0d0063", "03 0d 00000001 00", "03 03 00000001 00 00", ""},
    {"empty_lists", "0f0063", "0f 00000001", "00 00000000", ""},
    {"bool_lists", "0f0063", "0f 00000001", "02 00000001 01", ""},
};

INSTANTIATE_TEST_SUITE_P(, BinaryNesting, testing::ValuesIn(kNestings),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(BinaryNestingOfKnownStructs, CountsThemAll) {
  // Arguments, request and context are three levels.
  const auto in_context = [](int levels) {
    const Nesting lists = kNestings[1];
    return "0c0001 0c0005" + nested(lists, levels) + "0000";
  };
  EXPECT_NE(dump_score(in_context(62)), "!too_deep");
  EXPECT_EQ(dump_score(in_context(63)), "!too_deep");
}

TEST(BinaryCap, BoundsElementsThatAreVisitedOneByOne) {
  Limits limits;
  const auto with_structs = [&](std::size_t count) {
    Buffer message = join({binary_call("score"), bytes("0f0063 0c")});
    for (int shift = 24; shift >= 0; shift -= 8) {
      message.push_back(static_cast<std::byte>(count >> static_cast<unsigned>(shift)));
    }
    message.resize(message.size() + count + 1);
    return dump_message(Protocol::kBinary, message, limits);
  };
  EXPECT_EQ(with_structs(limits.values_max - 1), kNoRequest);
  EXPECT_EQ(with_structs(limits.values_max + 1), "!too_many_values");
  limits.values_max = 10;
  EXPECT_EQ(with_structs(9), kNoRequest);
  EXPECT_EQ(with_structs(10), "!too_many_values");  // the list is a value, too
}

TEST(BinaryDoubles, KeepEveryBit) {
  const Buffer message = join({binary_call("score_values"),
                               bytes("0f0002 04 00000005 7ff8000000000001 7ff0000000000000"
                                     " 8000000000000000 0000000000000001 fff0000000000000 00")});
  EXPECT_EQ(dump_binary(message),
            "score_values#7{values=[7ff8000000000001 7ff0000000000000 8000000000000000 "
            "0000000000000001 fff0000000000000 ] }");
}

TEST(BinaryLists, RefuseElementsOfAnotherType) {
  const Buffer call = binary_call("score_values");
  EXPECT_EQ(dump_binary(join({call, bytes("0f0002 0a 00000001 00*8 00")})), "!element_type");
  EXPECT_EQ(dump_binary(join({call, bytes("0f0002 0a 00000000 00")})),
            "score_values#7{values=[] }");
  EXPECT_EQ(dump_binary(join({call, bytes("0e0002 04 00000000 00")})), "score_values#7{}");
  const Buffer named = binary_call("score_named");
  EXPECT_EQ(dump_binary(join({named, bytes("0d0002 0b 08 00000001 00000000 00000000 00")})),
            "!element_type");
}

}  // namespace
}  // namespace thriftscore::wire
