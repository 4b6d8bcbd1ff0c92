// SPDX-License-Identifier: Apache-2.0
// Bytes that are no request to this server.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/server/running_server.h"
#include "tests/wire/samples.h"

namespace thriftscore::testing {
namespace {

using server::CloseReason;
using wire::Protocol;
using wire::Status;
using wire::Transport;

constexpr Format kUnframed{Transport::kUnframed, Protocol::kBinary};

std::string text_of(const Buffer& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class Refusals : public ::testing::Test {
 protected:
  explicit Refusals(server::ServerOptions options = one_loop()) : server_(options) {
    server_.publish("m", "1", make_model(4, 1, "identity").model);
  }

  std::uint64_t refused(Status status) {
    return server_->counts().refused[static_cast<std::size_t>(status)];
  }

  /// All that comes back when `bytes` are sent; the server has to end the connection.
  Buffer sent_back(const Buffer& bytes) {
    Client client = server_.connect();
    client.send(bytes);
    return client.receive_all();
  }

  /// The reply to `bytes`, after which the connection has to be usable.
  Reply reply_to(const Buffer& bytes) {
    Client client = server_.connect();
    client.send(bytes);
    Reply reply = receive_reply(client);
    client.send(text_call({}, "ping", {}, 99));
    EXPECT_EQ(receive_reply(client).sequence_id, 99);
    return reply;
  }

  RunningServer server_;
};

TEST_F(Refusals, OfAFrameNeedOnlyItsLength) {
  struct Row {
    const char* bytes;
    Status status;
  };
  for (const Row& row :
       {Row{"ffffffff", Status::kFrameSizeNegative}, Row{"80000000", Status::kFrameSizeNegative},
        Row{"7fffffff", Status::kFrameTooLarge}, Row{"00fa0001", Status::kFrameTooLarge},
        Row{"00000000", Status::kFrameSizeZero}, Row{"16030100", Status::kTls},
        Row{"00001000 a1", Status::kUnknownProtocol}}) {
    const auto before = refused(row.status);
    EXPECT_TRUE(sent_back(wire::bytes(row.bytes)).empty()) << row.bytes;
    EXPECT_EQ(refused(row.status), before + 1) << row.bytes;
  }
  EXPECT_TRUE(eventually([&] { return server_.closed(CloseReason::kRejected) == 7; }));
}

TEST_F(Refusals, ComeAfterTheAnswersToWhatWasSentBefore) {
  Buffer stream = joined({text_call({}, "ping", {}, 1), text_call({}, "ping", {}, 2)});
  const auto empty_frame = wire::bytes("00000000");
  stream.insert(stream.end(), empty_frame.begin(), empty_frame.end());
  const auto replies = parse_replies({}, sent_back(stream));
  ASSERT_EQ(replies.size(), 2U);
  EXPECT_EQ(replies[1].sequence_id, 2);
}

TEST_F(Refusals, OfHttpAreOneCompleteResponse) {
  for (const auto* const request :
       {"'GET / HTTP/1.1' 0d0a 0d0a", "'POST /v2/models HTTP/1.1' 0d0a"}) {
    const std::string response = text_of(sent_back(wire::bytes(request)));
    const auto head_end = response.find("\r\n\r\n");
    ASSERT_NE(head_end, std::string::npos);
    EXPECT_EQ(response.find("HTTP/1.1 400 Bad Request\r\n"), 0U);
    const std::string field = "Content-Length: ";
    const auto at = response.find(field);
    ASSERT_NE(at, std::string::npos);
    EXPECT_EQ(std::stoul(response.substr(at + field.size())), response.size() - head_end - 4);
    EXPECT_EQ(response.find("HTTP/1.1", 1), std::string::npos) << "a second response";
  }
  EXPECT_EQ(refused(Status::kHttp), 2U);
}

TEST_F(Refusals, OfAnUnknownServiceLeaveTheConnection) {
  const Reply reply = reply_to(text_call({}, "ModelRepositoryService:load_model"));
  EXPECT_EQ(reply.exception_type(), 1);
  EXPECT_EQ(reply.method, "load_model");
  EXPECT_EQ(reply.sequence_id, 7);
}

TEST_F(Refusals, OfMessagesThatAreNoCallsLeaveTheConnection) {
  for (const int type : {2, 3, 4, 9}) {
    Buffer call = text_call({}, "ping");
    call[7] = static_cast<std::byte>(type);
    EXPECT_EQ(reply_to(call).exception_type(), 2) << type;
  }
}

TEST_F(Refusals, OfMalformedMessagesLeaveTheConnection) {
  const Buffer score = rows_call(kUnframed, "score", {.rows = Buffer(16)});
  Buffer trailing = score;
  trailing.resize(score.size() + 64);
  const Buffer truncated(score.begin(), score.end() - 5);
  const Buffer huge_text =
      wire::join({wire::binary_call("score"), wire::bytes("0c0001 0b0001 7fffffff")});
  const Buffer huge_list =
      wire::join({wire::binary_call("score_values"), wire::bytes("0f0002 04 7fffffff")});
  const Buffer negative =
      wire::join({wire::binary_call("score"), wire::bytes("0c0001 0b0003 ffffffff")});
  for (const Buffer& message : {trailing, truncated, huge_text, huge_list, negative}) {
    const Reply reply = reply_to(in_frame({}, message));
    EXPECT_EQ(reply.exception_type(), 7);
    EXPECT_EQ(reply.sequence_id, 7);
  }
}

TEST_F(Refusals, OfUnframedMessagesAreSaidAndEndTheConnection) {
  const Buffer bad_type = wire::join({wire::binary_call("score"), wire::bytes("7f0001")});
  const auto replies = parse_replies(kUnframed, sent_back(bad_type));
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(replies[0].exception_type(), 7);
  EXPECT_EQ(replies[0].method, "score");
  EXPECT_EQ(replies[0].sequence_id, 7);
}

TEST_F(Refusals, OfHeaderTransformsAreSaidAndEndTheConnection) {
  const Buffer zlib = wire::header_framed(wire::bytes("00 01 01"), wire::bytes("789c"));
  const Format header{Transport::kHeader, Protocol::kBinary};
  const auto replies = parse_replies(header, sent_back(zlib));
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(replies[0].exception_type(), 8);
}

TEST_F(Refusals, OfRandomBytesEndTheConnectionAndNothingElse) {
  Client bystander = server_.connect();
  std::uint64_t state = 1;
  for (int round = 0; round < 200; ++round) {
    Buffer noise(4096);
    for (std::byte& byte : noise) {
      state = state * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;
      byte = static_cast<std::byte>(state >> 56U);
    }
    noise[0] |= std::byte{0x90};  // a negative length, or no version that exists
    Client client = server_.connect();
    client.send(noise);
    client.finish_sending();
    static_cast<void>(client.receive_all());
  }
  bystander.send(text_call({}, "ping"));
  EXPECT_TRUE(receive_reply(bystander).has_result());
  EXPECT_TRUE(eventually([&] { return server_->counts().connections == 1; }));
}

class SmallFrames : public Refusals {
 protected:
  SmallFrames() : Refusals({.io_threads = 1, .frame_bytes_max = 1000, .message_bytes_max = 1200}) {}

  /// A request with an unknown field, which makes its message `bytes` long.
  static Buffer score_of_size(const Format& format, std::size_t bytes) {
    Buffer message = rows_call(kUnframed, "score", {.rows = Buffer(16)});
    message.pop_back();  // the end of the arguments; the field comes before it
    const std::size_t text = bytes - message.size() - 8;
    const auto head = wire::bytes("0b0009 0000");
    message.insert(message.end(), head.begin(), head.end());
    message.push_back(static_cast<std::byte>(text >> 8U));
    message.push_back(static_cast<std::byte>(text & 0xffU));
    message.resize(message.size() + text + 1);
    return in_frame(format, message);
  }
};

TEST_F(SmallFrames, AreTakenUpToTheLimitExactly) {
  EXPECT_TRUE(reply_to(score_of_size({}, 1000)).has_result());
  EXPECT_TRUE(sent_back(score_of_size({}, 1001)).empty());
  EXPECT_EQ(refused(Status::kFrameTooLarge), 1U);
  Client client = server_.connect();
  client.send(score_of_size(kUnframed, 1200));
  EXPECT_TRUE(receive_reply(client, kUnframed).has_result());
  EXPECT_TRUE(sent_back(score_of_size(kUnframed, 1201)).empty());
  EXPECT_EQ(refused(Status::kMessageTooLarge), 1U);
}

}  // namespace
}  // namespace thriftscore::testing
