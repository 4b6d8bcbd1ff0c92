// SPDX-License-Identifier: Apache-2.0
// A shadow scores again what was answered, and nobody who waits for an answer can tell.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "server/comparison.h"
#include "tests/server/running_server.h"

namespace thriftscore::testing {
namespace {

constexpr std::size_t kColumns = 12;

std::vector<float> rows_of(std::size_t count, std::uint64_t seed, std::size_t columns = kColumns) {
  const auto values = numbers(count * columns, seed);
  return {values.begin(), values.end()};
}

std::vector<float> scores_of(const Model& model, const std::vector<float>& rows) {
  const std::size_t count = rows.size() / model.columns();
  std::vector<float> scores(count * model.outputs());
  Workspace workspace;
  model.score(rows.data(), count, scores.data(), workspace);
  return scores;
}

/// The largest difference of each row.
std::vector<double> differences(const Model& served, const Model& shadow,
                                const std::vector<float>& rows) {
  const auto answered = scores_of(served, rows);
  const auto others = scores_of(shadow, rows);
  std::vector<double> found(rows.size() / served.columns());
  for (std::size_t at = 0; at < answered.size(); ++at) {
    auto& largest = found[at / served.outputs()];
    largest = std::max(largest, std::abs(double{others[at]} - double{answered[at]}));
  }
  return found;
}

class Shadow : public ::testing::Test {
 protected:
  explicit Shadow(server::ShadowLimits limits = {}) : server_(one_loop(), limits) {}

  void publish(const std::shared_ptr<const Model>& shadow) {
    server_.publish_traffic("m", {{"1", served_, 1}}, {"2", shadow, 0});
  }

  /// Asks for rows and checks the answer.
  void score(Client& client, const std::vector<float>& rows, const std::string& version = "") {
    const RowsRequest request{.version = version, .rows = tensor(rows)};
    client.send(rows_call({}, "score", request));
    const Reply reply = receive_reply(client);
    EXPECT_EQ(values_of<float>(reply.success().field(1).text()), scores_of(*served_, rows));
  }

  server::DifferenceFigures figures() {
    const auto found = server_->shadows().comparisons("m", served_);
    return found.empty() ? server::DifferenceFigures{} : found.front()->figures();
  }
  bool has_compared(std::size_t rows) {
    return eventually([&] { return figures().rows == rows; });
  }

