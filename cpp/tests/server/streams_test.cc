// SPDX-License-Identifier: Apache-2.0
// Replies come in the order of the requests, whatever the requests are and however they arrive.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/server/running_server.h"

namespace thriftscore::testing {
namespace {

constexpr std::size_t kColumns = 4;
constexpr std::size_t kWideColumns = 600;  // above the threshold for joining rows

using Parts = std::vector<std::span<const std::byte>>;

struct Call {
  Format format;
  Buffer bytes;
  Buffer reply{};  // when it is sent alone
};

Buffer single_rows(std::size_t count, std::uint64_t seed) {
  const auto values = numbers(count, seed);
  return tensor(std::vector<float>(values.begin(), values.end()));
}

Buffer nan_row(std::size_t columns) {
  std::vector<float> row(columns, 1.0F);
  row[columns / 2] = NAN;
  return tensor(row);
}

/// Every method and every kind of answer.
void add_mixed(const Format& format, std::int32_t id, std::vector<Call>& calls) {
  const auto add = [&](Buffer bytes) { calls.push_back({format, std::move(bytes)}); };
  const RowsRequest small{.rows = single_rows(2 * kColumns, 5), .request_id = "a"};
  add(text_call(format, "ping", {}, ++id));
  add(rows_call(format, "score", small, ++id));
  add(text_call(format, "server_live", "deferred", ++id));
  add(rows_call(format, "normalize", small, ++id));
  add(rows_call(format, "score", {.model = "absent"}, ++id));
  add(infer_call(format, small, kColumns, "i", ++id));
  add(rows_call(format, "Other:score", small, ++id));
  add(rows_call(format, "score", {.rows = nan_row(kColumns)}, ++id));
  add(values_call(format, "m", {1, 2, 3, 4}, ++id));
}

/// Rows that are joined, one of which Python has to refuse, and what must not overtake them.
void add_joinable(const Format& format, std::int32_t id, std::vector<Call>& calls) {
  const auto add = [&](Buffer bytes) { calls.push_back({format, std::move(bytes)}); };
  for (const bool missing : {false, false, true, false}) {
    const auto rows = missing ? nan_row(kWideColumns) : single_rows(kWideColumns, 8);
    const RowsRequest request{.model = "w", .rows = rows, .request_id = std::to_string(id)};
    add(rows_call(format, "score", request, ++id));
  }
  add(rows_call(format, "Other:score", {.model = "w"}, ++id));
}

/// Messages that are moved rather than copied, to Python and to the compute pool.
void add_large(const Format& format, std::int32_t id, std::vector<Call>& calls) {
  const auto rows = single_rows(30'000, 3);
  for (const auto* const model : {"m", "absent"}) {
    const RowsRequest request{.model = model, .rows = rows, .request_id = "many"};
    calls.push_back({format, rows_call(format, "score", request, ++id)});
  }
}

Buffer stream_of(const std::vector<Call>& calls, Buffer Call::*part) {
  Buffer stream;
  for (const Call& call : calls) {
    stream.insert(stream.end(), (call.*part).begin(), (call.*part).end());
  }
  return stream;
}

class Streams : public ::testing::Test {
 protected:
  Streams() {
    server_.publish("m", "1", make_model(kColumns, 1, "sigmoid").model);
    server_.publish("w", "1", make_model(kWideColumns, 2, "identity").model);
  }

  using Add = void (*)(const Format&, std::int32_t, std::vector<Call>&);
  std::vector<Call> calls_with_replies(const std::vector<Add>& kinds) {
    std::vector<Call> calls;
    std::int32_t id = 0;
    for (const Format& format : all_formats()) {
      for (const Add add : kinds) add(format, id += 100, calls);
    }
    for (Call& call : calls) {
      Client client = server_.connect();
      client.send(call.bytes);
      call.reply = receive_reply_bytes(client, call.format);
    }
    return calls;
  }

  /// Sends `parts`, each after the one before has been read; returns `bytes` bytes of replies.
  Buffer replies_to(const Parts& parts, std::size_t bytes) {
    Client client = server_.connect();
    auto read_until_now = server_->counts().bytes_in;
    for (const auto part : parts) {
      client.send(part);
      read_until_now += part.size();
      EXPECT_TRUE(eventually([&] { return server_->counts().bytes_in == read_until_now; }));
    }
    return client.receive(bytes);
  }

  RunningServer server_{one_loop()};
  PythonThread python_{*server_, answer_with_echo};
};

TEST_F(Streams, SplitAnywhereGiveTheSameReplies) {
  const auto calls = calls_with_replies({add_mixed});
  const Buffer stream = stream_of(calls, &Call::bytes);
  const Buffer expected = stream_of(calls, &Call::reply);
  const std::span whole(stream);
  for (std::size_t first = 1; first < stream.size(); ++first) {
    const auto replies = replies_to({whole.first(first), whole.subspan(first)}, expected.size());
    ASSERT_EQ(replies, expected) << "split at byte " << first;
  }
}

TEST_F(Streams, OfSingleBytesGiveTheSameReplies) {
  const auto calls = calls_with_replies({add_mixed});
  const Buffer stream = stream_of(calls, &Call::bytes);
  const Buffer expected = stream_of(calls, &Call::reply);
  Parts parts;
  for (const std::byte& byte : stream) parts.push_back({&byte, 1});
  EXPECT_EQ(replies_to(parts, expected.size()), expected);
}

Parts random_parts(std::span<const std::byte> stream, std::size_t bytes_max, std::mt19937& random) {
  Parts parts;
  for (auto rest = stream; !rest.empty(); rest = rest.subspan(parts.back().size())) {
    parts.push_back(rest.first(std::min(rest.size(), random() % bytes_max + 1)));
  }
  return parts;
}

TEST_F(Streams, InAnyOrderAndPartsGiveTheSameReplies) {
  auto calls = calls_with_replies({add_mixed, add_joinable});
  std::mt19937 random(1);
  for (unsigned round = 0; round < 20; ++round) {
    std::shuffle(calls.begin(), calls.end(), random);
    const Buffer stream = stream_of(calls, &Call::bytes);
    const Buffer expected = stream_of(calls, &Call::reply);
    const auto parts = random_parts(stream, std::size_t{512} << (round % 10), random);
    ASSERT_EQ(replies_to(parts, expected.size()), expected) << "round " << round;
  }
}

TEST_F(Streams, WithLargeMessagesInAnyOrderAndPartsGiveTheSameReplies) {
  auto calls = calls_with_replies({add_mixed, add_large});
  std::mt19937 random(2);
  for (unsigned round = 0; round < 12; ++round) {
    std::shuffle(calls.begin(), calls.end(), random);
    const Buffer stream = stream_of(calls, &Call::bytes);
    const Buffer expected = stream_of(calls, &Call::reply);
    const auto parts = random_parts(stream, std::size_t{16'384} << (round % 6), random);
    ASSERT_EQ(replies_to(parts, expected.size()), expected) << "round " << round;
  }
}

/// Rows handed back from a joined batch, behind which an unframed message has begun.
TEST_F(Streams, AnUnfinishedMessageBehindJoinedRowsIsNotTakenForThem) {
  const Format unframed{wire::Transport::kUnframed, wire::Protocol::kBinary};
  std::vector<Call> calls;
  add_joinable(unframed, 0, calls);
  calls.pop_back();
  const auto last = text_call(unframed, "server_live", std::string(300, 'x'), 77);
  Buffer stream = stream_of(calls, &Call::bytes);
  const std::size_t first = stream.size() + last.size() / 2;
  stream.insert(stream.end(), last.begin(), last.end());
  Client client = server_.connect();
  client.send(std::span(stream).first(first));
  for (std::int32_t id = 1; id <= 4; ++id) {
    EXPECT_EQ(receive_reply(client, unframed).sequence_id, id);
  }
  client.send(std::span(stream).subspan(first));
  EXPECT_EQ(receive_reply(client, unframed).sequence_id, 77);
}

}  // namespace
}  // namespace thriftscore::testing
