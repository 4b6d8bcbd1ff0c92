// SPDX-License-Identifier: Apache-2.0
// What the compact decoder accepts and refuses, by hand-made bytes.
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

std::string dump_compact(const Buffer& message) {
  return dump_message(Protocol::kCompact, message, Limits{});
}

std::string dump_score(std::string_view arguments) {
  return dump_compact(join({compact_call("score"), bytes(arguments)}));
}

class CompactArguments : public testing::TestWithParam<Row> {};

TEST_P(CompactArguments, AreAcceptedOrRefused) {
  EXPECT_EQ(dump_score(GetParam().arguments), GetParam().expected);
}

constexpr const char* kNoRequest = "score#7{}";
constexpr const char* kNoFields =
    R"(score#7{request={model_name="" model_version="" features= datatype=11 } })";
constexpr const char* kColumns1 =
    R"(score#7{request={model_name="" model_version="" features= datatype=11 columns=1 } })";
constexpr const char* kColumnsMin =
    R"(score#7{request={model_name="" model_version="" features= datatype=11 )"
    "columns=-2147483648 } }";

const Row kRows[] = {
    {"no_request", "00", kNoRequest},
    {"empty_request", "1c 00 00", kNoFields},
    {"all_fields", "1c 18 01'm' 18 01'3' 18 04 0000803f 15 16 1c 18 01'r' 15 c801 00 15 02 00 00",
     R"(score#7{request={model_name="m" model_version="3" features=0000803f datatype=11 )"
     R"(context={request_id="r" deadline_ms=100 } columns=1 } })"},
    {"unknown_fields_of_every_type",
     "1c 01 c601 12 13 ff 14 80 80 01 15 80 80 80 80 01 16 80*9 01 17 00*8 18 02 ffff 1c 00"
     " 1b 01 85 00 12 1a 25 01 02 19 31 01 02 00 19 f8 01 00 1d 00*16 00 00",
     kNoFields},
    {"long_form_field_id", "1c 05 0c 02 00 00", kColumns1},
    {"i32_of_5_bytes", "1c 65 ff ff ff ff 0f 00 00", kColumnsMin},
    {"i32_padded_to_5_bytes", "1c 65 82 80 80 80 00 00 00", kColumns1},
    {"i32_padded_to_6_bytes", "1c 65 82 80 80 80 80 00 00 00", "!varint_too_long"},
    {"i32_of_11_bytes", "1c 65 80*10 01 00 00", "!varint_too_long"},
    {"i32_value_2_40", "1c 65 80 80 80 80 80 80 01 00 00", "!varint_too_long"},
    {"i32_of_33_bits", "1c 65 80 80 80 80 10 00 00", "!varint_too_long"},
    {"i16_value_2_20", "14 80 80 80 01 00", "!varint_too_long"},
    {"i16_of_17_bits", "14 80 80 04 00", "!varint_too_long"},
    {"i64_min", "16 ff*9 01 00", kNoRequest},
    {"i64_of_65_bits", "16 ff*9 02 00", "!varint_too_long"},
    {"i64_of_70_bits", "16 ff*9 7f 00", "!varint_too_long"},
    {"i64_of_11_bytes", "16 80*10 01 00", "!varint_too_long"},
    {"string_length_2_31_minus_1", "18 ff ff ff ff 07", "!truncated"},
    {"string_length_2_31", "18 80 80 80 80 08", "!size_out_of_range"},
    {"string_length_2_32_minus_1", "18 ff ff ff ff 0f", "!size_out_of_range"},
    {"string_length_2_63", "18 80*9 01", "!varint_too_long"},
    {"list_count_2_31_minus_1", "19 f5 ff ff ff ff 07", "!size_out_of_range"},
    {"list_count_2_32_minus_1", "19 f5 ff ff ff ff 0f", "!size_out_of_range"},
    {"set_count_2_31_minus_1", "1a f5 ff ff ff ff 07", "!size_out_of_range"},
    {"map_count_2_31_minus_1", "1b ff ff ff ff 07 55", "!size_out_of_range"},
    {"map_of_5_and_nothing", "1b 05", "!truncated"},
    {"empty_map", "1b 00 00", kNoRequest},
    {"bool_elements_0_1_2", "19 31 00 01 02 00", kNoRequest},
    {"bool_elements_by_either_code", "19 32 00 01 02 00", kNoRequest},
    {"bool_element_7", "19 11 07 00", "!bad_bool"},
    {"bool_element_in_a_map_7", "1b 01 31 00 07 00", "!bad_bool"},
    {"field_type_14", "1e 00", "!bad_type"},
    {"field_type_15", "1f 00", "!bad_type"},
    {"element_type_14", "19 0e 00", "!bad_type"},
    {"elements_of_type_stop", "19 f0 ff ff ff ff 07 00", "!bad_type"},
    {"map_values_of_type_stop", "1b 01 50 00", "!bad_type"},
    {"empty_list_of_type_stop", "19 00 00", kNoRequest},
    {"field_id_32767", "03 fe ff 03 00 00", kNoRequest},
    {"field_id_over_32767_by_delta", "03 fe ff 03 00 13 00 00", "!field_id_out_of_range"},
    {"field_id_70000", "03 e0 c5 08 00 00", "!varint_too_long"},
    {"negative_field_id", "03 01 00 00", kNoRequest},
    {"stop_with_a_delta", "10", kNoRequest},
    {"invalid_utf8_in_text", "1c 18 02 c328 00 00", "!invalid_utf8"},
    {"no_stop_byte", "1c 00", "!truncated"},
    {"no_arguments", "", "!truncated"},
    {"bytes_after_the_arguments", "00 00", "!trailing_bytes"},
};

