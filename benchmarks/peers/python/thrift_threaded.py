# SPDX-License-Identifier: Apache-2.0
"""Apache Thrift's Python TThreadedServer: a thread for each connection, whatever --threads says."""

from __future__ import annotations

from peer import read_options
from thrift.server.TServer import TThreadedServer
from thrift.transport.TTransport import TFramedTransportFactory
from thrift_handler import AnnouncedSocket, ThriftHandler, accelerated_codec

from thriftscore._generated import ScoringService


def main() -> None:
    options = read_options(str(__doc__))
    TThreadedServer(
        ScoringService.Processor(ThriftHandler(options.model)),
        AnnouncedSocket(options.port),
        TFramedTransportFactory(),
        accelerated_codec(),
        daemon=True,
    ).serve()


if __name__ == "__main__":
    main()
