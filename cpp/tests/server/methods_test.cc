// SPDX-License-Identifier: Apache-2.0
// Every method that is answered without Python, in every transport and protocol.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmath>

#include "tests/server/running_server.h"

namespace thriftscore::testing {
namespace {

constexpr std::size_t kColumns = 5;
constexpr std::size_t kRows = 7;

/// 6 features, 2 scores; takes sparse rows as they are stored.
std::shared_ptr<const Model> sparse_model() {
  const ModelFile file = staged(6,
                                {{{"op", "sparse_linear"},
                                  {"indptr", "p"},
                                  {"indices", "i"},
                                  {"weights", "w"},
                                  {"bias", "b"}}},
                                {{"p", {3}, {0, 2, 3}, "I64"},
                                 {"i", {3}, {0, 4, 5}, "I64"},
                                 {"w", {3}, {0.5, -2, 1}},
                                 {"b", {2}, {1, 0.25}}});
  return Model::load_bytes(file.build());
}

class Methods : public ::testing::TestWithParam<Format> {
 protected:
  void SetUp() override {
    server_.publish("m", "3", single_.model);
    server_.publish("d", "12", double_.model);
  }

  /// The reply to `call`, the only one on its connection.
  Reply ask(const Buffer& call) {
    Client client = server_.connect();
    client.send(call);
    client.finish_sending();
    const Buffer stream = client.receive_all();
    const Reply reply = parse_reply(GetParam(), stream);
    EXPECT_EQ(reply.bytes, stream.size());
    EXPECT_EQ(reply.sequence_id, 7);
    EXPECT_EQ(reply.type, 2);
    return reply;
  }

  static std::vector<float> single(const std::vector<double>& values) {
    return {values.begin(), values.end()};
  }

  template <typename T>
  static void expect_near(const std::vector<T>& values, const std::vector<double>& expected) {
    ASSERT_EQ(values.size(), expected.size());
    const double tolerance = sizeof(T) == 4 ? 1e-5 : 1e-13;
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_NEAR(static_cast<double>(values[i]), expected[i], tolerance) << "value " << i;
    }
  }

  /// Checks what ScoreResponse and NormalizeResponse have in common.
  static void expect_rows(const Value& response, std::int64_t rows, std::int64_t columns,
                          wire::DataType datatype, const std::string& version) {
    EXPECT_EQ(response.field(2).number(), static_cast<std::int64_t>(datatype));
    EXPECT_EQ(response.field(3).number(), rows);
    EXPECT_EQ(response.field(4).number(), columns);
    EXPECT_EQ(response.field(5).text(), version);
  }

