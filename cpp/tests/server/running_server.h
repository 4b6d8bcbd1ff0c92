// SPDX-License-Identifier: Apache-2.0
// A server on sockets of its own, with models to serve and a thread that answers as Python would.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "server/server.h"
#include "tests/model/model_files.h"
#include "tests/server/client.h"
#include "tests/server/messages.h"

namespace thriftscore::testing {

/// Takes deferred calls until it is destroyed, or its server stopped.
class PythonThread {
 public:
  using Answer = std::function<void(std::shared_ptr<server::DeferredCall>)>;
  PythonThread(server::Server& server, Answer answer);
  ~PythonThread();

 private:
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

/// Answers with the text that the call holds: its whole message.
void answer_with_echo(const std::shared_ptr<server::DeferredCall>& call);
/// What answer_with_echo() sends for `call`, which must have come in `format`.
Buffer echo_of(const Format& format, const Buffer& call, std::string_view method,
               std::int32_t sequence_id = 7);

/// One loop and one compute thread, for tests that care which threads there are.
server::ServerOptions one_loop();

/// Listens on TCP and on a Unix-domain socket; started. Stopped when destroyed.
class RunningServer {
 public:
  explicit RunningServer(server::ServerOptions options = {.io_threads = 2, .compute_threads = 2},
                         server::ShadowLimits shadow = {});
  ~RunningServer();

  /// Serves `model` as version `version` and as the default version, and no other of `name`.
  void publish(const std::string& name, const std::string& version,
               std::shared_ptr<const Model> model);

  struct Share {
    std::string version;
    std::shared_ptr<const Model> model;
    std::uint32_t weight;
  };
  /// Serves the versions of `shares`, the first as the default. Two or more spread the requests
  /// for `name` that name no version; `shadow` has no share, and no model where there is none.
  void publish_traffic(const std::string& name, const std::vector<Share>& shares,
                       const Share& shadow = {});

  Client connect() const { return Client::tcp(port_); }
  /// Over the Unix-domain socket, whose buffers have a fixed size of a few hundred kB.
  Client connect_locally() const { return Client::unix_domain(path_); }
  server::Server* operator->() noexcept { return &server_; }
  server::Server& operator*() noexcept { return server_; }
  std::uint16_t port() const noexcept { return port_; }
  std::uint64_t closed(server::CloseReason reason) const;

 private:
  server::Server server_;
  std::uint16_t port_;
  std::string path_;
  server::Snapshot published_;
};

/// A model as a file and loaded.
struct TestModel {
  ModelFile file;
  std::shared_ptr<const Model> model;
};
TestModel make_model(std::size_t columns, std::size_t outputs, const std::string& link = "identity",
                     const std::string& precision = "fp32");

/// One feature, one score and millions of operations for it: `kHeavyRows` rows take far longer
/// than any test waits, unless their job is cancelled. One for the process, or a new one.
std::shared_ptr<const Model> heavy_model();
std::shared_ptr<const Model> make_heavy_model();
inline constexpr std::size_t kHeavyRows = 1'000'000;
/// Asks the heavy model, published as "heavy", for that.
Buffer heavy_call(std::optional<std::int32_t> deadline_ms = {}, std::int32_t sequence_id = 7);

/// The scores that `file` gives for `rows`, in double.
std::vector<double> expected_scores(const ModelFile& file, const std::vector<double>& rows);

}  // namespace thriftscore::testing
