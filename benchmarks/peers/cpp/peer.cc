// SPDX-License-Identifier: Apache-2.0
#include "peer.h"

#include <filesystem>
#include <iostream>
#include <span>

#include "benchmarks/rpc/command_line.h"

namespace thriftscore::peers {

void announce(int port) { std::cout << "{\"port\": " << port << "}" << std::endl; }

int run_peer(int count, char** values, const std::function<void(const PeerOptions&)>& serve) {
  const auto run = [&serve](std::span<const char* const> arguments) {
    PeerOptions options;
    std::string folder;
    benchmarks::CommandLine line("peer", "Serves one model for the comparison of servers.");
    line.integer("--port", options.port, {0, 65'535}, "on 127.0.0.1; 0 = any that is free");
    line.text("--model", folder, "the directory of a version");
    line.count("--threads", options.threads, {1, 1'024}, "where the server has such a number");
    if (!line.parse(arguments)) return 0;
    options.model = Model::load_file(std::filesystem::path(folder) / "model.safetensors");
    serve(options);
    return 0;
  };
  return benchmarks::run_program(count, values, run);
}

}  // namespace thriftscore::peers
