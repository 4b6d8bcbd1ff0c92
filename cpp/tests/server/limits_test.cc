// SPDX-License-Identifier: Apache-2.0
// What a client may cost: time, memory, places in queues.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/server/running_server.h"
#include "tests/wire/samples.h"

namespace thriftscore::testing {
namespace {

using server::CloseReason;
using wire::ErrorCode;

/// Replies of 16 KiB to requests of a hundred bytes.
std::shared_ptr<const Model> loud_model() { return make_model(1, 4096, "identity").model; }

Buffer loud_call(std::int32_t sequence_id = 7) {
  return rows_call({}, "score", {.rows = tensor(std::vector<float>(1))}, sequence_id);
}

TEST(SlowSenders, AreCutWhileOthersMayPauseBetweenMessages) {
  RunningServer server({.io_threads = 1, .message_timeout_ms = 150});
  Client honest = server.connect();
  const Buffer ping = text_call({}, "ping");
  for (const std::size_t sent : {std::size_t{2}, ping.size() - 1}) {
    Client slow = server.connect();
    honest.send(ping);
    EXPECT_TRUE(receive_reply(honest).has_result());
    slow.send(std::span(ping).first(sent));
    EXPECT_TRUE(slow.ended(kPatience)) << sent;
  }
  honest.send(ping);
  EXPECT_TRUE(receive_reply(honest).has_result());
  EXPECT_TRUE(eventually([&] { return server.closed(CloseReason::kSlowSender) == 2; }));
}

TEST(SlowSenders, AreCutEvenIfTheyNeverStop) {
  RunningServer server({.io_threads = 1, .message_timeout_ms = 150});
  const Buffer call = text_call({}, "server_live", std::string(100'000, 'x'));
  Client slow = server.connect();
  std::size_t sent = 0;
  EXPECT_TRUE(eventually([&] {
    if (slow.ended(std::chrono::milliseconds(1))) return true;
    if (sent < call.size() - 1) slow.send(std::span(call).subspan(sent++, 1));
    return false;
  }));
  EXPECT_TRUE(eventually([&] { return server.closed(CloseReason::kSlowSender) == 1; }));
}

TEST(SlowSenders, AreNotThoseWhoWaitForAnAnswer) {
  RunningServer server({.io_threads = 1, .message_timeout_ms = 100});
  const Buffer ping = text_call({}, "ping", {}, 2);
  Client client = server.connect();
  client.send(joined({text_call({}, "server_live", {}, 1), {ping.begin(), ping.end() - 1}}));
  const auto call = server->deferred().take(kPatience);
  Client slow = server.connect();
  slow.send(std::span(ping).first(3));
  EXPECT_TRUE(slow.ended(kPatience));  // so at least the timeout has passed
  answer_with_echo(call);
  EXPECT_EQ(receive_reply(client).sequence_id, 1);
  client.send(std::span(ping).last(1));
  EXPECT_EQ(receive_reply(client).sequence_id, 2);
}

TEST(IdleConnections, AreCutUnlessACallIsUnderWay) {
  RunningServer server({.io_threads = 1, .idle_timeout_ms = 100});
  Client waiting = server.connect();
  waiting.send(text_call({}, "server_live"));
  const auto call = server->deferred().take(kPatience);
  for (int i = 0; i < 2; ++i) {
    Client idle = server.connect();
    EXPECT_TRUE(idle.ended(kPatience));
  }
  EXPECT_TRUE(eventually([&] { return server.closed(CloseReason::kIdle) == 2; }));
  answer_with_echo(call);
  EXPECT_TRUE(receive_reply(waiting).has_result());
}

TEST(SlowReaders, AreReadFromNoFurtherAndLoseNothing) {
  RunningServer server(one_loop());
  server.publish("m", "1", make_model(1, 1024, "identity").model);
  constexpr int kCalls = 150'000;  // 9 MB, whose replies have 600 MB
  std::vector<Buffer> calls;
  for (int id = 0; id < kCalls; ++id) calls.push_back(loud_call(id));
  const Buffer stream = joined(calls);
  Client slow = server.connect_locally();
  std::size_t sent = slow.send_some(stream);
  Client other = server.connect_locally();
  for (int i = 0; i < 200; ++i) {  // the loop comes round often enough to take all it will take
    other.send(text_call({}, "ping"));
    EXPECT_TRUE(receive_reply(other).has_result());
    sent += slow.send_some(std::span(stream).subspan(sent));
  }
  EXPECT_LT(sent, std::size_t{3} << 20) << "the server keeps reading";
  const auto statistics = server->statistics();
  ASSERT_EQ(statistics.size(), 1U);
  EXPECT_LT(statistics.begin()->second->total.count(), 1000U) << "the server keeps scoring";
  const int answered = static_cast<int>(sent / calls[0].size());
  for (int id = 0; id < answered; ++id) {
    ASSERT_EQ(receive_reply(slow).sequence_id, id);
  }
}

TEST(SlowReaders, AreCutWhenTheyTakeNothing) {
  RunningServer server({.io_threads = 1, .write_timeout_ms = 100});
  server.publish("m", "1", loud_model());
  Client slow = server.connect_locally();
  slow.send(joined(std::vector<Buffer>(100, loud_call())));
  EXPECT_TRUE(eventually([&] { return server.closed(CloseReason::kSlowReader) == 1; }));
  Client rejected = server.connect_locally();  // with its replies behind a refusal
  rejected.send(joined({joined(std::vector<Buffer>(30, loud_call())), Buffer(4)}));
  EXPECT_TRUE(eventually([&] { return server.closed(CloseReason::kSlowReader) == 2; }));
  EXPECT_TRUE(eventually([&] { return server->counts().connections == 0; }));
}

TEST(SlowReaders, AreCutWhenTooMuchWaitsForThem) {
  RunningServer server({.io_threads = 1, .unsent_bytes_max = 1'000'000});
  const PythonThread python(*server, answer_with_echo);
  Client slow = server.connect_locally();
  slow.send(text_call({}, "server_live", std::string(2'000'000, 'x')));
  EXPECT_TRUE(eventually([&] { return server.closed(CloseReason::kSlowReader) == 1; }));
}

TEST(SlowReaders, GetWhatWaitsForThemAfterTheyHaveFinishedSending) {
  RunningServer server(one_loop());
  server.publish("m", "1", loud_model());
  constexpr int kCalls = 300;
  std::vector<Buffer> calls;
  for (int id = 0; id < kCalls; ++id) calls.push_back(loud_call(id));
  Client client = server.connect_locally();
  client.send(joined(calls));
  client.finish_sending();
  EXPECT_EQ(parse_replies({}, client.receive_all()).size(), std::size_t{kCalls});
  EXPECT_TRUE(eventually([&] { return server.closed(CloseReason::kPeer) == 1; }));
}

TEST(Connections, AboveTheMostAreEndedAtOnce) {
  RunningServer server({.io_threads = 2, .connections_max = 3});
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(server.connect());
    clients.back().send(text_call({}, "ping"));
    EXPECT_TRUE(receive_reply(clients.back()).has_result());
  }
  Client fourth = server.connect();
  EXPECT_TRUE(fourth.ended(kPatience));
  EXPECT_TRUE(eventually([&] { return server.closed(CloseReason::kOverLimit) == 1; }));
  clients.pop_back();
  EXPECT_TRUE(eventually([&] { return server->counts().connections == 2; }));
  Client fifth = server.connect();
  fifth.send(text_call({}, "ping"));
  EXPECT_TRUE(receive_reply(fifth).has_result());
}

/// Exits with 0 if a server without file descriptors rests, and recovers when there are some.
[[noreturn]] void run_out_of_descriptors() {
  RunningServer server(one_loop());
  Client before = server.connect();
  before.send(text_call({}, "ping"));
  bool good = receive_reply(before).has_result();
  Client late;
  const rlimit few{128, 128};
  ::setrlimit(RLIMIT_NOFILE, &few);
  std::vector<int> taken;
  for (int copy = ::dup(0); copy >= 0; copy = ::dup(0)) taken.push_back(copy);
  late.connect(server.port());
  late.send(text_call({}, "ping"));
  rusage begin{};
  ::getrusage(RUSAGE_SELF, &begin);
  good = good && !late.ended(std::chrono::milliseconds(1000));
  rusage end{};
  ::getrusage(RUSAGE_SELF, &end);
  const auto busy_us = [](const rusage& usage) {
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000 + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
  };
  good = good && busy_us(end) - busy_us(begin) < 200'000;
  before.send(text_call({}, "ping"));
  good = good && receive_reply(before).has_result();
  for (const int copy : taken) ::close(copy);
  good = good && receive_reply(late).has_result();
  ::_exit(good ? 0 : 1);
}

TEST(ConnectionsDeathTest, WaitWhileThereIsNoDescriptorForThem) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(run_out_of_descriptors(), ::testing::ExitedWithCode(0), "");
}

long resident_bytes() {
  long pages = 0;
  long resident = 0;
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  if (std::fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = -1;
  std::fclose(file);
  return resident * ::sysconf(_SC_PAGESIZE);
}

TEST(Connections, CostWhatTheySendAndNotWhatTheyDeclare) {
  RunningServer server(one_loop());
  const Buffer start = wire::bytes("00fa0000 80010001 0000");
  std::vector<Client> clients;
  const long before = resident_bytes();
  constexpr long kConnections = 1000;
  for (long i = 0; i < kConnections; ++i) {
    clients.push_back(server.connect());
    clients.back().send(start);
  }
  const auto received = static_cast<std::uint64_t>(kConnections) * start.size();
  ASSERT_TRUE(eventually([&] { return server->counts().bytes_in == received; }));
  EXPECT_LT((resident_bytes() - before) / kConnections, 64 << 10);
}

void expect_overloaded(const Reply& reply, std::int32_t sequence_id) {
  EXPECT_EQ(reply.sequence_id, sequence_id);
  EXPECT_EQ(reply.error_code(), static_cast<std::int64_t>(ErrorCode::kOverloaded));
  EXPECT_EQ(reply.result.field(1).field(3).number(), 1) << "retryable";
  EXPECT_GT(reply.result.field(1).field(4).number(), 0) << "retry_after_ms";
}

TEST(DeferredQueue, ThatIsFullIsSaidAtOnceAndTheRestOfTheStreamIsAnswered) {
  RunningServer server({.io_threads = 1, .deferred_calls_max = 1});
  Client first = server.connect();
  first.send(text_call({}, "server_live"));
  EXPECT_TRUE(eventually([&] { return server->deferred().size() == 1; }));
  Client client = server.connect();
  const std::string large(700'000, 'x');
  client.send(joined({text_call({}, "server_live", {}, 1), text_call({}, "ping", {}, 2),
                      text_call({}, "server_live", large, 3), text_call({}, "ping", {}, 4),
                      text_call({}, "server_live", large, 5), text_call({}, "ping", {}, 6)}));
  for (int id = 1; id <= 6; ++id) {
    const Reply reply = receive_reply(client);
    if (id % 2 == 1) {
      expect_overloaded(reply, id);
    } else {
      EXPECT_EQ(reply.sequence_id, id);
      EXPECT_TRUE(reply.has_result());
    }
  }
  const PythonThread python(*server, answer_with_echo);
  EXPECT_TRUE(receive_reply(first).has_result());
  client.send(text_call({}, "server_live", {}, 7));
  EXPECT_TRUE(receive_reply(client).has_result());
}

TEST(DeferredQueue, IsBoundedInBytesToo) {
  RunningServer server({.io_threads = 1, .deferred_bytes_max = 100'000});
  Client first = server.connect();
  first.send(text_call({}, "server_live", std::string(90'000, 'x')));
  EXPECT_TRUE(eventually([&] { return server->deferred().size() == 1; }));
  Client second = server.connect();
  second.send(text_call({}, "server_live", std::string(20'000, 'x'), 2));
  expect_overloaded(receive_reply(second), 2);
  first.reset();
  EXPECT_TRUE(eventually([&] { return server->deferred().size() == 0; }));
  const PythonThread python(*server, answer_with_echo);
  second.send(text_call({}, "server_live", std::string(90'000, 'x'), 3));
  EXPECT_TRUE(receive_reply(second).has_result());
}

/// What a client has sent when it vanishes.
struct Phase {
  Buffer sent;
  bool under_way;  // beside the loop
};

TEST(VanishedClients, LeaveNothingBehindInAnyPhase) {
  RunningServer server(one_loop());
  server.publish("heavy", "1", heavy_model());
  server.publish("m", "1", loud_model());
  const Buffer ping = text_call({}, "ping");
  const Buffer body = rows_call({}, "score", {.rows = Buffer(100'000)});
  const std::vector<Phase> phases{
      {{}, false},
      {{ping.begin(), ping.begin() + 3}, false},
      {{body.begin(), body.end() - 1}, false},
      {heavy_call(), true},
      {text_call({}, "server_live"), true},
      {joined({text_call({}, "server_live"), ping, body}), true},
      {joined(std::vector<Buffer>(300, loud_call())), false},
  };
  for (int round = 0; round < 10; ++round) {
    for (const Phase& phase : phases) {
      Client client = server.connect_locally();
      Client tcp = server.connect();
      for (Client* const one : {&client, &tcp}) one->send(phase.sent);
      const std::uint64_t calls = phase.under_way ? 2 : 0;
      EXPECT_TRUE(eventually([&] { return server->counts().calls_under_way == calls; }));
      round % 2 == 0 ? tcp.reset() : tcp.close();
      client.close();
      EXPECT_TRUE(eventually([&] { return server->counts().connections == 0; }));
    }
  }
  const auto counts = server->counts();
  EXPECT_EQ(counts.calls_under_way, 0U);
  EXPECT_EQ(counts.deferred_calls, 0U);
  Client client = server.connect();
  client.send(ping);
  EXPECT_TRUE(receive_reply(client).has_result());
}

}  // namespace
}  // namespace thriftscore::testing
