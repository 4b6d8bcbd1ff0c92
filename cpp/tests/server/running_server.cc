// SPDX-License-Identifier: Apache-2.0
#include "tests/server/running_server.h"

#include <unistd.h>

#include <atomic>
#include <utility>

#include "wire/call.h"
#include "wire/text.h"

namespace thriftscore::testing {
namespace {

std::string unused_path() {
  static std::atomic<int> count{0};
  return std::string(1, '\0') + "thriftscore-server-test-" + std::to_string(::getpid()) + "-" +
         std::to_string(count.fetch_add(1));
}

}  // namespace

PythonThread::PythonThread(server::Server& server, Answer answer)
    : thread_([this, &server, answer = std::move(answer)] {
        while (!stopping_.load()) {
          if (auto call = server.deferred().take(std::chrono::milliseconds(20))) {
            answer(std::move(call));
          }
        }
      }) {}

PythonThread::~PythonThread() {
  stopping_ = true;
  thread_.join();
}

void answer_with_echo(const std::shared_ptr<server::DeferredCall>& call) {
  wire::Call head;
  const wire::Limits limits;
  static_cast<void>(wire::read_call(call->protocol, call->message.bytes(), limits, head));
  const auto text = wire::as_text(call->message.bytes());
  call->answer(text_reply(call->protocol, head.method, text, head.sequence_id));
}

Buffer echo_of(const Format& format, const Buffer& call, std::string_view method,
               std::int32_t sequence_id) {
  const std::size_t frame = in_frame(format, {}, sequence_id).size();
  const auto message = std::span(call).subspan(frame);
  const auto reply = text_reply(format.protocol, method, wire::as_text(message), sequence_id);
  return in_frame(format, reply, sequence_id);
}

server::ServerOptions one_loop() { return {.io_threads = 1, .compute_threads = 1}; }

RunningServer::RunningServer(server::ServerOptions options, server::ShadowLimits shadow)
    : server_(options, std::make_shared<server::ShadowScorer>(shadow)), path_(unused_path()) {
  const int listener = listen_tcp();
  port_ = port_of(listener);
  server_.adopt_listener(listener);
  server_.adopt_listener(listen_unix(path_));
  server_.start();
}

RunningServer::~RunningServer() { server_.stop(); }

void RunningServer::publish(const std::string& name, const std::string& version,
                            std::shared_ptr<const Model> model) {
  const auto served = std::make_shared<const server::ServedVersion>(
      server::ServedVersion{name, version, std::move(model)});
  published_[name] = {.versions = {{version, served}, {"", served}}};
  server_.publish(std::make_shared<const server::Snapshot>(published_));
}

void RunningServer::publish_traffic(const std::string& name, const std::vector<Share>& shares,
                                    const Share& shadow) {
  auto& published = published_[name] = {};
  const auto add = [&](const Share& share) {
    return published.versions[share.version] = std::make_shared<const server::ServedVersion>(
               server::ServedVersion{name, share.version, share.model});
  };
  for (const auto& share : shares) {
    const auto served = add(share);
    published.versions.try_emplace("", served);
    if (shares.size() > 1) published.split.push_back({served, share.weight});
  }
  if (shadow.model != nullptr) published.shadow = add(shadow);
  server_.publish(std::make_shared<const server::Snapshot>(published_));
}

std::uint64_t RunningServer::closed(server::CloseReason reason) const {
  return server_.counts().closed[static_cast<std::size_t>(reason)];
}

TestModel make_model(std::size_t columns, std::size_t outputs, const std::string& link,
                     const std::string& precision) {
  TestModel made{example(columns, outputs, link, precision), nullptr};
  made.model = Model::load_bytes(made.file.build());
  return made;
}

std::shared_ptr<const Model> make_heavy_model() {
  constexpr std::size_t kWidth = 1024;
  ModelFile file = tiny();
  file.graph["features"] = {"x"};
  file.graph["stages"] = Json::array();
  file.tensors.clear();
  const std::vector<std::size_t> widths{1, kWidth, kWidth, kWidth, 1};
  for (std::size_t layer = 0; layer + 1 < widths.size(); ++layer) {
    const auto weights = std::string(1, 'w').append(std::to_string(layer));
    const auto bias = std::string(1, 'b').append(std::to_string(layer));
    const std::size_t in = widths[layer];
    const std::size_t out = widths[layer + 1];
    file.graph["stages"].push_back({{"op", "dense"}, {"weights", weights}, {"bias", bias}});
    file.tensors.push_back({weights, {out, in}, std::vector<double>(in * out, 0.001), "F32"});
    file.tensors.push_back({bias, {out}, std::vector<double>(out), "F32"});
  }
  return Model::load_bytes(file.build());
}

std::shared_ptr<const Model> heavy_model() {
  static const auto model = make_heavy_model();
  return model;
}

Buffer heavy_call(std::optional<std::int32_t> deadline_ms, std::int32_t sequence_id) {
  const RowsRequest request{.model = "heavy",
                            .rows = tensor(std::vector<float>(kHeavyRows, 1)),
                            .deadline_ms = deadline_ms};
  return rows_call({}, "score", request, sequence_id);
}

std::vector<double> expected_scores(const ModelFile& file, const std::vector<double>& rows) {
  const std::size_t columns = file.graph.at("features").size();
  std::vector<double> scores;
  for (std::size_t at = 0; at < rows.size(); at += columns) {
    const auto first = rows.begin() + static_cast<std::ptrdiff_t>(at);
    const std::vector<double> row(first, first + static_cast<std::ptrdiff_t>(columns));
    for (const long double score : reference(file, row)) {
      scores.push_back(static_cast<double>(score));
    }
  }
  return scores;
}

}  // namespace thriftscore::testing
