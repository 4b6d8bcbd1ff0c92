// SPDX-License-Identifier: Apache-2.0
// Apache Thrift's TNonblockingServer: --threads I/O threads, each of which scores what it reads.
#include <thrift/server/TNonblockingServer.h>
#include <thrift/transport/TNonblockingServerSocket.h>

#include "thrift_handler.h"

namespace thriftscore::peers {
namespace {

void serve(const PeerOptions& options) {
  const auto socket =
      std::make_shared<apache::thrift::transport::TNonblockingServerSocket>(kAddress, options.port);
  apache::thrift::server::TNonblockingServer server(make_processor(options.model),
                                                    make_protocol_factory(), socket);
  server.setNumIOThreads(options.threads);
  server.setServerEventHandler(
      std::make_shared<PortAnnouncer>([&socket] { return socket->getListenPort(); }));
  server.serve();
}

}  // namespace
}  // namespace thriftscore::peers

int main(int count, char** values) {
  return thriftscore::peers::run_peer(count, values, thriftscore::peers::serve);
}
