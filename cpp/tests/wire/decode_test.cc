// SPDX-License-Identifier: Apache-2.0
// The argument structs of the methods, and the views into them.
#include "wire/decode.h"

#include <gtest/gtest.h>

#include "tests/wire/dump.h"
#include "tests/wire/samples.h"
#include "wire/text.h"

namespace thriftscore::wire {
namespace {

template <typename T>
Status decode(const Buffer& message, T& arguments, const Limits& limits = {}) {
  const bool is_binary = message[0] == std::byte{0x80};
  Call call;
  const Status status =
      read_call(is_binary ? Protocol::kBinary : Protocol::kCompact, message, limits, call);
  return status == Status::kOk ? decode_arguments(call, limits, arguments) : status;
}

TEST(Decode, PointsIntoTheMessage) {
  const Buffer message = join(
      {binary_call("score"), bytes("0c0001 0b0001 00000001 'm' 0b0003 00000004 0000803f 00 00")});
  Arguments<ScoreRequest> arguments;
  ASSERT_EQ(decode(message, arguments), Status::kOk);
  ASSERT_TRUE(arguments.request.has_value());
  const Bytes features = arguments.request->features;
  EXPECT_GE(features.data(), message.data());
  EXPECT_LT(features.data() + features.size(), message.data() + message.size());
  EXPECT_EQ(arguments.request->model_name, "m");
  EXPECT_EQ(arguments.request->datatype, DataType::kFp32);
  EXPECT_FALSE(arguments.request->context.has_value());
}

TEST(Decode, ReadsSparseRequests) {
  const Buffer message =
      join({binary_call("score_sparse"),
            bytes("0c0001 0b0001 00000001 'm' 0b0003 00000001 01 0b0004 00000001 02"
                  " 0b0005 00000001 03 080006 0000000c 0c0007 00 00 00")});
  EXPECT_EQ(dump_message(Protocol::kBinary, message, Limits{}),
            R"(score_sparse#7{request={model_name="m" model_version="" indptr=01 indices=02 )"
            "values=03 datatype=12 context={} } }");
}

TEST(Decode, ReadsNormalizeRequests) {
  const std::string arguments =
      R"({request={model_name="" model_version="2" values=0a datatype=12 columns=4 } })";
  for (const char* method : {"normalize", "denormalize"}) {
    const Buffer message =
        join({compact_call(method), bytes("1c 28 01'2' 18 01 0a 15 18 25 08 00 00")});
    EXPECT_EQ(dump_message(Protocol::kCompact, message, Limits{}),
              std::string(method) + "#7" + arguments);
  }
}

TEST(Decode, ReadsNamedValues) {
  const Buffer message = join({compact_call("score_named"),
                               bytes("18 01'm' 1b 02 87 01'a' 000000000000f03f 01'b' 00*8 00")});
  ScoreNamedArguments arguments;
  ASSERT_EQ(decode(message, arguments), Status::kOk);
  std::string names;
  double sum = 0;
  for (const auto& [name, value] : *arguments.features) {
    names += name;
    sum += value;
  }
  EXPECT_EQ(names, "ab");
  EXPECT_EQ(sum, 1.0);
}

TEST(Decode, CopiesListsOfDoublesFromBothProtocols) {
  const Buffer binary =
      join({binary_call("score_values"),
            bytes("0f0002 04 00000003 3ff0000000000000 c000000000000000 00*8 00")});
  const Buffer compact = join(
      {compact_call("score_values"), bytes("29 37 000000000000f03f 00000000000000c0 00*8 00")});
  for (const Buffer& message : {binary, compact}) {
    ScoreValuesArguments arguments;
    ASSERT_EQ(decode(message, arguments), Status::kOk);
    ASSERT_EQ(arguments.values->size(), 3U);
    std::vector<double> values(3);
    copy_to(*arguments.values, values.data());
    EXPECT_EQ(values, (std::vector<double>{1.0, -2.0, 0.0}));
    EXPECT_EQ(std::vector<double>({*arguments.values->begin()}), std::vector<double>{1.0});
  }
}

/// An infer call with `inputs` tensors whose bytes are `tensor`.
Buffer infer_call(std::size_t inputs, std::string_view tensor) {
  Buffer message = join({binary_call("infer"), bytes("0c0001 0f0005 0c 0000")});
  message.push_back(static_cast<std::byte>(inputs >> 8U));
  message.push_back(static_cast<std::byte>(inputs));
  for (std::size_t i = 0; i < inputs; ++i) message = join({message, bytes(tensor)});
  return join({message, bytes("00 00")});
}

TEST(Decode, ReadsTensors) {
  const Buffer message = infer_call(
      2,
      "0b0001 00000001 'x' 080002 0000000b 0f0003 0a 00000002 0000000000000002 0000000000000003"
      " 0b0004 00000002 abcd 00");
  Arguments<InferRequest> arguments;
  ASSERT_EQ(decode(message, arguments), Status::kOk);
  ASSERT_EQ(arguments.request->inputs.size(), 2U);
  for (const Tensor& tensor : arguments.request->inputs) {
    EXPECT_EQ(tensor.name, "x");
    EXPECT_EQ(tensor.shape.rank, 2U);
    EXPECT_EQ(tensor.shape.extents[1], 3);
    EXPECT_EQ(tensor.data->size(), 2U);
    EXPECT_FALSE(tensor.contents.has_value());
  }
}

TEST(Decode, ReadsTypedContents) {
  const Buffer message =
      infer_call(1,
                 "0c0005 0f0001 02 00000002 0100 0f0002 08 00000001 ffffffff"
                 " 0f0003 0a 00000001 ffffffffffffffff 0f0004 04 00000001 3ff0000000000000"
                 " 0f0005 0b 00000002 00000001 ff 00000000 00 00");
  EXPECT_EQ(dump_message(Protocol::kBinary, message, Limits{}),
            R"(infer#7{request={model_name="" model_version="" inputs=[{name="" datatype=11 )"
            "shape=[] contents={bool_contents=[true false ] int_contents=[-1 ] "
            "int64_contents=[-1 ] fp_contents=[3ff0000000000000 ] bytes_contents=[ff  ] } } ] } }");
}

TEST(Decode, LimitsTensors) {
  Arguments<InferRequest> arguments;
  EXPECT_EQ(decode(infer_call(256, "00"), arguments), Status::kOk);
  EXPECT_EQ(decode(infer_call(257, "00"), arguments), Status::kTooManyElements);
  EXPECT_EQ(answer_to(Status::kTooManyElements), Answer::kInvalidArgument);
  Limits limits;
  limits.tensors_max = 1;
  EXPECT_EQ(decode(infer_call(2, "00"), arguments, limits), Status::kTooManyElements);
}

TEST(Decode, LimitsTheRankOfTensors) {
  Arguments<InferRequest> arguments;
  EXPECT_EQ(decode(infer_call(1, "0f0003 0a 00000010 00*128 00"), arguments), Status::kOk);
  EXPECT_EQ(decode(infer_call(1, "0f0003 0a 00000011 00*136 00"), arguments),
            Status::kTooManyElements);
  EXPECT_EQ(decode(infer_call(1, "0f0003 0a 7fffffff 00"), arguments), Status::kSizeOutOfRange);
}

TEST(Decode, AgreesWithCheckingExceptForWhatOnlyTheContractKnows) {
  const Buffer message = join({binary_call("score"), bytes("0c0001 0b0001 00000001 ff 00 00")});
  Call call;
  ASSERT_EQ(read_call(Protocol::kBinary, message, Limits{}, call), Status::kOk);
  EXPECT_EQ(check_arguments(call, Limits{}), Status::kOk);
  Arguments<ScoreRequest> arguments;
  EXPECT_EQ(decode_arguments(call, Limits{}, arguments), Status::kInvalidUtf8);
}

TEST(Utf8, IsCheckedAsTheUnicodeStandardSays) {
  for (const char* good : {"", "plain ascii that is longer than a word", "gr\xc3\xbc\xc3\x9f",
                           "\xe0\xa0\x80", "\xed\x9f\xbf", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
                           "\xf4\x8f\xbf\xbf", "12345678\u00fc12345678"}) {
    EXPECT_TRUE(is_utf8(as_bytes(good))) << good;
  }
  for (const char* bad : {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80",
                          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
                          "\xc3", "\xe2\x82", "\xf0\x90\x80", "12345678\xc3 a", "\xe2\x28\xa1"}) {
    EXPECT_FALSE(is_utf8(as_bytes(bad))) << bad;
  }
}

TEST(Status, SaysWhatThePeerIsTold) {
  EXPECT_EQ(answer_to(Status::kOk), Answer::kNone);
  EXPECT_EQ(answer_to(Status::kFrameTooLarge), Answer::kClose);
  EXPECT_EQ(answer_to(Status::kInvalidUtf8), Answer::kInvalidArgument);
  EXPECT_EQ(answer_to(Status::kTruncated), Answer::kException);
  EXPECT_EQ(exception_type(Status::kTruncated), ExceptionType::kProtocolError);
  EXPECT_EQ(exception_type(Status::kInvalidMessageType), ExceptionType::kInvalidMessageType);
  EXPECT_EQ(exception_type(Status::kHeaderTransform), ExceptionType::kInvalidTransform);
  EXPECT_EQ(exception_type(Status::kHeaderProtocol), ExceptionType::kInvalidProtocol);
}

}  // namespace
}  // namespace thriftscore::wire
