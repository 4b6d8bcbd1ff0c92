// SPDX-License-Identifier: Apache-2.0
// Apache Thrift's TThreadedServer: a thread for each connection, whatever --threads says.
#include <thrift/server/TThreadedServer.h>
#include <thrift/transport/TBufferTransports.h>
#include <thrift/transport/TServerSocket.h>

#include "thrift_handler.h"

namespace thriftscore::peers {
namespace {

using apache::thrift::transport::TFramedTransportFactory;
using apache::thrift::transport::TServerSocket;

void serve(const PeerOptions& options) {
  const auto socket = std::make_shared<TServerSocket>(kAddress, options.port);
  apache::thrift::server::TThreadedServer server(make_processor(options.model), socket,
                                                 std::make_shared<TFramedTransportFactory>(),
                                                 make_protocol_factory());
  server.setServerEventHandler(
      std::make_shared<PortAnnouncer>([&socket] { return socket->getPort(); }));
  server.serve();
}

}  // namespace
}  // namespace thriftscore::peers

int main(int count, char** values) {
  return thriftscore::peers::run_peer(count, values, thriftscore::peers::serve);
}
