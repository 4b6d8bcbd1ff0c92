// SPDX-License-Identifier: Apache-2.0
// Every recv() and send() of the server moves one byte, after it has failed for no reason.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "tests/server/running_server.h"

namespace {

/// Every second call is interrupted before it moves anything.
bool interrupted() {
  thread_local bool odd = false;
  odd = !odd;
  errno = EINTR;
  return odd;
}

}  // namespace

// In the place of the C library's. The tests' own clients use other functions.
extern "C" ssize_t recv(int descriptor, void* into, std::size_t size, int flags) {
  if (interrupted()) return -1;
  return ::syscall(SYS_recvfrom, descriptor, into, size == 0 ? 0 : 1, flags, nullptr, nullptr);
}

extern "C" ssize_t send(int descriptor, const void* from, std::size_t size, int flags) {
  if (interrupted()) return -1;
  return ::syscall(SYS_sendto, descriptor, from, size == 0 ? 0 : 1, flags, nullptr, 0);
}

namespace thriftscore::testing {
namespace {

TEST(ShortTransfers, ChangeNoReplyAndNoOrder) {
  RunningServer server(one_loop());
  const auto model = make_model(4, 1, "identity").model;
  server.publish("m", "1", model);
  const PythonThread python(*server, answer_with_echo);
  const std::vector<float> row{1, 2, 3, 4};
  float score = 0;
  Workspace workspace;
  model->score(row.data(), 1, &score, workspace);
  std::vector<Buffer> calls;
  for (int id = 0; id < 60; ++id) {
    const RowsRequest request{.rows = tensor(row), .request_id = std::to_string(id)};
    calls.push_back(id % 3 == 0   ? text_call({}, "server_live", {}, id)
                    : id % 3 == 1 ? text_call({}, "ping", {}, id)
                                  : rows_call({}, "score", request, id));
  }
  Client client = server.connect();
  client.send(joined(calls));
  for (int id = 0; id < 60; ++id) {
    const Reply reply = receive_reply(client);
    ASSERT_EQ(reply.sequence_id, id);
    if (id % 3 != 2) continue;
    EXPECT_EQ(reply.success().field(6).text(), std::to_string(id));
    EXPECT_EQ(values_of<float>(reply.success().field(1).text()), std::vector<float>{score});
  }
  EXPECT_GT(server->counts().bytes_in, 0U);
}

}  // namespace
}  // namespace thriftscore::testing