  const TestModel single_ = make_model(kColumns, 3, "softmax", "fp32");
  const TestModel double_ = make_model(kColumns, 2, "identity", "fp64");
  const std::vector<double> rows_ = numbers(kRows * kColumns, 11);
  RunningServer server_;
};

INSTANTIATE_TEST_SUITE_P(, Methods, ::testing::ValuesIn(all_formats()),
                         [](const auto& test) { return name_of(test.param); });

using wire::DataType;

TEST_P(Methods, PingIsTrueWhileServing) {
  EXPECT_EQ(ask(text_call(GetParam(), "ping")).success().number(), 1);
}

TEST_P(Methods, ScoreAnswersInThePrecisionOfTheModel) {
  const auto fp32 = ask(rows_call(GetParam(), "score", {.rows = tensor(single(rows_))})).success();
  expect_rows(fp32, kRows, 3, DataType::kFp32, "3");
  expect_near(values_of<float>(fp32.field(1).text()), expected_scores(single_.file, rows_));
  EXPECT_FALSE(fp32.has(6)) << "a request_id that nobody sent";

  const RowsRequest request{.model = "d", .rows = tensor(rows_), .datatype = DataType::kFp64};
  const auto fp64 = ask(rows_call(GetParam(), "score", request)).success();
  expect_rows(fp64, kRows, 2, DataType::kFp64, "12");
  expect_near(values_of<double>(fp64.field(1).text()), expected_scores(double_.file, rows_));
}

TEST_P(Methods, ScoreTakesEitherDatatype) {
  const RowsRequest doubles{.rows = tensor(rows_), .datatype = DataType::kFp64};
  const auto scores = ask(rows_call(GetParam(), "score", doubles)).success();
  expect_near(values_of<float>(scores.field(1).text()), expected_scores(single_.file, rows_));

  const RowsRequest singles{.model = "d", .rows = tensor(single(rows_))};
  const auto wide = single(rows_);
  const std::vector<double> rounded(wide.begin(), wide.end());
  const auto scores64 = ask(rows_call(GetParam(), "score", singles)).success();
  expect_near(values_of<double>(scores64.field(1).text()), expected_scores(double_.file, rounded));
}

TEST_P(Methods, ScoreEchoesTheRequestIdAndTakesVersionColumnsDeadlineAndService) {
  const RowsRequest request{.version = "3",
                            .rows = tensor(single(rows_)),
                            .request_id = std::string(128, 'x'),
                            .deadline_ms = 60'000,
                            .columns = kColumns};
  const auto response = ask(rows_call(GetParam(), "ScoringService:score", request)).success();
  EXPECT_EQ(response.field(6).text(), std::string(128, 'x'));
  EXPECT_EQ(response.field(3).number(), static_cast<std::int64_t>(kRows));
}

TEST_P(Methods, ScoreOfNoRowsIsEmpty) {
  const auto response = ask(rows_call(GetParam(), "score", {})).success();
  expect_rows(response, 0, 3, DataType::kFp32, "3");
  EXPECT_EQ(response.field(1).text(), "");
}

TEST_P(Methods, ScoreValuesAnswersAListForModelsOfEitherPrecision) {
  const std::vector<double> row(rows_.begin(), rows_.begin() + kColumns);
  for (const auto* const name : {"m", "d"}) {
    const auto& model = *name == 'm' ? single_ : double_;
    const auto scores = ask(values_call(GetParam(), name, row)).success();
    const auto expected = expected_scores(model.file, row);
    const auto& list = std::get<Value::List>(scores.content);
    ASSERT_EQ(list.size(), expected.size());
    for (std::size_t i = 0; i < list.size(); ++i) {
      EXPECT_NEAR(std::get<double>(list[i].content), expected[i], *name == 'm' ? 1e-5 : 1e-13);
    }
  }
}

TEST_P(Methods, ScoreSparseTreatsWhatIsAbsentAsZero) {
  const SparseRequest request{.indptr = {0, 2, 2, 3},
                              .indices = {0, 4, 2},
                              .values = tensor(std::vector<float>{0.5F, -0.25F, 2.0F}),
                              .request_id = "sparse"};
  std::vector<double> dense(3 * kColumns);
  dense[0] = 0.5;
  dense[4] = -0.25;
  dense[2 * kColumns + 2] = 2;
  const auto response = ask(sparse_call(GetParam(), request)).success();
  expect_rows(response, 3, 3, DataType::kFp32, "3");
  expect_near(values_of<float>(response.field(1).text()), expected_scores(single_.file, dense));
  EXPECT_EQ(response.field(6).text(), "sparse");
}

TEST_P(Methods, ScoreSparseTakesDoubles) {
  const SparseRequest request{.model = "d",
                              .indptr = {0, 1},
                              .indices = {3},
                              .values = tensor(std::vector<double>{0.1}),
                              .datatype = DataType::kFp64};
  std::vector<double> dense(kColumns);
  dense[3] = 0.1;
  const auto response = ask(sparse_call(GetParam(), request)).success();
  expect_near(values_of<double>(response.field(1).text()), expected_scores(double_.file, dense));
}

TEST_P(Methods, ScoreSparseOfAModelWithSparseWeights) {
  server_.publish("sparse", "1", sparse_model());
  const SparseRequest request{.model = "sparse",
                              .indptr = {0, 2, 2, 4},
                              .indices = {0, 4, 3, 5},
                              .values = tensor(std::vector<float>{0.5F, -0.25F, 2.0F, 8.0F})};
  const auto response = ask(sparse_call(GetParam(), request)).success();
  EXPECT_EQ(values_of<double>(response.field(1).text()),
            (std::vector<double>{1.75, 0.25, 1, 0.25, 1, 8.25}));
}

TEST_P(Methods, NormalizeAndDenormalizeFollowTheFormulaInTheTypeSent) {
  ModelFile file = single_.file;
  const auto& mean = file.tensor("mean").values;
  const auto& scale = file.tensor("scale").values;
  std::vector<double> normalized;
  std::vector<double> denormalized;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const std::size_t column = i % kColumns;
    normalized.push_back((rows_[i] - mean[column]) / scale[column]);
    denormalized.push_back(mean[column] + scale[column] * rows_[i]);
  }
  const RowsRequest doubles{.rows = tensor(rows_), .datatype = DataType::kFp64, .request_id = "n"};
  const auto there = ask(rows_call(GetParam(), "normalize", doubles)).success();
  expect_rows(there, kRows, kColumns, DataType::kFp64, "3");
  expect_near(values_of<double>(there.field(1).text()), normalized);
  EXPECT_EQ(there.field(6).text(), "n");
  const auto back = ask(rows_call(GetParam(), "denormalize", doubles)).success();
  expect_near(values_of<double>(back.field(1).text()), denormalized);

