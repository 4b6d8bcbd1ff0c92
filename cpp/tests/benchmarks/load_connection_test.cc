// SPDX-License-Identifier: Apache-2.0
// One connection against the test itself at the other end of a socket pair.
#include "benchmarks/rpc/load_connection.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <set>

#include "wire/encode.h"

namespace thriftscore::benchmarks {
namespace {

using Buffer = std::vector<std::byte>;

class Connection : public testing::Test {
 protected:
  Connection() : request_(options()), plan_{&request_, options(), 2, kDepth, true} {
    std::array<int, 2> pair{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair.data()), 0);
    peer_ = FileDescriptor(pair[1]);
    connection_.emplace(FileDescriptor(pair[0]), plan_, 1);
  }

  static RequestOptions options() {
    RequestOptions options;
    options.method = Method::kPing;
    return options;
  }

  std::size_t receive_at_peer() {
    std::array<std::byte, 4096> received{};
    const ssize_t size = ::read(peer_.get(), received.data(), received.size());
    return size < 0 ? 0 : static_cast<std::size_t>(size);
  }

  Buffer reply_to(std::uint64_t number) const {
    bool result = true;
    const wire::ReplyTo to{wire::Transport::kFramed,
                           wire::Protocol::kBinary,
                           ids_of(plan_, 1, number).sequence_id,
                           "ping",
                           {}};
    Buffer bytes(wire::reply_bytes_max(to, result));
    bytes.resize(wire::encode_result(bytes, to, result));
    return bytes;
  }

  void send_from_peer(wire::Bytes bytes) {
    EXPECT_EQ(::write(peer_.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }

  std::vector<Answer> answers() {
    std::vector<Answer> answers;
    connection_->receive(buffer_, [&](const Answer& answer) { answers.push_back(answer); });
    return answers;
  }

  static constexpr std::size_t kDepth = 3;
  RequestTemplate request_;
  ConnectionPlan plan_;
  FileDescriptor peer_;
  std::optional<LoadConnection> connection_;
  Buffer buffer_;
};

TEST_F(Connection, SendsABatchAtOnceAndTakesNoMoreThanItsDepth) {
  for (std::size_t i = 0; i < kDepth; ++i) {
    ASSERT_TRUE(connection_->has_room());
    connection_->begin(static_cast<server::Nanoseconds>(i));
  }
  EXPECT_FALSE(connection_->has_room());
  connection_->flush();
  EXPECT_FALSE(connection_->has_unsent());
  EXPECT_EQ(receive_at_peer(), kDepth * request_.size());
}

TEST_F(Connection, MatchesRepliesToTheirRequestsAroundTheEndOfItsSlots) {
  std::uint64_t begun = 0;
  std::uint64_t answered = 0;
  for (int round = 0; round < 10; ++round) {
    while (connection_->has_room()) connection_->begin(static_cast<server::Nanoseconds>(begun++));
    connection_->flush();
    for (int i = 0; i < 2; ++i) {
      send_from_peer(reply_to(answered));
      const std::vector<Answer> one = answers();
      ASSERT_EQ(one.size(), 1U);
      EXPECT_EQ(one[0].started, static_cast<server::Nanoseconds>(answered++));
      EXPECT_EQ(one[0].failure, Failure::kNone);
      EXPECT_FALSE(one[0].is_mismatch);
    }
  }
}

TEST_F(Connection, UnderstandsAReplyInPieces) {
  connection_->begin(5);
  const Buffer reply = reply_to(0);
  for (std::size_t i = 0; i + 1 < reply.size(); ++i) {
    send_from_peer(wire::Bytes(reply).subspan(i, 1));
    EXPECT_TRUE(answers().empty());
  }
  send_from_peer(wire::Bytes(reply).last(1));
  const std::vector<Answer> whole = answers();
  ASSERT_EQ(whole.size(), 1U);
  EXPECT_EQ(whole[0].bytes, reply.size());
  EXPECT_FALSE(whole[0].is_mismatch);
}

TEST_F(Connection, CountsRepliesInTheWrongOrderAsMismatches) {
  connection_->begin(0);
  connection_->begin(0);
  connection_->begin(0);
  for (const std::uint64_t number : {0U, 2U, 1U}) send_from_peer(reply_to(number));
  const std::vector<Answer> all = answers();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_FALSE(all[0].is_mismatch);
  EXPECT_TRUE(all[1].is_mismatch);
  EXPECT_TRUE(all[2].is_mismatch);
}

TEST_F(Connection, ClosesOnAReplyToNothing) {
  connection_->begin(0);
  send_from_peer(reply_to(0));
  send_from_peer(reply_to(1));
  EXPECT_EQ(answers().size(), 1U);
  EXPECT_TRUE(connection_->is_closed());
  EXPECT_EQ(connection_->unexpected_replies(), 1U);
}

TEST_F(Connection, FailsWhatIsUnderWayWhenThePeerCloses) {
  connection_->begin(0);
  connection_->begin(0);
  send_from_peer(reply_to(0));
  peer_ = FileDescriptor();
  const std::vector<Answer> before = answers();
  ASSERT_EQ(before.size(), 1U);
  EXPECT_EQ(before[0].failure, Failure::kNone);
  const std::vector<Answer> after = answers();
  ASSERT_EQ(after.size(), 1U);
  EXPECT_EQ(after[0].failure, Failure::kConnectionClosed);
  EXPECT_TRUE(connection_->is_closed());
}

TEST_F(Connection, CallsAStreamWithoutMessagesMalformed) {
  connection_->begin(0);
  connection_->begin(0);
  send_from_peer(Buffer(16));
  const std::vector<Answer> both = answers();
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[0].failure, Failure::kMalformedReply);
  EXPECT_EQ(both[1].failure, Failure::kConnectionClosed);
}

TEST(RequestIds, AreSharedByNoTwoRequests) {
  RequestOptions options;
  const RequestTemplate request(options);
  const ConnectionPlan plan{&request, options, 64, 1, true};
  std::set<std::int32_t> sequence_ids;
  std::set<std::uint64_t> request_ids;
  for (std::size_t connection = 0; connection < 64; ++connection) {
    for (std::uint64_t number = 0; number < 1'000; ++number) {
      const RequestIds ids = ids_of(plan, connection, number);
      sequence_ids.insert(ids.sequence_id);
      request_ids.insert(ids.request_id);
    }
  }
  EXPECT_EQ(sequence_ids.size(), 64'000U);
  EXPECT_EQ(request_ids.size(), 64'000U);
  EXPECT_GE(*sequence_ids.begin(), kSequenceIdFirst);
  EXPECT_LT(*sequence_ids.rbegin(), kSequenceIdFirst + kSequenceIdCount);
}

}  // namespace
}  // namespace thriftscore::benchmarks
