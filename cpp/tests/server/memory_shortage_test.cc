// SPDX-License-Identifier: Apache-2.0
// A connection for which there is no memory is closed; the others go on.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/server/running_server.h"

namespace {

/// Allocations from this size on fail, but for those of the thread of the test.
std::atomic<std::size_t> largest{~std::size_t{0}};
thread_local bool spared = false;

void* allocate(std::size_t size) {
  void* const memory = !spared && size >= largest.load() ? nullptr : std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace thriftscore::testing {
namespace {

class MemoryShortage : public ::testing::Test {
 protected:
  MemoryShortage() {
    spared = true;
    server_.publish("m", "1", make_model(4, 1, "identity").model);
    server_.publish("loud", "1", make_model(1, 4096, "identity").model);
  }
  ~MemoryShortage() override { largest = ~std::size_t{0}; }

  /// Sends `call`, for which memory is short; the connection has to be closed, and only it.
  void expect_failure(const Buffer& call) {
    Client bystander = server_.connect();
    bystander.send(text_call({}, "ping", {}, 1));
    EXPECT_EQ(receive_reply(bystander).sequence_id, 1);
    const auto failed = server_.closed(server::CloseReason::kFailed);
    Client client = server_.connect();
    largest = 100'000;
    client.send(call);
    static_cast<void>(client.receive_all());
    EXPECT_TRUE(
        eventually([&] { return server_.closed(server::CloseReason::kFailed) == failed + 1; }));
    bystander.send(text_call({}, "ping", {}, 2));
    EXPECT_EQ(receive_reply(bystander).sequence_id, 2);
    largest = ~std::size_t{0};
    EXPECT_EQ(server_->counts().calls_under_way, 0U);
  }

  RunningServer server_{one_loop()};
};

TEST_F(MemoryShortage, ForAMessageEndsItsConnection) {
  const auto call = rows_call({}, "score", {.rows = Buffer(4'000'000)});
  expect_failure({call.begin(), call.begin() + 150'000});
  Client client = server_.connect();
  client.send(call);
  EXPECT_TRUE(receive_reply(client).has_result());
}

TEST_F(MemoryShortage, ForRepliesEndsTheirConnection) {
  const auto loud = rows_call({}, "score", {.model = "loud", .rows = Buffer(4)});
  expect_failure(joined(std::vector<Buffer>(100, loud)));
  Client client = server_.connect();
  client.send(loud);
  EXPECT_EQ(receive_reply(client).success().field(3).number(), 1);
}

}  // namespace
}  // namespace thriftscore::testing
