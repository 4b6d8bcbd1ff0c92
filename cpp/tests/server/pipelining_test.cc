// SPDX-License-Identifier: Apache-2.0
// Many requests under way at once: every reply goes to the request it belongs to.
#include <gtest/gtest.h>

#include <cmath>
#include <mutex>
#include <random>
#include <thread>

#include "tests/server/running_server.h"

namespace thriftscore::testing {
namespace {

constexpr std::size_t kColumns = 4;
constexpr std::size_t kWideColumns = 600;

std::vector<float> row_of(std::uint64_t nonce, std::size_t columns) {
  std::vector<float> row(columns);
  for (std::size_t i = 0; i < columns; ++i) {
    row[i] = static_cast<float>((nonce * 2'654'435'761U + i * 40'503U) % 65'536) / 65'536.0F;
  }
  return row;
}

/// Answers after a while, in another order than the calls came.
class UnhurriedPython {
 public:
  void operator()(std::shared_ptr<server::DeferredCall> call) {
    std::vector<std::shared_ptr<server::DeferredCall>> ready;
    {
      const std::scoped_lock lock(mutex_);
      held_.push_back(std::move(call));
      if (held_.size() >= 16 || random_() % 4 == 0) ready.swap(held_);
    }
    while (!ready.empty()) {
      answer_with_echo(ready.back());
      ready.pop_back();
    }
  }
  void release() {
    const std::scoped_lock lock(mutex_);
    for (const auto& call : held_) answer_with_echo(call);
    held_.clear();
  }

 private:
  std::mutex mutex_;
  std::mt19937 random_{3};
  std::vector<std::shared_ptr<server::DeferredCall>> held_;
};

/// One connection that keeps `kDepth` requests under way, each with a nonce of its own.
class NonceClient {
 public:
  static constexpr std::uint64_t kDepth = 32;

  NonceClient(Client client, const Model& narrow, const Model& wide, std::uint64_t first)
      : client_(std::move(client)), narrow_(narrow), wide_(wide), first_(first) {}

  void send_all() {
    Buffer stream;
    for (std::uint64_t i = 0; i < kDepth; ++i) {
      const Buffer call = call_of(first_ + i);
      stream.insert(stream.end(), call.begin(), call.end());
    }
    client_.send(stream);
  }

  /// How many replies are not the one that the request in their place should have.
  std::size_t receive_all() {
    std::size_t wrong = 0;
    for (std::uint64_t i = 0; i < kDepth; ++i) {
      if (!is_reply_to(first_ + i, client_.receive_frame())) ++wrong;
    }
    first_ += kDepth;
    return wrong;
  }

 private:
  enum Kind { kNarrow, kWide, kDeferred, kMissing };

  static Kind kind_of(std::uint64_t nonce) {
    const auto choice = nonce * 0x9e3779b97f4a7c15U >> 57U;
    if (choice < 4) return kDeferred;
    if (choice < 6) return kMissing;
    return choice < 64 ? kNarrow : kWide;
  }

  Buffer call_of(std::uint64_t nonce) const {
    const Kind kind = kind_of(nonce);
    const auto id = static_cast<std::int32_t>(nonce);
    if (kind == kDeferred) return text_call({}, "server_live", std::to_string(nonce), id);
    auto row = row_of(nonce, kind == kNarrow ? kColumns : kWideColumns);
    if (kind == kMissing) row[nonce % row.size()] = NAN;
    return rows_call({}, "score",
                     {.model = kind == kNarrow ? "m" : "w",
                      .rows = tensor(row),
                      .request_id = std::to_string(nonce)},
                     id);
  }

  bool is_reply_to(std::uint64_t nonce, const Buffer& frame) {
    const Kind kind = kind_of(nonce);
    if (kind == kDeferred || kind == kMissing) {
      const auto* const method = kind == kDeferred ? "server_live" : "score";
      return frame == echo_of({}, call_of(nonce), method, static_cast<std::int32_t>(nonce));
    }
    const Reply reply = parse_reply({}, frame);
    const Model& model = kind == kNarrow ? narrow_ : wide_;
    const auto row = row_of(nonce, model.columns());
    float score = 0;
    model.score(row.data(), 1, &score, workspace_);
    return reply.sequence_id == static_cast<std::int32_t>(nonce) && reply.has_result() &&
           reply.success().field(6).text() == std::to_string(nonce) &&
           reply.success().field(1).text() ==
               std::string(reinterpret_cast<const char*>(&score), sizeof(score));
  }

  Client client_;
  const Model& narrow_;
  const Model& wide_;
  std::uint64_t first_;
  Workspace workspace_;
};

TEST(Pipelining, KeepsRepliesApartOn64ConnectionsWith32RequestsEach) {
  const auto narrow = make_model(kColumns, 1, "sigmoid").model;
  const auto wide = make_model(kWideColumns, 1, "identity").model;
  RunningServer server({.io_threads = 2, .compute_threads = 1, .deferred_calls_max = 1 << 16});
  server.publish("m", "1", narrow);
  server.publish("w", "1", wide);
  UnhurriedPython answers;
  const auto answer = [&answers](auto call) { answers(std::move(call)); };
  const PythonThread python(*server, answer);
  const PythonThread another(*server, answer);
  constexpr int kRounds = 50;
  std::atomic<std::size_t> wrong{0};
  std::atomic<int> running{4};
  std::vector<std::thread> threads;
  for (std::uint64_t index = 0; index < 4; ++index) {
    threads.emplace_back([&, index] {
      std::vector<NonceClient> clients;
      for (std::uint64_t i = 0; i < 16; ++i) {
        clients.emplace_back(server.connect(), *narrow, *wide, (index * 16 + i) << 20U);
      }
      for (int round = 0; round < kRounds; ++round) {
        for (auto& client : clients) client.send_all();
        for (auto& client : clients) wrong += client.receive_all();
      }
      --running;
    });
  }
  EXPECT_TRUE(eventually([&] {
    answers.release();  // those that wait for others that are not coming
    return running == 0;
  }));
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(server->counts().calls_under_way, 0U);
}

/// A call that ends while its client is still taking earlier replies.
TEST(Pipelining, AReplyThatCannotLeaveYetGoesToNobodyElse) {
  auto options = one_loop();
  options.inline_work_ns_max = 1'000'000'000;
  RunningServer server(options);
  server.publish("m", "1", make_model(1, 32'768, "identity").model);
  const auto score = rows_call({}, "score", {.rows = tensor(std::vector<float>(1))}, 1);
  const auto deferred = text_call({}, "server_live", "late", 2);
  // 786 kB of replies, more than the socket holds; and so few that the loop handles the deferred
  // call in the same turn, however slow it is.
  constexpr int kCalls = 6;
  std::vector<Buffer> calls(kCalls, score);
  calls.push_back(deferred);
  Client slow = server.connect_locally();
  slow.send(joined(calls));
  auto call = server->deferred().take(kPatience);
  ASSERT_NE(call, nullptr);
  answer_with_echo(call);
  Client other = server.connect_locally();
  for (int i = 0; i < 10; ++i) {
    other.send(text_call({}, "ping", {}, 100 + i));
    const Reply reply = receive_reply(other);
    EXPECT_EQ(reply.method, "ping");
    EXPECT_EQ(reply.sequence_id, 100 + i);
  }
  for (int i = 0; i < kCalls; ++i) EXPECT_EQ(receive_reply(slow).method, "score");
  EXPECT_EQ(slow.receive_frame(), echo_of({}, deferred, "server_live", 2));
  slow.send(text_call({}, "ping"));
  EXPECT_EQ(receive_reply(slow).method, "ping");
}

TEST(Pipelining, MessagesBehindADeferredCallWaitForIt) {
  RunningServer server(one_loop());
  Client client = server.connect();
  std::vector<Buffer> calls;
  for (int i = 0; i < 1000; ++i) {
    calls.push_back(text_call({}, i % 2 == 0 ? "server_live" : "ping", {}, i));
  }
  client.send(joined(calls));
  for (int i = 0; i < 1000; i += 2) {
    const auto call = server->deferred().take(kPatience);
    ASSERT_NE(call, nullptr);
    EXPECT_EQ(call->sequence_id, i);
    EXPECT_EQ(server->deferred().size(), 0U) << "one call of a connection at a time";
    answer_with_echo(call);
    EXPECT_EQ(receive_reply(client).sequence_id, i);
    EXPECT_EQ(receive_reply(client).sequence_id, i + 1);
  }
}

TEST(Pipelining, ASecondAnswerToACallIsIgnored) {
  RunningServer server(one_loop());
  Client client = server.connect();
  client.send(joined({text_call({}, "server_live", "1", 1), text_call({}, "server_live", "2", 2)}));
  const auto first = server->deferred().take(kPatience);
  answer_with_echo(first);
  const auto second = server->deferred().take(kPatience);
  answer_with_echo(first);
  first->answer({});
  EXPECT_EQ(receive_reply(client).sequence_id, 1);
  answer_with_echo(second);
  EXPECT_EQ(receive_reply(client).sequence_id, 2);
  EXPECT_EQ(server->counts().calls_under_way, 0U);
}

TEST(Pipelining, ACallThatIsDroppedOrAnsweredWithNothingEndsItsConnection) {
  RunningServer server(one_loop());
  for (const bool dropped : {true, false}) {
    Client client = server.connect();
    client.send(text_call({}, "server_live"));
    auto call = server->deferred().take(kPatience);
    if (!dropped) call->answer({});
    call = nullptr;
    EXPECT_TRUE(client.receive_all().empty());
  }
  EXPECT_TRUE(eventually([&] { return server->counts().calls_under_way == 0; }));
}

TEST(Pipelining, ABusyConnectionLetsOthersHaveTheirTurn) {
  auto options = one_loop();
  options.inline_work_ns_max = 1'000'000'000;
  RunningServer server(options);
  server.publish("heavy", "1", heavy_model());
  // About a second of work, were it done in one turn; two rows each, so that none are joined.
  const RowsRequest request{.model = "heavy", .rows = tensor(std::vector<float>(2, 0.5F))};
  constexpr std::size_t kCalls = 1000;
  constexpr std::size_t kAwaited = 100;  // all of them take more than a minute under ASan
  const std::vector<Buffer> calls(kCalls, rows_call({}, "score", request));
  Client busy = server.connect();
  Client other = server.connect();
  busy.send(joined(calls));
  ASSERT_TRUE(eventually([&] { return server->counts().bytes_out > 0; }));
  other.send(text_call({}, "ping"));
  EXPECT_EQ(receive_reply(other).method, "ping");
  EXPECT_LT(server->statistics().begin()->second->total.count(), kCalls);
  for (std::size_t i = 0; i < kAwaited; ++i) EXPECT_EQ(receive_reply(busy).method, "score");
}

}  // namespace
}  // namespace thriftscore::testing
