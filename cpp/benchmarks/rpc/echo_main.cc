// SPDX-License-Identifier: Apache-2.0
// thriftscore_echo: the limit that a server is compared with.
#include <unistd.h>

#include <csignal>
#include <iostream>

#include "benchmarks/rpc/command_line.h"
#include "benchmarks/rpc/echo_server.h"

namespace thriftscore::benchmarks {
namespace {

struct ProcessOptions {
  std::size_t port = 0;
  std::string unix_socket;
  int cpu = -1;
};

void add_options(CommandLine& line, EchoOptions& echo, ProcessOptions& process) {
  line.count("--port", process.port, {0, 65'535}, "on 127.0.0.1; 0 = any that is free");
  line.text("--unix-socket", process.unix_socket, "listen at this path, not on a port");
  line.count("--reply-bytes", echo.reply_bytes, {0, std::size_t{1} << 30U},
             "of every reply, with its frame; 0 = the smallest");
  line.choice("--method", echo.method,
              {{"score", Method::kScore},
               {"score_values", Method::kScoreValues},
               {"score_named", Method::kScoreNamed},
               {"ping", Method::kPing}},
              "whose success the reply looks like");
  line.choice("--transport", echo.transport,
              {{"framed", wire::Transport::kFramed},
               {"unframed", wire::Transport::kUnframed},
               {"header", wire::Transport::kHeader}},
              "how messages are delimited");
  line.choice("--protocol", echo.protocol,
              {{"binary", wire::Protocol::kBinary}, {"compact", wire::Protocol::kCompact}},
              "of the reply");
  line.flag("--poll", echo.poll, "never sleep");
  line.integer("--cpu", process.cpu, {-1, 1'023}, "pin to this processor; -1 = do not");
}

void block_stop_signals() noexcept {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
}

int run(std::span<const char* const> arguments) {
  EchoOptions echo;
  ProcessOptions process;
  CommandLine line("thriftscore_echo",
                   "Answers every message with the same bytes, until SIGTERM; prints its port.");
  add_options(line, echo, process);
  if (!line.parse(arguments)) return 0;
  block_stop_signals();
  if (process.cpu >= 0) pin_to_cpu(process.cpu);
  auto port = static_cast<std::uint16_t>(process.port);
  const bool is_unix = !process.unix_socket.empty();
  EchoServer server(is_unix ? listen_at(process.unix_socket) : listen_on_loopback(port), echo);
  std::cout << "{\"port\": " << (is_unix ? 0 : int{port}) << ", \"pid\": " << ::getpid() << "}"
            << std::endl;
  server.run();
  if (is_unix) ::unlink(process.unix_socket.c_str());
  return 0;
}

}  // namespace
}  // namespace thriftscore::benchmarks

int main(int count, char** values) {
  return thriftscore::benchmarks::run_program(count, values, thriftscore::benchmarks::run);
}
