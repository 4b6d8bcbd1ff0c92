// SPDX-License-Identifier: Apache-2.0
// Requests allocate nothing once the server is warm; connections have little.
#include <gtest/gtest.h>

#include <thread>

#include "tests/server/counted_memory.h"
#include "tests/server/running_server.h"

namespace thriftscore::testing {
namespace {

constexpr std::size_t kRequests = 10'000;
constexpr std::size_t kStreamsAtOnce = 4;

std::vector<float> ones(std::size_t count) { return std::vector<float>(count, 1.0F); }

class Allocations : public ::testing::TestWithParam<bool> {
 protected:
  Allocations() : server_({.io_threads = 1, .busy_poll = GetParam(), .compute_threads = 1}) {
    leave_out_this_thread();
    server_.publish("a model with a name that is long", "1", narrow_);
    server_.publish("m", "1", make_model(600, 1, "identity").model);
  }

  /// Allocations of the server's threads while it answers `rounds` times `calls`, which are sent
  /// together on each of `connections` connections. How many of them it joins is chance; before, it
  /// has met more at once than it can then, so that its buffers have their size.
  std::size_t during(const std::vector<Buffer>& calls, std::size_t rounds,
                     std::size_t connections = 1) {
    std::vector<Client> clients;
    for (std::size_t i = 0; i < connections; ++i) clients.push_back(server_.connect());
    const Buffer stream = joined(calls);
    const auto answer_all = [&](std::size_t times) {
      for (Client& client : clients) {
        for (std::size_t i = 0; i < times; ++i) client.send(stream);
      }
      for (Client& client : clients) {
        for (std::size_t i = 0; i < times * calls.size(); ++i) client.receive_frame();
      }
    };
    for (int i = 0; i < 250; ++i) answer_all(1);
    for (int i = 0; i < 250; ++i) answer_all(kStreamsAtOnce);
    const std::size_t before = allocations();
    for (std::size_t i = 0; i < rounds; ++i) answer_all(1);
    return allocations() - before;
  }

  const std::shared_ptr<const Model> narrow_ = make_model(32, 1, "sigmoid").model;
  RunningServer server_;
};

INSTANTIATE_TEST_SUITE_P(, Allocations, ::testing::Bool(), [](const auto& test) {
  return std::string(test.param ? "BusyPolling" : "Sleeping");
});

TEST_P(Allocations, AreCounted) {
  const std::size_t before = allocations();
  std::thread([] { EXPECT_EQ(std::vector<int>(1000).size(), 1000U); }).join();
  EXPECT_GT(allocations(), before);
}

TEST_P(Allocations, AreNotMadeForScore) {
  const RowsRequest request{.model = "a model with a name that is long",
                            .rows = tensor(ones(32)),
                            .request_id = "a request id that is long",
                            .deadline_ms = 10'000};
  EXPECT_EQ(during({rows_call({}, "score", request)}, kRequests), 0U);
}

TEST_P(Allocations, AreNotMadeForJoinedAndOtherHotCalls) {
  const RowsRequest wide{.rows = tensor(ones(600)), .request_id = "a request id that is long"};
  const auto score = rows_call({}, "score", wide);
  const auto ping = text_call({}, "ping");
  const auto infer = infer_call({}, wide, 600, "id");
  const auto normalize = rows_call({}, "normalize", wide);
  const auto values = values_call({}, "m", std::vector<double>(600));
  EXPECT_EQ(during({score, score, score, ping, infer, score, normalize, values, score}, 1000), 0U);
}

TEST_P(Allocations, AreNotMadeForManyConnections) {
  const RowsRequest request{.model = "a model with a name that is long", .rows = tensor(ones(32))};
  EXPECT_EQ(during({rows_call({}, "score", request)}, kRequests / 16, 16), 0U);
}

TEST_P(Allocations, AreNotMadeForMessagesThatComeInParts) {
  const RowsRequest request{.model = "m", .rows = tensor(ones(600))};
  constexpr std::size_t kCalls = 9;
  const Buffer stream = joined(std::vector<Buffer>(kCalls, rows_call({}, "score", request)));
  const auto first = std::span(stream).first(stream.size() / 2);
  Client client = server_.connect();
  std::size_t sent = server_->counts().bytes_in;
  const auto answer_in_parts = [&](int times) {
    for (int i = 0; i < times; ++i) {
      client.send(first);
      sent += first.size();
      ASSERT_TRUE(eventually([&] { return server_->counts().bytes_in == sent; }));
      client.send(std::span(stream).subspan(first.size()));
      sent += stream.size() - first.size();
      for (std::size_t call = 0; call < kCalls; ++call) client.receive_frame();
    }
  };
  answer_in_parts(10);
  const std::size_t before = allocations();
  answer_in_parts(100);
  EXPECT_EQ(allocations() - before, 0U);
}

TEST(IdleConnections, HaveAtMost16KiBEach) {
  RunningServer server(one_loop());
  server.publish("m", "1", make_model(600, 1, "identity").model);
  const auto score = rows_call({}, "score", {.rows = tensor(ones(600))});
  constexpr std::size_t kConnections = 1000;
  std::vector<Client> clients;
  clients.reserve(kConnections);
  const std::size_t before = allocated_bytes();
  for (std::size_t i = 0; i < kConnections; ++i) {
    clients.push_back(server.connect());
    clients.back().send(std::span(score).first(100));
  }
  ASSERT_TRUE(eventually([&] { return server->counts().bytes_in == 100 * kConnections; }));
  std::size_t of_clients = 0;
  for (Client& client : clients) {
    client.send(std::span(score).subspan(100));
    client.receive_frame();
    of_clients += client.ahead_bytes();
  }
  EXPECT_LE((allocated_bytes() - before - of_clients) / kConnections, std::size_t{16} << 10);
}

}  // namespace
}  // namespace thriftscore::testing
