// SPDX-License-Identifier: Apache-2.0
// Requests as the server's own decoder sees them; tests/integration holds them against the stock
// library, too.
#include "benchmarks/rpc/request.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "benchmarks/rpc/command_line.h"
#include "wire/decode.h"
#include "wire/framer.h"

namespace thriftscore::benchmarks {
namespace {

using wire::Protocol;
using wire::Transport;

const wire::Limits kLimits;

class Request : public testing::TestWithParam<std::tuple<Transport, Protocol>> {
 protected:
  RequestOptions options(Method method) const {
    RequestOptions options;
    options.method = method;
    options.features = 5;
    options.transport = std::get<0>(GetParam());
    options.protocol = std::get<1>(GetParam());
    return options;
  }

  /// The message in a patched copy of the template, found and opened as a server would.
  wire::Call open(const RequestTemplate& request, std::int32_t sequence_id) {
    stream_.assign(request.bytes().begin(), request.bytes().end());
    request.patch(stream_.data(), sequence_id, 0x0123456789abcdefU);
    wire::Framer framer(kLimits);
    const wire::Outcome outcome = framer.next_message(stream_);
    const auto* message = std::get_if<wire::Message>(&outcome);
    wire::Call call;
    EXPECT_NE(message, nullptr);
    if (message == nullptr) return call;
    EXPECT_EQ(message->total_bytes, stream_.size());
    EXPECT_EQ(message->transport, std::get<0>(GetParam()));
    EXPECT_EQ(message->protocol, std::get<1>(GetParam()));
    EXPECT_EQ(wire::read_call(message->protocol, message->payload, kLimits, call),
              wire::Status::kOk);
    return call;
  }

  std::vector<std::byte> stream_;
};

TEST_P(Request, OfScoreCarriesItsIdsAndRows) {
  RequestOptions score = options(Method::kScore);
  score.rows = 3;
  score.datatype = wire::DataType::kFp64;
  score.with_request_id = true;
  const RequestTemplate request(score);
  for (const std::int32_t id : {kSequenceIdFirst, kSequenceIdFirst + kSequenceIdCount - 1}) {
    const wire::Call call = open(request, id);
    EXPECT_EQ(call.sequence_id, id);
    EXPECT_EQ(call.method, "score");
    wire::Arguments<wire::ScoreRequest> arguments;
    ASSERT_EQ(wire::decode_arguments(call, kLimits, arguments), wire::Status::kOk);
    EXPECT_EQ(arguments.request->model_name, "model");
    EXPECT_EQ(arguments.request->datatype, wire::DataType::kFp64);
    EXPECT_EQ(arguments.request->features.size(), 3U * 5 * 8);
    EXPECT_EQ(arguments.request->context->request_id, "0123456789abcdef");
  }
}

TEST_P(Request, OfTheOtherMethodsCarriesOneRowOrNone) {
  const wire::Call values_call = open(RequestTemplate(options(Method::kScoreValues)), 1 << 22);
  wire::ScoreValuesArguments values;
  ASSERT_EQ(wire::decode_arguments(values_call, kLimits, values), wire::Status::kOk);
  EXPECT_EQ(values.values->size(), 5U);

  const wire::Call named_call = open(RequestTemplate(options(Method::kScoreNamed)), 1 << 22);
  wire::ScoreNamedArguments named;
  ASSERT_EQ(wire::decode_arguments(named_call, kLimits, named), wire::Status::kOk);
  EXPECT_EQ(named.features->size(), 5U);
  EXPECT_EQ((*named.features->begin()).first, "f0");

  const wire::Call ping_call = open(RequestTemplate(options(Method::kPing)), 1 << 22);
  wire::NoArguments none;
  EXPECT_EQ(wire::decode_arguments(ping_call, kLimits, none), wire::Status::kOk);
}

INSTANTIATE_TEST_SUITE_P(OnTheWire, Request,
                         testing::Combine(testing::Values(Transport::kFramed, Transport::kUnframed,
                                                          Transport::kHeader),
                                          testing::Values(Protocol::kBinary, Protocol::kCompact)));

TEST(RequestOptions, ThatContradictEachOtherAreRefused) {
  RequestOptions options;
  options.method = Method::kScoreNamed;
  options.rows = 2;
  EXPECT_THROW(RequestTemplate{options}, UsageError);
  options.rows = 1;
  options.feature_names = {"only"};
  EXPECT_THROW(RequestTemplate{options}, UsageError);
  options = {};
  options.rows = 100'000'000;
  EXPECT_THROW(RequestTemplate{options}, UsageError);
}

}  // namespace
}  // namespace thriftscore::benchmarks
