// SPDX-License-Identifier: Apache-2.0
// One-row requests that arrive together are scored together, and nobody can tell.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/server/running_server.h"

namespace thriftscore::testing {
namespace {

constexpr std::size_t kColumns = 600;

std::vector<float> row_of(std::size_t index, std::size_t columns) {
  const auto values = numbers(columns, index + 1);
  return {values.begin(), values.end()};
}

std::vector<float> wide_row(int id) { return row_of(static_cast<std::size_t>(id), kColumns); }

class Joining : public ::testing::Test {
 protected:
  Joining() {
    server_.publish("wide", "1", wide_);
    server_.publish("other", "1", make_model(kColumns, 2, "softmax").model);
    server_.publish("narrow", "1", make_model(4, 1, "identity").model);
  }

  static Buffer call(const std::string& model, const std::vector<float>& row, std::int32_t id) {
    const RowsRequest request{
        .model = model, .rows = tensor(row), .request_id = std::to_string(id)};
    return rows_call({}, "score", request, id);
  }

  /// Sends `calls` so that they are read together.
  Client send(const std::vector<Buffer>& calls) {
    Client client = server_.connect();
    client.send(joined(calls));
    return client;
  }

  /// Calls of the kernels for successful requests to score with `model`, and the requests.
  std::pair<std::uint64_t, std::uint64_t> executions_of(const std::string& model) {
    for (const auto& [kind, counts] : server_->statistics()) {
      if (kind.served->model_name == model && !kind.code) {
        return {counts->executions.value(), counts->total.count()};
      }
    }
    return {0, 0};
  }

  void expect_score(const Reply& reply, const std::vector<float>& row, std::int32_t id) const {
    float score = 0;
    Workspace workspace;
    wide_->score(row.data(), 1, &score, workspace);
    EXPECT_EQ(reply.sequence_id, id);
    const Value& response = reply.success();
    EXPECT_EQ(values_of<float>(response.field(1).text()), std::vector<float>{score}) << id;
    EXPECT_EQ(response.field(3).number(), 1);
    EXPECT_EQ(response.field(6).text(), std::to_string(id));
  }

  const std::shared_ptr<const Model> wide_ = make_model(kColumns, 1, "identity").model;
  RunningServer server_{one_loop()};
};

TEST_F(Joining, GivesTheBitsOfSingleRequestsWithFewerCallsOfTheKernels) {
  std::vector<Buffer> calls;
  for (int id = 0; id < 100; ++id) calls.push_back(call("wide", wide_row(id), id));
  Client client = send(calls);
  for (int id = 0; id < 100; ++id) {
    expect_score(receive_reply(client), wide_row(id), id);
  }
  const auto [executions, requests] = executions_of("wide");
  EXPECT_EQ(requests, 100U);
  EXPECT_LT(executions, 50U);
}

TEST_F(Joining, IsNotDoneForRequestsThatComeAlone) {
  Client client = server_.connect();
  for (int id = 0; id < 10; ++id) {
    client.send(call("wide", wide_row(id), id));
    expect_score(receive_reply(client), wide_row(id), id);
  }
  EXPECT_EQ(executions_of("wide"), (std::pair<std::uint64_t, std::uint64_t>{10, 10}));
}

TEST_F(Joining, PassesTheRowThatIsRefusedToPythonAloneAndAnswersTheOthersInOrder) {
  std::vector<Buffer> calls;
  for (int id = 0; id < 20; ++id) {
    auto row = wide_row(id);
    if (id == 11) row[300] = NAN;
    calls.push_back(call("wide", row, id));
  }
  Client client = send(calls);
  for (int id = 0; id < 11; ++id) {
    expect_score(receive_reply(client), wide_row(id), id);
  }
  const auto refused = server_->deferred().take(kPatience);
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->sequence_id, 11);
  answer_with_echo(refused);
  EXPECT_EQ(client.receive_frame(), echo_of({}, calls[11], "score", 11));
  for (int id = 12; id < 20; ++id) {
    expect_score(receive_reply(client), wide_row(id), id);
  }
  EXPECT_EQ(server_->deferred().size(), 0U);
  EXPECT_EQ(executions_of("wide").second, 19U);
}

TEST_F(Joining, KeepsTheOrderAmongOtherCalls) {
  const auto row = row_of(1, kColumns);
  RowsRequest doubles{.model = "wide", .datatype = wire::DataType::kFp64};
  doubles.rows = tensor(std::vector<double>(row.begin(), row.end()));
  RowsRequest expired{.model = "wide", .rows = tensor(row), .deadline_ms = 60'000};
  const std::vector<Buffer> calls{
      call("wide", row, 0),
      call("other", row, 1),
      call("wide", row, 2),
      rows_call({}, "score", doubles, 3),
      rows_call({}, "score", expired, 4),
      text_call({}, "ping", {}, 5),
      call("wide", row, 6),
      call("narrow", {1, 2, 3, 4}, 7),
      call("wide", row, 8),
      rows_call({}, "Other:score", {.model = "wide", .rows = tensor(row)}, 9),
      call("wide", row, 10),
      rows_call({}, "normalize", {.model = "wide", .rows = tensor(row)}, 11),
  };
  for (int round = 0; round < 20; ++round) {
    Client client = send(calls);
    for (int id = 0; id < 12; ++id) EXPECT_EQ(receive_reply(client).sequence_id, id);
  }
}

/// The deadline passes while the loop is busy with what came before in the same read.
TEST_F(Joining, RefusesRowsThatAreTooLateInTheirPlace) {
  RunningServer server({.io_threads = 1, .inline_work_ns_max = 1'000'000'000});
  server.publish("heavy", "1", heavy_model());
  server.publish("wide", "1", wide_);
  const auto row = row_of(1, kColumns);
  const RowsRequest slow{.model = "heavy", .rows = tensor(std::vector<float>(100, 1))};
  const RowsRequest late{.model = "wide", .rows = tensor(row), .deadline_ms = 1};
  Client client = server.connect();
  client.send(joined({rows_call({}, "score", slow, 0), call("wide", row, 1),
                      rows_call({}, "score", late, 2), call("wide", row, 3)}));
  for (int id = 0; id < 4; ++id) {
    const Reply reply = receive_reply(client);
    EXPECT_EQ(reply.sequence_id, id);
    EXPECT_EQ(reply.has_result(), id != 2);
  }
}

/// Rows so large that a few of them exceed what the loop may do at once are not joined.
TEST_F(Joining, LeavesLargeRowsToTheComputePool) {
  server_.publish("heavy", "1", heavy_model());
  Client client = send({call("heavy", {1}, 0), call("heavy", {2}, 1)});
  for (int id = 0; id < 2; ++id) EXPECT_EQ(receive_reply(client).sequence_id, id);
  EXPECT_EQ(executions_of("heavy"), (std::pair<std::uint64_t, std::uint64_t>{2, 2}));
}

}  // namespace
}  // namespace thriftscore::testing
