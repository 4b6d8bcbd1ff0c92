# SPDX-License-Identifier: Apache-2.0
"""Apache Thrift's Python TNonblockingServer: one thread reads and writes, --threads score."""

from __future__ import annotations

from peer import read_options
from thrift.server.TNonblockingServer import TNonblockingServer
from thrift_handler import AnnouncedSocket, ThriftHandler, accelerated_codec

from thriftscore._generated import ScoringService


def main() -> None:
    options = read_options(str(__doc__))
    TNonblockingServer(
        ScoringService.Processor(ThriftHandler(options.model)),
        AnnouncedSocket(options.port),
        accelerated_codec(),
        threads=options.threads,
    ).serve()


if __name__ == "__main__":
    main()