INSTANTIATE_TEST_SUITE_P(, CompactArguments, testing::ValuesIn(kRows),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(CompactHead, TakesAnySequenceId) {
  EXPECT_EQ(dump_compact(bytes("82 21 ff ff ff ff 0f 04'ping' 00")), "ping#-1{}");
  EXPECT_EQ(dump_compact(bytes("82 21 80 80 80 80 08 04'ping' 00")), "ping#-2147483648{}");
  EXPECT_EQ(dump_compact(bytes("82 21 ff ff ff ff 10 04'ping' 00")), "!varint_too_long");
  EXPECT_EQ(dump_compact(bytes("82 21 80*100")), "!varint_too_long");
}

TEST(CompactHead, RefusesOtherVersionsAndProtocols) {
  EXPECT_EQ(dump_compact(bytes("83 21 07 04'ping' 00")), "!bad_version");
  EXPECT_EQ(dump_compact(bytes("82 22 07 04'ping' 00")), "!bad_version");
}

TEST(CompactHead, RefusesEveryTypeButCall) {
  for (unsigned type = 0; type < 8; ++type) {
    Buffer message = bytes("82 21 07 04'ping' 00");
    message[1] = static_cast<std::byte>(type << 5U | 1U);
    EXPECT_EQ(dump_compact(message), type == 1 ? "ping#7{}" : "!invalid_message_type");
  }
}

TEST(CompactHead, LimitsTheMethodName) {
  EXPECT_EQ(dump_compact(join({bytes("82 21 07 80 01"), Buffer(128, std::byte{'a'}), bytes("00")})),
            std::string(128, 'a') + "#7");
  EXPECT_EQ(dump_compact(join({bytes("82 21 07 81 01"), Buffer(129, std::byte{'a'}), bytes("00")})),
            "!name_too_long");
}

TEST(CompactNesting, IsLimitedTo64Levels) {
  const auto structs = [](int levels) {
    Buffer message = compact_call("score");
    message.resize(message.size() + static_cast<std::size_t>(levels - 1), std::byte{0x5c});
    message.resize(message.size() + static_cast<std::size_t>(levels));
    return dump_compact(message);
  };
  const auto lists = [](int levels) {
    Buffer message = join({compact_call("score"), bytes("59")});
    message.resize(message.size() + static_cast<std::size_t>(levels - 2), std::byte{0x19});
    return dump_compact(join({message, bytes("15 01 00")}));
  };
  for (const int levels : {63, 64}) {
    EXPECT_EQ(structs(levels), kNoRequest);
    EXPECT_EQ(lists(levels), kNoRequest);
  }
  for (const int levels : {65, 100'000}) {
    EXPECT_EQ(structs(levels), "!too_deep");
    EXPECT_EQ(lists(levels), "!too_deep");
  }
}

TEST(CompactDoubles, AreLittleEndian) {
  EXPECT_EQ(dump_compact(join({compact_call("score_values"),
                               bytes("29 27 000000000000f03f 010000000000f87f 00")})),
            "score_values#7{values=[3ff0000000000000 7ff8000000000001 ] }");
}

TEST(CompactBools, AreReadFromFieldHeadersAndElements) {
  const Buffer tensor = bytes("1c 59 1c 5c 19 41 01 02 00 01 00 1b 01 8c 01'k' 11 00 00 00 00");
  EXPECT_EQ(dump_compact(join({compact_call("infer"), tensor})),
            R"(infer#7{request={model_name="" model_version="" inputs=[{name="" datatype=11 )"
            "shape=[] contents={bool_contents=[true false false true ] } "
            R"(parameters=["k":{bool_param=true } ] } ] } })");
}

}  // namespace
}  // namespace thriftscore::wire
