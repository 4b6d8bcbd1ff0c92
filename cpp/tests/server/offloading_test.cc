// SPDX-License-Identifier: Apache-2.0
// Large requests are computed beside the loops.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/server/running_server.h"

namespace thriftscore::testing {
namespace {

using wire::DataType;

Buffer single_rows(std::size_t count) {
  const auto values = numbers(count, 9);
  return tensor(std::vector<float>(values.begin(), values.end()));
}

server::ServerOptions everything_offloaded() {
  return {.io_threads = 1, .compute_threads = 2, .inline_work_ns_max = 0};
}

class Offloading : public ::testing::Test {
 protected:
  explicit Offloading(server::ServerOptions options = one_loop()) : server_(options) {
    server_.publish("heavy", "1", heavy_model());
    server_.publish("m", "1", make_model(4, 1, "sigmoid").model);
  }

  /// A client whose heavy request is being computed.
  Client busy_client(const Buffer& call = heavy_call()) {
    const auto before = server_->counts().calls_under_way;
    Client client = server_.connect();
    client.send(call);
    EXPECT_TRUE(eventually([&] { return server_->counts().calls_under_way == before + 1; }));
    return client;
  }

  RunningServer server_;
};

TEST_F(Offloading, DoesNotHoldUpOtherConnectionsOfTheLoop) {
  Client busy = busy_client();
  Client other = server_.connect();
  for (int i = 0; i < 200; ++i) {
    other.send(text_call({}, "ping", {}, i));
    EXPECT_EQ(receive_reply(other).sequence_id, i);
    other.send(rows_call({}, "score", {.rows = single_rows(4)}, i));
    EXPECT_TRUE(receive_reply(other).has_result());
  }
  EXPECT_EQ(server_->counts().calls_under_way, 1U) << "the large one should be under way still";
  busy.reset();
  EXPECT_TRUE(eventually([&] { return server_->counts().calls_under_way == 0; }));
}

TEST_F(Offloading, IsCancelledWhenTheClientHasGone) {
  for (const bool reset : {true, false}) {
    Client busy = busy_client();
    reset ? busy.reset() : busy.close();
    EXPECT_TRUE(eventually([&] { return server_->counts().calls_under_way == 0; }));
  }
  // The only compute thread is free for others.
  Client other = server_.connect();
  other.send(rows_call({}, "score", {.model = "heavy", .rows = single_rows(1)}));
  EXPECT_TRUE(receive_reply(other).has_result());
}

TEST_F(Offloading, EndsWhenTheDeadlinePasses) {
  Client client = server_.connect();
  client.send(joined({heavy_call(50), text_call({}, "ping", {}, 8)}));
  const Reply late = receive_reply(client);
  EXPECT_EQ(late.error_code(), static_cast<std::int64_t>(wire::ErrorCode::kDeadlineExceeded));
  EXPECT_EQ(late.sequence_id, 7);
  EXPECT_EQ(receive_reply(client).sequence_id, 8);
}

TEST_F(Offloading, EndsInTheQueueWhenTheDeadlinePasses) {
  Client busy = busy_client();
  Client client = server_.connect();
  client.send(heavy_call(30));
  EXPECT_TRUE(eventually([&] { return server_->counts().calls_under_way == 2; }));
  busy.close();
  EXPECT_EQ(receive_reply(client).error_code(),
            static_cast<std::int64_t>(wire::ErrorCode::kDeadlineExceeded));
}

class ShortQueue : public Offloading {
 protected:
  ShortQueue() : Offloading({.io_threads = 1, .compute_threads = 1, .compute_jobs_max = 1}) {}
};

TEST_F(ShortQueue, ThatIsFullIsSaidAtOnceAndTheRestOfTheStreamIsAnswered) {
  Client busy = busy_client();
  Client client = server_.connect();
  client.send(joined({heavy_call({}, 1), text_call({}, "ping", {}, 2), heavy_call({}, 3),
                      rows_call({}, "score", {.rows = single_rows(4)}, 4)}));
  for (const int id : {1, 2, 3, 4}) {
    const Reply reply = receive_reply(client);
    EXPECT_EQ(reply.sequence_id, id);
    const bool refused = id % 2 == 1;
    EXPECT_EQ(reply.method, refused || id == 4 ? "score" : "ping");
    EXPECT_EQ(reply.has_result(), !refused);
    if (!refused) continue;
    EXPECT_EQ(reply.error_code(), static_cast<std::int64_t>(wire::ErrorCode::kOverloaded));
    EXPECT_EQ(reply.result.field(1).field(3).number(), 1) << "retryable";
    EXPECT_GT(reply.result.field(1).field(4).number(), 0) << "retry_after_ms";
  }
  EXPECT_EQ(server_->counts().calls_under_way, 1U);
}

TEST(OffloadedReplies, HaveTheBytesOfThoseComputedOnTheLoop) {
  const auto model = make_model(4, 3, "softmax").model;
  const auto doubles = make_model(4, 2, "identity", "fp64").model;
  RunningServer beside(everything_offloaded());
  RunningServer inside({.io_threads = 1, .inline_work_ns_max = 1'000'000'000'000});
  for (RunningServer* const server : {&beside, &inside}) {
    server->publish("m", "1", model);
    server->publish("d", "1", doubles);
  }
  for (const Format& format : all_formats()) {
    const RowsRequest many{.rows = single_rows(40'000), .request_id = "many"};
    const RowsRequest wide{.model = "d", .rows = many.rows, .datatype = DataType::kFp64};
    const SparseRequest sparse{.indptr = {0, 1, 3}, .indices = {2, 0, 3}, .values = Buffer(12)};
    for (const Buffer& call :
         {rows_call(format, "score", many), rows_call(format, "score", wide),
          rows_call(format, "normalize", many), rows_call(format, "denormalize", wide),
          infer_call(format, many, 4, "id"), values_call(format, "m", {1, 2, 3, 4}),
          values_call(format, "d", {1, 2, 3, 4}), sparse_call(format, sparse)}) {
      Client one = inside.connect();
      one.send(call);
      const Buffer expected = receive_reply_bytes(one, format);
      EXPECT_TRUE(parse_reply(format, expected).has_result());
      Client other = beside.connect();
      other.send(call);
      EXPECT_EQ(other.receive(expected.size()), expected) << name_of(format);
    }
  }
  for (const auto& [kind, counts] : beside->statistics()) {
    EXPECT_EQ(counts->total.count(), counts->executions.value());
  }
  EXPECT_EQ(beside->statistics().size(), inside->statistics().size());
}

TEST(OffloadedReplies, WithAMissingValueComeFromPython) {
  RunningServer server(everything_offloaded());
  server.publish("m", "1", make_model(4, 1, "identity").model);
  const PythonThread python(*server, answer_with_echo);
  std::vector<float> rows(4 * 10'000, 1.0F);
  rows[33'333] = NAN;
  const Buffer call = rows_call({}, "score", {.rows = tensor(rows)}, 1);
  Client client = server.connect();
  client.send(joined({call, text_call({}, "ping", {}, 2)}));
  EXPECT_EQ(client.receive_frame(), echo_of({}, call, "score", 1));
  EXPECT_EQ(receive_reply(client).sequence_id, 2);
  EXPECT_EQ(server->counts().calls_under_way, 0U);
}

TEST(OffloadedReplies, MixWithOthersInOrder) {
  RunningServer server(everything_offloaded());
  server.publish("m", "1", make_model(4, 1, "identity").model);
  const PythonThread python(*server, answer_with_echo);
  std::vector<Buffer> calls;
  for (int id = 0; id < 300; ++id) {
    calls.push_back(id % 3 == 0   ? rows_call({}, "score", {.rows = single_rows(4'000)}, id)
                    : id % 3 == 1 ? text_call({}, "ping", {}, id)
                                  : text_call({}, "server_live", {}, id));
  }
  Client client = server.connect();
  client.send(joined(calls));
  for (int id = 0; id < 300; ++id) EXPECT_EQ(receive_reply(client).sequence_id, id);
}

}  // namespace
}  // namespace thriftscore::testing