  const RowsRequest singles{.rows = tensor(single(rows_))};
  const auto there32 = ask(rows_call(GetParam(), "normalize", singles)).success();
  expect_rows(there32, kRows, kColumns, DataType::kFp32, "3");
  expect_near(values_of<float>(there32.field(1).text()), normalized);
  const auto back32 = ask(rows_call(GetParam(), "denormalize", singles)).success();
  expect_near(values_of<float>(back32.field(1).text()), denormalized);
}

TEST_P(Methods, InferEchoesItsIdAndNamesItsTensors) {
  const RowsRequest request{.rows = tensor(single(rows_)), .request_id = "r"};
  const auto response = ask(infer_call(GetParam(), request, kColumns, "call 9")).success();
  EXPECT_EQ(response.field(1).text(), "m");
  EXPECT_EQ(response.field(2).text(), "3");
  EXPECT_EQ(response.field(3).text(), "call 9");
  EXPECT_EQ(response.field(6).text(), "r");
  const auto& outputs = std::get<Value::List>(response.field(5).content);
  ASSERT_EQ(outputs.size(), 1U);
  EXPECT_EQ(outputs[0].field(1).text(), "scores");
  EXPECT_EQ(outputs[0].field(2).number(), static_cast<std::int64_t>(DataType::kFp32));
  const auto& shape = std::get<Value::List>(outputs[0].field(3).content);
  ASSERT_EQ(shape.size(), 2U);
  EXPECT_EQ(shape[0].number(), static_cast<std::int64_t>(kRows));
  EXPECT_EQ(shape[1].number(), 3);
  expect_near(values_of<float>(outputs[0].field(4).text()), expected_scores(single_.file, rows_));
}

