// SPDX-License-Identifier: Apache-2.0
// What every peer does alike: its options, and the line that says it serves.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "model/model.h"

namespace thriftscore::peers {

/// Every peer binds this address only.
inline constexpr const char* kAddress = "127.0.0.1";

/// Messages may be this large, so that ten megabytes of rows fit.
inline constexpr int kMessageBytesMax = 64 << 20;

/// How a peer was started.
struct PeerOptions {
  int port = 0;  ///< 0 = any that is free
  std::size_t threads = 1;
  std::shared_ptr<const Model> model;
};

/// Tells the harness, on standard output, that connections to `port` are answered.
void announce(int port);

/// main() of a peer: reads the options, loads the model and lets `serve` serve until a signal ends
/// the process. Errors become one line on standard error and a status.
int run_peer(int count, char** values, const std::function<void(const PeerOptions&)>& serve);

}  // namespace thriftscore::peers