  const std::shared_ptr<const Model> served_ = make_model(kColumns, 3, "softmax").model;
  const std::shared_ptr<const Model> other_ = make_model(kColumns, 3, "sigmoid").model;
  RunningServer server_;
};

TEST_F(Shadow, ComparesRowsOfEveryKindOfRequest) {
  publish(other_);
  Client client = server_.connect();
  std::vector<double> expected;
  const auto expect = [&](const std::vector<float>& rows) {
    const auto more = differences(*served_, *other_, rows);
    expected.insert(expected.end(), more.begin(), more.end());
    EXPECT_TRUE(has_compared(expected.size()));
  };
  for (const std::size_t count : {1U, 70U, 20'000U}) {  // the last for the compute threads
    const auto rows = rows_of(count, count);
    score(client, rows);
    expect(rows);
  }
  const auto row = rows_of(1, 5);
  client.send(values_call({}, "m", {row.begin(), row.end()}));
  client.send(infer_call({}, {.rows = tensor(row)}, kColumns, "id"));
  const std::vector<float> stored{0.5F, -2.0F};
  client.send(sparse_call({}, {.indptr = {0, 1, 2}, .indices = {3, 7}, .values = tensor(stored)}));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(receive_reply(client).has_result());
  std::vector<float> rows = row;
  rows.insert(rows.end(), row.begin(), row.end());
  rows.resize(4 * kColumns);
  rows[2 * kColumns + 3] = stored[0];
  rows[3 * kColumns + 7] = stored[1];
  expect(rows);
  const auto found = figures();
  const double sum = std::accumulate(expected.begin(), expected.end(), 0.0);
  EXPECT_EQ(found.max, *std::max_element(expected.begin(), expected.end()));
  EXPECT_NEAR(found.mean, sum / static_cast<double>(expected.size()), 1e-12);
  EXPECT_EQ(found.dropped_rows + found.failed_rows, 0U);
}

TEST_F(Shadow, ComparesRowsThatWereJoined) {
  publish(other_);
  const auto rows = rows_of(200, 3);
  std::vector<Buffer> calls;
  for (std::size_t i = 0; i < 200; ++i) {
    const std::vector<float> row(rows.begin() + static_cast<std::ptrdiff_t>(i * kColumns),
                                 rows.begin() + static_cast<std::ptrdiff_t>((i + 1) * kColumns));
    calls.push_back(rows_call({}, "score", {.rows = tensor(row)}));
    // Joined to none of those above, and not compared.
    calls.push_back(rows_call({}, "score", {.version = "1", .rows = tensor(row)}));
  }
  Client client = server_.connect();
  client.send(joined(calls));
  for (std::size_t i = 0; i < calls.size(); ++i) EXPECT_TRUE(receive_reply(client).has_result());
  EXPECT_TRUE(has_compared(200));
  const auto expected = differences(*served_, *other_, rows);
  EXPECT_EQ(figures().max, *std::max_element(expected.begin(), expected.end()));
}

TEST_F(Shadow, LeavesRequestsAloneThatNameAVersionOrDoNotScore) {
  publish(other_);
  Client client = server_.connect();
  const auto rows = rows_of(4, 1);
  for (const auto* version : {"1", "1", "1"}) score(client, rows, version);
  client.send(rows_call({}, "normalize", {.rows = tensor(rows)}));
  EXPECT_TRUE(receive_reply(client).has_result());
  score(client, rows);
  EXPECT_TRUE(has_compared(4));
}

TEST_F(Shadow, IsComparedWithEachVersionOfASplit) {
  const auto half = make_model(kColumns, 3, "sigmoid").model;
  server_.publish_traffic("m", {{"1", served_, 1}, {"2", half, 1}}, {"3", other_, 0});
  Client client = server_.connect();
  for (int i = 0; i < 100; ++i) {
    client.send(
        rows_call({}, "score", {.rows = tensor(rows_of(1, 1)), .request_id = std::to_string(i)}));
    EXPECT_TRUE(receive_reply(client).has_result());
  }
  const auto compared = [&](const std::shared_ptr<const Model>& served) {
    return server_->shadows().comparisons("m", served).front()->figures();
  };
  EXPECT_TRUE(eventually([&] { return compared(served_).rows + compared(half).rows == 100; }));
  EXPECT_GT(compared(served_).rows, 0U);
  EXPECT_GT(compared(served_).max, 0);
  EXPECT_GT(compared(half).rows, 0U);
  EXPECT_EQ(compared(half).max, 0);
}

TEST_F(Shadow, CountsRowsThatItRefuses) {
  auto refusing = example(kColumns, 3, "sigmoid", "fp32");
  auto taking = example(kColumns, 3, "softmax", "fp32");
  refusing.graph["missing_values"] = "refuse";
  taking.graph["missing_values"] = "propagate";
  const auto served = Model::load_bytes(taking.build());
  const auto shadow = Model::load_bytes(refusing.build());
  server_.publish_traffic("m", {{"1", served, 1}}, {"2", shadow, 0});
  auto rows = rows_of(50, 2);
  rows[20 * kColumns] = rows[41 * kColumns + 3] = NAN;
  Client client = server_.connect();
  client.send(rows_call({}, "score", {.rows = tensor(rows)}));
  EXPECT_TRUE(receive_reply(client).has_result());
  const auto comparison = server_->shadows().comparisons("m", served).front();
  EXPECT_TRUE(eventually([&] { return comparison->figures().rows == 48; }));
  EXPECT_EQ(comparison->figures().failed_rows, 2U);
}

TEST_F(Shadow, FailsAtRowsOfAnotherShape) {
  Client client = server_.connect();
  for (const auto& shadow :
       {make_model(kColumns + 1, 3, "softmax").model, make_model(kColumns, 2, "softmax").model}) {
    publish(shadow);
    score(client, rows_of(5, 1));
    EXPECT_TRUE(eventually([&] { return figures().failed_rows == 5; }));
    EXPECT_EQ(figures().rows, 0U);
  }
}

TEST_F(Shadow, ThatGoesOrStaysAwayChangesNoAnswer) {
  Client client = server_.connect();
  for (int round = 0; round < 30; ++round) {
    publish(round % 2 == 0 ? other_ : nullptr);
    for (int i = 0; i < 20; ++i) score(client, rows_of(1, static_cast<std::uint64_t>(i)));
  }
  EXPECT_EQ(figures().failed_rows, 0U);
}

class SlowShadow : public Shadow {
 protected:
  SlowShadow() : Shadow({.requests_max = 4, .bytes_max = std::size_t{1} << 20}) {}

  void publish_slow(const std::shared_ptr<const Model>& shadow) {
    server_.publish_traffic("m", {{"1", one_column_, 1}}, {"2", shadow, 0});
  }
  void score(Client& client, std::size_t count) {
    const std::vector<float> rows(count, 0.5F);
    client.send(rows_call({}, "score", {.rows = tensor(rows)}));
    const auto reply = receive_reply(client);
    EXPECT_EQ(values_of<float>(reply.success().field(1).text()), scores_of(*one_column_, rows));
  }
  server::DifferenceFigures slow_figures() {
    return server_->shadows().comparisons("m", one_column_).front()->figures();
  }

  const std::shared_ptr<const Model> one_column_ = make_model(1, 1, "identity").model;
};

TEST_F(SlowShadow, DropsAndCountsWhatThereIsNoRoomFor) {
  publish_slow(heavy_model());
  Client client = server_.connect();
  for (int i = 0; i < 50; ++i) score(client, 10);
  EXPECT_TRUE(eventually([&] { return slow_figures().rows + slow_figures().dropped_rows == 500; }));
  EXPECT_GT(slow_figures().dropped_rows, 0U);
  EXPECT_GE(slow_figures().rows, 40U);
}

TEST_F(SlowShadow, DropsARequestThatIsLargerThanTheQueue) {
  publish_slow(make_model(1, 1, "identity").model);
  Client client = server_.connect();
  score(client, 300'000);
  EXPECT_EQ(slow_figures().dropped_rows, 300'000U);
  score(client, 10);
  EXPECT_TRUE(eventually([&] { return slow_figures().rows == 10; }));
}

TEST_F(SlowShadow, IsLetGoOfInTheMiddleOfItsWork) {
  auto shadow = make_heavy_model();
  publish_slow(shadow);
  const std::weak_ptr<const Model> loaded = shadow;
  shadow = nullptr;
  Client client = server_.connect();
  for (int i = 0; i < 4; ++i) score(client, 60'000);  // hours
  server_.publish("m", "1", one_column_);
  EXPECT_TRUE(eventually([&] { return loaded.expired(); }));
}

TEST_F(SlowShadow, DoesNotHoldUpTheEnd) {
  publish_slow(heavy_model());
  Client client = server_.connect();
  for (int i = 0; i < 4; ++i) score(client, 60'000);
  server_->shadows().stop();
  score(client, 1);  // is answered, and dropped
  EXPECT_GT(slow_figures().dropped_rows, 0U);
}

TEST(DifferenceHistogram, GivesQuantilesWithinTwoPercent) {
  std::mt19937_64 random(7);  // NOLINT(cert-msc51-cpp): the same numbers every time
  std::lognormal_distribution<double> sizes(-8, 6);
  std::vector<double> values(10'001);
  server::DifferenceHistogram histogram;
  for (auto& value : values) histogram.record(value = sizes(random));
  std::sort(values.begin(), values.end());
  for (const double fraction : {0.0, 0.01, 0.5, 0.9, 0.99, 1.0}) {
    const auto rank = static_cast<std::size_t>(fraction * 10'000);
    EXPECT_NEAR(histogram.quantile(fraction) / values[rank], 1, 0.02) << fraction;
  }
  EXPECT_EQ(histogram.max(), values.back());
}

TEST(DifferenceHistogram, TakesNumbersOfAnySize) {
  for (const double value : {0.0, 5e-300, 1.0, 1.7e308, HUGE_VAL}) {
    server::DifferenceHistogram histogram;
    EXPECT_EQ(histogram.quantile(0.5), 0);
    for (int i = 0; i < 3; ++i) histogram.record(value);
    EXPECT_EQ(histogram.max(), value);
    EXPECT_TRUE(histogram.quantile(0.5) == value ||
                std::abs(histogram.quantile(0.5) / value - 1) < 0.02);
  }
}

TEST(Comparison, CountsRowsWithoutANumberAsRowsOnly) {
  const auto model = make_model(1, 1).model;
  server::Comparison comparison("m", {"1", model}, {"2", model});
  comparison.record(std::vector<double>{1.0, NAN, 3.0});
  EXPECT_EQ(comparison.figures().rows, 3U);
  EXPECT_EQ(comparison.figures().mean, 2.0);
  EXPECT_EQ(comparison.figures().max, 3.0);
}

}  // namespace
}  // namespace thriftscore::testing
