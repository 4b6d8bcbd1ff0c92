// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/rpc/reply.h"

#include <gtest/gtest.h>

#include <vector>

#include "benchmarks/rpc/command_line.h"
#include "benchmarks/rpc/echo_server.h"
#include "wire/encode.h"

namespace thriftscore::benchmarks {
namespace {

using wire::Protocol;
using Buffer = std::vector<std::byte>;

class Replies : public testing::TestWithParam<Protocol> {
 protected:
  wire::ReplyTo to(std::string_view method = "score") const {
    return {wire::Transport::kUnframed, GetParam(), 77, method, {}};
  }

  template <typename T>
  Buffer result(T value, std::string_view method = "score") const {
    Buffer bytes(wire::reply_bytes_max(to(method), value));
    bytes.resize(wire::encode_result(bytes, to(method), value));
    return bytes;
  }

  Buffer error(wire::ErrorCode code) const {
    Buffer bytes(512);
    bytes.resize(wire::encode_error(bytes, to(), {code, "no", false, 0}));
    return bytes;
  }

  Failure failure_of(const Buffer& bytes) const { return read_reply(GetParam(), bytes).failure; }
};

TEST_P(Replies, TellSuccessFromEveryKindOfFailure) {
  EXPECT_EQ(failure_of(result(true, "ping")), Failure::kNone);
  EXPECT_EQ(name_of(failure_of(error(wire::ErrorCode::kOverloaded))), "OVERLOADED");
  EXPECT_EQ(name_of(failure_of(error(wire::ErrorCode::kInternal))), "INTERNAL");
  EXPECT_EQ(name_of(failure_of(error(static_cast<wire::ErrorCode>(99)))), "UNKNOWN_ERROR");
  Buffer bytes(512);
  bytes.resize(wire::encode_exception(bytes, to(), {"no", wire::ExceptionType::kUnknownMethod}));
  EXPECT_EQ(name_of(failure_of(bytes)), "EXCEPTION_UNKNOWN_METHOD");
  bytes.resize(512);
  bytes.resize(wire::encode_exception(bytes, to(), {"no", static_cast<wire::ExceptionType>(99)}));
  EXPECT_EQ(name_of(failure_of(bytes)), "EXCEPTION_OF_UNKNOWN_TYPE");
  EXPECT_EQ(name_of(failure_of({})), "MALFORMED_REPLY");
}

TEST_P(Replies, AnswerTheRequestWithTheSameIdsAndRowsOnly) {
  const Expected expected{Method::kScore, 2, 77, 0xabcU};
  const auto answer = [&](std::size_t bytes, std::int64_t rows, std::string_view request_id) {
    const wire::ScoreResponse score{{bytes}, wire::DataType::kFp32, rows, 1, "1", request_id};
    return answers(GetParam(), result(score), expected);
  };
  EXPECT_TRUE(answer(8, 2, "0000000000000abc"));
  EXPECT_FALSE(answer(8, 2, "0000000000000abd"));
  EXPECT_FALSE(answer(4, 2, "0000000000000abc"));
  EXPECT_FALSE(answer(12, 3, "0000000000000abc"));
  EXPECT_FALSE(answers(GetParam(), error(wire::ErrorCode::kOverloaded), {Method::kPing, 0, 77, 0}));
  EXPECT_TRUE(answers(GetParam(), error(wire::ErrorCode::kOverloaded), expected));
  EXPECT_FALSE(
      answers(GetParam(), error(wire::ErrorCode::kOverloaded), {Method::kScore, 2, 78, 0}));
}

INSTANTIATE_TEST_SUITE_P(OnTheWire, Replies,
                         testing::Values(Protocol::kBinary, Protocol::kCompact));

TEST(EchoReply, HasExactlyTheSizeThatIsAskedFor) {
  for (const auto transport :
       {wire::Transport::kFramed, wire::Transport::kUnframed, wire::Transport::kHeader}) {
    for (const auto protocol : {Protocol::kBinary, Protocol::kCompact}) {
      EchoOptions options{0, Method::kScore, transport, protocol, false};
      const std::size_t smallest = make_reply(options).size();
      for (options.reply_bytes = smallest; options.reply_bytes < smallest + 400;
           ++options.reply_bytes) {
        EXPECT_EQ(make_reply(options).size(), options.reply_bytes);
      }
      options.reply_bytes = smallest - 1;
      EXPECT_THROW(make_reply(options), UsageError);
    }
  }
}

TEST(EchoReply, OfAListOfDoublesGrowsByEightBytes) {
  EchoOptions options{0, Method::kScoreValues, wire::Transport::kFramed, Protocol::kBinary, false};
  const std::size_t smallest = make_reply(options).size();
  options.reply_bytes = smallest + 24;
  EXPECT_EQ(make_reply(options).size(), smallest + 24);
  options.reply_bytes = smallest + 25;
  EXPECT_THROW(make_reply(options), UsageError);
}

TEST(MessageCounter, FindsTheSameMessagesHoweverTheyArrive) {
  for (const auto transport :
       {wire::Transport::kFramed, wire::Transport::kUnframed, wire::Transport::kHeader}) {
    RequestOptions options;
    options.transport = transport;
    options.features = 3;
    const RequestTemplate request(options);
    Buffer stream;
    for (int i = 0; i < 5; ++i) {
      stream.insert(stream.end(), request.bytes().begin(), request.bytes().end());
    }
    for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
      MessageCounter counter(transport);
      std::int64_t messages = 0;
      for (std::size_t at = 0; at < stream.size(); at += piece) {
        messages += counter.count(
            wire::Bytes(stream).subspan(at).first(std::min(piece, stream.size() - at)));
      }
      EXPECT_EQ(messages, 5) << "in pieces of " << piece;
    }
  }
}

TEST(MessageCounter, RefusesAStreamWithoutMessages) {
  const Buffer zeros(8);
  EXPECT_LT(MessageCounter(wire::Transport::kFramed).count(zeros), 0);
  EXPECT_LT(MessageCounter(wire::Transport::kUnframed).count(zeros), 0);
}

}  // namespace
}  // namespace thriftscore::benchmarks
