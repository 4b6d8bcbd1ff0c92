// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>

#include "benchmarks/instructions/cases.h"
#include "benchmarks/instructions/memory_stream.h"
#include "server/event_loop.h"
#include "tests/server/messages.h"
#include "tests/server/running_server.h"

namespace thriftscore::benchmarks {
namespace {

using testing::Buffer;
using testing::Format;

constexpr std::size_t kColumns = 32;
constexpr std::size_t kPipelined = 8;  // after more, how long they took decides what comes next
constexpr Format kBinary{wire::Transport::kFramed, wire::Protocol::kBinary};
constexpr Format kCompact{wire::Transport::kFramed, wire::Protocol::kCompact};

Buffer score_call(const Format& format, std::size_t rows) {
  const auto values = testing::numbers(rows * kColumns, 1);
  const std::vector<float> features(values.begin(), values.end());
  return testing::rows_call(format, "score", {.rows = testing::tensor(features)});
}

Buffer infer_call() {
  const std::vector<float> row(kColumns, 0.5F);
  return testing::infer_call(kBinary, {.rows = testing::tensor(row)}, kColumns, "id");
}

/// An event loop with one model and one connection, whose client sends the same bytes again and
/// again. The loop does not run; its connection is told from here that there is something to read.
class Exchange {
 public:
  explicit Exchange(Buffer request) : client_{.request = std::move(request)} {
    const auto model = testing::make_model(kColumns, 1, "sigmoid").model;
    const auto served =
        std::make_shared<const server::ServedVersion>(server::ServedVersion{"m", "1", model});
    const server::Snapshot snapshot{{"m", {.versions = {{"1", served}, {"", served}}}}};
    shared_.catalog.publish(std::make_shared<const server::Snapshot>(snapshot));
    connection_ =
        std::make_shared<server::Connection>(loop_, std::make_unique<MemoryStream>(client_));
    connection_->start();
  }

  void run() {
    client_.has_sent = false;
    connection_->on_readable(false);
  }

  Buffer replies() {
    Buffer replies;
    client_.replies = &replies;
    run();
    client_.replies = nullptr;
    return replies;
  }

 private:
  server::Shared shared_{{}, {}, 1, std::make_shared<server::ShadowScorer>()};
  server::EventLoop loop_{shared_};
  MemoryClient client_;
  std::shared_ptr<server::Connection> connection_;
};

struct Conversation {
  std::string name;
  Format format;
  std::vector<Buffer> calls;  // in one read
};

std::vector<Conversation> conversations() {
  return {
      {"ping_binary", kBinary, {testing::text_call(kBinary, "ping")}},
      {"score_1x32_binary", kBinary, {score_call(kBinary, 1)}},
      {"score_1x32_compact", kCompact, {score_call(kCompact, 1)}},
      {"score_100x32_binary", kBinary, {score_call(kBinary, 100)}},
      {"score_100x32_compact", kCompact, {score_call(kCompact, 100)}},
      {"score_1x32_pipelined", kBinary, std::vector<Buffer>(kPipelined, score_call(kBinary, 1))},
      {"score_values_1x32_binary",
       kBinary,
       {testing::values_call(kBinary, "m", testing::numbers(kColumns, 1))}},
      {"infer_1x32_binary", kBinary, {infer_call()}},
  };
}

void check(const Conversation& conversation, Exchange& exchange) {
  const auto replies = testing::parse_replies(conversation.format, exchange.replies());
  std::size_t results = 0;
  for (const auto& reply : replies) results += reply.has_result() ? 1 : 0;
  if (results != conversation.calls.size()) {
    throw std::runtime_error(conversation.name + ": not every request has a result");
  }
}

}  // namespace

std::vector<Case> request_cases() {
  std::vector<Case> cases;
  for (const Conversation& conversation : conversations()) {
    auto exchange = std::make_shared<Exchange>(testing::joined(conversation.calls));
    check(conversation, *exchange);
    cases.push_back({"request/" + conversation.name, conversation.calls.size(),
                     [exchange = std::move(exchange)] { exchange->run(); }});
  }
  return cases;
}

}  // namespace thriftscore::benchmarks