/// What is not for the loops reaches Python as it came, and Python's reply the client.
TEST_P(Methods, WhatIsWrongOrUnknownIsAnsweredByPython) {
  const PythonThread python(*server_, answer_with_echo);
  server_.publish("sparse", "1", sparse_model());
  const Format format = GetParam();
  const auto rows = tensor(single(rows_));
  const std::vector<std::pair<std::string, Buffer>> calls{
      {"score", rows_call(format, "score", {.model = "absent", .rows = rows})},
      {"score", rows_call(format, "score", {.version = "4", .rows = rows})},
      {"score", rows_call(format, "score", {.rows = Buffer(21)})},
      {"score", rows_call(format, "score", {.rows = rows, .columns = 6})},
      {"score", rows_call(format, "score", {.rows = rows, .datatype = DataType::kInt32})},
      {"score", rows_call(format, "score", {.rows = rows, .deadline_ms = -1})},
      {"score", rows_call(format, "score", {.rows = rows, .request_id = std::string(129, 'x')})},
      {"score", rows_call(format, "score", {.rows = tensor(std::vector<float>{1, 2, NAN, 4, 5})})},
      {"score", text_call(format, "score")},
      {"score_values", values_call(format, "m", {1, 2})},
      {"score_sparse",
       sparse_call(format, {.indptr = {0, 1}, .indices = {5}, .values = Buffer(4)})},
      {"score_sparse", sparse_call(format, {.indptr = {}, .indices = {}, .values = {}})},
      {"score_sparse",
       sparse_call(format, {.indptr = {0, 2, 1}, .indices = {1}, .values = Buffer(4)})},
      {"score_sparse",
       sparse_call(format, {.indptr = {0, 2}, .indices = {3, 1}, .values = Buffer(8)})},
      {"score_sparse",
       sparse_call(format, {.indptr = {1, 1}, .indices = {0}, .values = Buffer(4)})},
      {"score_sparse",
       sparse_call(format,
                   {.model = "sparse", .indptr = {0, 2, 1}, .indices = {6}, .values = Buffer(4)})},
      {"score_sparse",
       sparse_call(format,
                   {.model = "sparse", .indptr = {0, 1}, .indices = {6}, .values = Buffer(4)})},
      {"infer", infer_call(format, {.rows = rows}, 7, "id")},
      {"score_named", text_call(format, "score_named", "m")},
      {"server_live", text_call(format, "server_live")},
      {"no_such_method", text_call(format, "no_such_method")},
  };
  for (const auto& [method, call] : calls) {
    Client client = server_.connect();
    client.send(call);
    const auto expected = echo_of(format, call, method);
    EXPECT_EQ(client.receive(expected.size()), expected) << method;
  }
}

TEST_P(Methods, PingGoesToPythonWhileNotServing) {
  const PythonThread python(*server_, answer_with_echo);
  server_->set_serving(false);
  Client client = server_.connect();
  const auto ping = text_call(GetParam(), "ping");
  client.send(ping);
  const auto expected = echo_of(GetParam(), ping, "ping");
  EXPECT_EQ(client.receive(expected.size()), expected);
}

TEST(Sockets, UnixDomainAndTcpServeTheSameModels) {
  const std::string path = ::testing::TempDir() + "server_test." + std::to_string(::getpid());
  ::unlink(path.c_str());
  server::Server server({.io_threads = 2, .compute_threads = 1});
  const int tcp = listen_tcp();
  const auto port = port_of(tcp);
  server.adopt_listener(tcp);
  server.adopt_listener(listen_unix(path));
  server.start();
  for (int round = 0; round < 3; ++round) {
    Client over_tcp = Client::tcp(port);
    Client over_path = Client::unix_domain(path);
    for (Client* const client : {&over_tcp, &over_path}) {
      client->send(text_call({}, "ping", {}, round));
      const Reply reply = receive_reply(*client);
      EXPECT_EQ(reply.success().number(), 1);
      EXPECT_EQ(reply.sequence_id, round);
    }
  }
  ::unlink(path.c_str());
}

TEST(Sockets, WhatDoesNotListenIsRefusedAndStaysWithItsOwner) {
  server::Server server(one_loop());
  const int unbound = ::socket(AF_INET, SOCK_STREAM, 0);
  const int datagrams = ::socket(AF_INET, SOCK_DGRAM, 0);
  for (const int descriptor : {unbound, datagrams, -1, 0x7fff'fff0}) {
    EXPECT_THROW(server.adopt_listener(descriptor), std::system_error) << descriptor;
  }
  EXPECT_EQ(::close(unbound), 0);
  EXPECT_EQ(::close(datagrams), 0);
}

}  // namespace
}  // namespace thriftscore::testing
