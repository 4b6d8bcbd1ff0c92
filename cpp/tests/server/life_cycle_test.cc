// SPDX-License-Identifier: Apache-2.0
// Starting, publishing, draining, stopping.
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "tests/server/running_server.h"

namespace thriftscore::testing {
namespace {

using server::CloseReason;

std::size_t entries_of(const char* directory) {
  const std::filesystem::directory_iterator entries(directory);
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

std::size_t open_descriptors() { return entries_of("/proc/self/fd"); }
std::size_t running_threads() { return entries_of("/proc/self/task"); }

/// A model with three features whose score is `number`, whatever the feature is.
std::shared_ptr<const Model> constant_model(double number) {
  ModelFile file = tiny();
  file.tensor("w").values = {0, 0, 0};
  file.tensor("b").values = {number};
  return Model::load_bytes(file.build());
}

TEST(Draining, AnswersABurstThatWasSentBeforeItAndClosesQuietConnections) {
  for (int round = 0; round < 20; ++round) {
    RunningServer server({.io_threads = 2, .compute_threads = 1});
    server.publish("m", "1", make_model(4, 1, "identity").model);
    const PythonThread python(*server, answer_with_echo);
    Client quiet = server.connect();
    std::vector<Buffer> calls;
    for (int id = 0; id < 2000; ++id) {
      const RowsRequest request{.rows = Buffer(16), .request_id = std::string(100, 'x')};
      calls.push_back(id % 500 == 400 ? text_call({}, "server_live", {}, id)
                                      : rows_call({}, "score", request, id));
    }
    Client busy = server.connect();
    busy.send(joined(calls));
    server->begin_drain();
    const auto replies = parse_replies({}, busy.receive_all());
    ASSERT_EQ(replies.size(), calls.size());
    for (std::size_t id = 0; id < replies.size(); ++id) {
      EXPECT_EQ(replies[id].sequence_id, static_cast<std::int32_t>(id));
    }
    EXPECT_TRUE(quiet.receive_all().empty());
    EXPECT_TRUE(server->wait_drained(kPatience));
    EXPECT_TRUE(eventually([&] { return server.closed(CloseReason::kDraining) == 2; }));
    EXPECT_THROW(server.connect(), std::system_error);
  }
}

/// Messages that fill a read exactly leave a connection quiet with more to read.
TEST(Draining, ReadsUntilNothingIsLeft) {
  constexpr std::size_t kBytes = 256;
  constexpr std::size_t kCalls = 4096;
  const std::size_t other = text_call({}, "ping", "").size();
  const auto call = text_call({}, "ping", std::string(kBytes - other, 'x'));
  ASSERT_EQ(call.size(), kBytes);
  const Buffer burst = joined(std::vector<Buffer>(kCalls, call));
  for (int round = 0; round < 15; ++round) {
    RunningServer server(one_loop());
    const PythonThread python(*server, answer_with_echo);
    Client client = server.connect();
    client.send(burst);
    server->begin_drain();
    EXPECT_EQ(parse_replies({}, client.receive_all()).size(), kCalls);
  }
}

TEST(Draining, AnswersClientsThatHaveConnectedButWereNotAcceptedYet) {
  for (int round = 0; round < 20; ++round) {
    RunningServer server(one_loop());
    std::vector<Client> clients;
    for (int i = 0; i < 20; ++i) {
      clients.push_back(server.connect());
      clients.back().send(text_call({}, "server_live"));
    }
    server->begin_drain();
    const PythonThread python(*server, answer_with_echo);
    for (Client& client : clients) {
      EXPECT_EQ(parse_replies({}, client.receive_all()).size(), 1U);
    }
  }
}

TEST(Draining, WaitsForCallsUnderWayAndMakesPingSayNo) {
  RunningServer server(one_loop());
  Client client = server.connect();
  client.send(joined({text_call({}, "server_live", {}, 1), text_call({}, "ping", {}, 2)}));
  const auto call = server->deferred().take(kPatience);
  server->begin_drain();
  EXPECT_FALSE(server->wait_drained(std::chrono::milliseconds(50)));
  answer_with_echo(call);
  EXPECT_EQ(receive_reply(client).sequence_id, 1);
  const auto ping = server->deferred().take(kPatience);
  ASSERT_NE(ping, nullptr) << "a server that drains must not say that it serves";
  EXPECT_EQ(ping->sequence_id, 2);
  answer_with_echo(ping);
  EXPECT_EQ(receive_reply(client).sequence_id, 2);
  EXPECT_TRUE(server->wait_drained(kPatience));
}

TEST(Stopping, ClosesWhateverIsOpenAndMayBeDoneTwice) {
  RunningServer server(one_loop());
  server.publish("heavy", "1", heavy_model());
  server.publish("m", "1", make_model(1, 4096, "identity").model);
  Client idle = server.connect();
  Client half = server.connect();
  half.send(Buffer(3));
  Client waiting = server.connect();
  waiting.send(text_call({}, "server_live"));
  Client queued = server.connect();
  queued.send(text_call({}, "server_live"));
  Client busy = server.connect();
  busy.send(heavy_call());
  Client behind = server.connect();
  behind.send(heavy_call());
  Client slow = server.connect_locally();
  const auto loud = rows_call({}, "score", {.rows = Buffer(4)});
  slow.send(joined(std::vector<Buffer>(100, loud)));
  ASSERT_TRUE(eventually([&] { return server->counts().calls_under_way == 4; }));
  const auto call = server->deferred().take(kPatience);
  server->stop();
  for (Client* const client : {&idle, &half, &waiting, &queued, &busy, &behind}) {
    EXPECT_TRUE(client->receive_all().empty());
  }
  EXPECT_EQ(server->counts().connections, 0U);
  EXPECT_TRUE(server->wait_drained(std::chrono::milliseconds(0)));
  answer_with_echo(call);
  EXPECT_EQ(server->deferred().take(kPatience), nullptr) << "its client has gone";
  server->stop();
}

TEST(Stopping, LeavesCallsThatCanBeAnsweredWhenTheServerIsGone) {
  std::vector<std::shared_ptr<server::DeferredCall>> calls;
  {
    RunningServer server(one_loop());
    std::vector<Client> clients;
    for (int i = 0; i < 3; ++i) {
      clients.push_back(server.connect());
      clients.back().send(text_call({}, "server_live"));
      calls.push_back(server->deferred().take(kPatience));
    }
    server->stop();
    answer_with_echo(calls[0]);
  }
  answer_with_echo(calls[0]);
  answer_with_echo(calls[1]);
  calls.clear();  // one of them without an answer
}

TEST(Stopping, MayRaceWithDrainingPublishingAndCounting) {
  for (int round = 0; round < 50; ++round) {
    RunningServer server({.io_threads = 2, .compute_threads = 1});
    Client client = server.connect();
    std::thread drains([&] { server->begin_drain(); });
    std::thread publishes([&] { server.publish("m", "1", constant_model(1)); });
    std::thread counts([&] { static_cast<void>(server->counts()); });
    std::thread stops([&] { server->stop(); });
    for (auto* const thread : {&drains, &publishes, &counts, &stops}) thread->join();
  }
}

TEST(Stopping, LeavesNeitherDescriptorsNorThreads) {
  const auto cycle = [](bool busy_poll) {
    RunningServer server({.io_threads = 2, .busy_poll = busy_poll, .compute_threads = 2});
    Client client = server.connect();
    client.send(text_call({}, "ping"));
    EXPECT_TRUE(receive_reply(client).has_result());
    server->stop();
  };
  cycle(false);
  const auto descriptors = open_descriptors();
  const auto threads = running_threads();
  for (int round = 0; round < 200; ++round) cycle(round % 20 == 0);
  EXPECT_EQ(open_descriptors(), descriptors);
  EXPECT_TRUE(eventually([&] { return running_threads() == threads; }));
}

TEST(Stopping, OfAServerThatWasNeverStartedOrHasNoListenersIsFine) {
  server::Server unstarted(one_loop());
  unstarted.adopt_listener(listen_tcp());
  unstarted.begin_drain();
  unstarted.stop();
  server::Server deaf(one_loop());
  deaf.start();
  deaf.begin_drain();
  EXPECT_TRUE(deaf.wait_drained(kPatience));
}

TEST(BusyPolling, AnswersAndStops) {
  auto options = one_loop();
  options.busy_poll = true;
  RunningServer server(options);
  Client client = server.connect();
  for (int id = 0; id < 100; ++id) {
    client.send(text_call({}, "ping", {}, id));
    EXPECT_EQ(receive_reply(client).sequence_id, id);
  }
}

/// Scores as fast as it can; counts the replies whose scores are not those of their version, and
/// those of a version older than one that was published before the request was sent.
class VersionChecker {
 public:
  VersionChecker(const RunningServer& server, const std::atomic<int>& published)
      : client_(server.connect()), published_(published) {}

  bool agrees(const Buffer& call) {
    const int least = published_.load();
    client_.send(call);
    const Reply reply = receive_reply(client_);
    const int version = std::stoi(reply.success().field(5).text());
    const auto scores = values_of<float>(reply.success().field(1).text());
    bool good = version >= least && !scores.empty();
    for (const float score : scores) good = good && score == static_cast<float>(version);
    return good;
  }

 private:
  Client client_;
  const std::atomic<int>& published_;
};

TEST(Publishing, IsSeenWholeByEveryRequest) {
  constexpr int kVersions = 1000;
  RunningServer server({.io_threads = 2, .compute_threads = 2, .inline_work_ns_max = 5'000});
  server.publish("m", "1", constant_model(1));
  std::atomic<int> published{1};
  std::atomic<int> wrong{0};
  std::atomic<std::uint64_t> asked{0};
  std::vector<std::thread> threads;
  for (int index = 0; index < 4; ++index) {
    threads.emplace_back([&, index] {
      // Some of one row, some of as many as the compute pool takes.
      const std::size_t rows = index < 2 ? 1 : 10'000;
      const auto call = rows_call({}, "score", {.rows = Buffer(rows * 12)});
      VersionChecker checker(server, published);
      while (published.load() < kVersions) {
        if (!checker.agrees(call)) ++wrong;
        ++asked;
      }
    });
  }
  for (int version = 2; version <= kVersions; ++version) {
    server.publish("m", std::to_string(version), constant_model(version));
    published = version;
    const auto until = asked.load() + 2;
    ASSERT_TRUE(eventually([&] { return asked.load() >= until; }));
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST(Publishing, FreesTheOldModelOnceItsRequestsAreDone) {
  RunningServer server({.io_threads = 2, .compute_threads = 1, .inline_work_ns_max = 0});
  std::weak_ptr<const Model> old;
  {
    const auto model = make_heavy_model();
    old = model;
    server.publish("heavy", "1", model);
  }
  Client client = server.connect();  // leaves statistics in the pool
  client.send(rows_call({}, "score", {.model = "heavy", .rows = Buffer(4)}));
  EXPECT_TRUE(receive_reply(client).has_result());
  client.send(rows_call({}, "score", {.model = "heavy", .rows = Buffer(4 * 200)}));
  ASSERT_TRUE(eventually([&] { return server->counts().calls_under_way == 1; }));
  server.publish("heavy", "2", constant_model(2));
  EXPECT_TRUE(receive_reply(client).has_result());
  EXPECT_TRUE(eventually([&] { return old.expired(); }));
}

}  // namespace
}  // namespace thriftscore::testing
