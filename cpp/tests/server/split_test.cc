// SPDX-License-Identifier: Apache-2.0
// Requests that name no version are spread over versions by weight.
#include "server/split.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tests/server/running_server.h"

namespace thriftscore::testing {
namespace {

constexpr std::size_t kColumns = 600;  // few enough to be joined

std::string id_of(std::size_t index) { return "request-" + std::to_string(index); }

class SplitRequests : public ::testing::Test {
 protected:
  SplitRequests() { server_.publish_traffic("m", {{"1", one_, 80}, {"2", two_, 20}}); }

  static Buffer call(std::size_t index, std::optional<std::string> id, std::string version = "") {
    const RowsRequest request{.version = std::move(version),
                              .rows = tensor(std::vector<float>(kColumns, 0.5F)),
                              .request_id = std::move(id)};
    return rows_call({}, "score", request, static_cast<std::int32_t>(index));
  }

  float score_of(const std::string& version) const {
    const std::vector<float> row(kColumns, 0.5F);
    float score = 0;
    Workspace workspace;
    (version == "1" ? one_ : two_)->score(row.data(), 1, &score, workspace);
    return score;
  }

  /// Sends `calls`, of indices from `first`, behind one another; checks each reply, and returns the
  /// versions they name.
  std::vector<std::string> versions(const std::vector<Buffer>& calls, std::size_t first = 0) {
    Client client = server_.connect();
    client.send(joined(calls));
    std::vector<std::string> named;
    for (std::size_t index = 0; index < calls.size(); ++index) {
      const Reply reply = receive_reply(client);
      const Value& response = reply.success();
      EXPECT_EQ(reply.sequence_id, first + index);
      named.push_back(response.field(5).text());
      const std::vector<float> expected{score_of(named.back())};
      EXPECT_EQ(values_of<float>(response.field(1).text()), expected);
    }
    return named;
  }

  /// Two models with other answers to the same row.
  const std::shared_ptr<const Model> one_ = make_model(kColumns, 1, "identity").model;
  const std::shared_ptr<const Model> two_ = make_model(kColumns, 1, "sigmoid").model;
  RunningServer server_{one_loop()};
};

TEST_F(SplitRequests, GetTheVersionOfTheirIdWhetherTheyAreJoinedOrNot) {
  std::vector<Buffer> calls;
  for (std::size_t i = 0; i < 500; ++i) calls.push_back(call(i, id_of(i)));
  const auto together = versions(calls);
  const server::Split split({80, 20});
  for (std::size_t i = 0; i < calls.size(); ++i) {
    EXPECT_EQ(together[i], split.pick(id_of(i), {}) == 0 ? "1" : "2");
  }
  for (std::size_t i = 0; i < calls.size(); i += 50) {
    EXPECT_EQ(versions({calls[i]}, i).front(), together[i]);
  }
}

TEST_F(SplitRequests, AreSpreadByWeightWithoutAnIdAlsoWhenOneFollowsAnother) {
  constexpr std::size_t kRequests = 4000;
  std::vector<Buffer> calls;
  for (std::size_t i = 0; i < kRequests; ++i) calls.push_back(call(i, std::nullopt));
  const auto named = versions(calls);
  const auto first = static_cast<double>(std::count(named.begin(), named.end(), "1"));
  EXPECT_NEAR(first / kRequests, 0.8, 0.045);  // seven standard deviations
}

TEST_F(SplitRequests, ThatNameAVersionGetThatOne) {
  std::vector<Buffer> calls;
  for (std::size_t i = 0; i < 40; ++i) calls.push_back(call(i, id_of(i), i % 2 == 0 ? "1" : "2"));
  const auto named = versions(calls);
  for (std::size_t i = 0; i < named.size(); ++i) EXPECT_EQ(named[i], i % 2 == 0 ? "1" : "2");
}

TEST_F(SplitRequests, GetTheDefaultAgainWhenTheSplitHasGone) {
  server_.publish("m", "1", one_);
  std::vector<Buffer> calls;
  for (std::size_t i = 0; i < 40; ++i) calls.push_back(call(i, id_of(i)));
  EXPECT_EQ(versions(calls), std::vector<std::string>(calls.size(), "1"));
}

TEST(Split, GivesAWeightOfZeroNothing) {
  const server::Split split({0, 3, 0, 1});
  std::map<std::size_t, int> picked;
  for (std::size_t i = 0; i < 1000; ++i) ++picked[split.pick(id_of(i), {})];
  EXPECT_EQ(picked.size(), 2U);
  EXPECT_GT(picked[1], picked[3]);
  EXPECT_GT(picked[3], 0);
}

}  // namespace
}  // namespace thriftscore::testing
