# SPDX-License-Identifier: Apache-2.0
"""Serving a repository over Apache Thrift.

`serve(config)` runs a server inside the current process; the `thriftscore serve` command runs one
until a signal stops it.
"""

from thriftscore.serving.lifecycle import Server, serve
from thriftscore.serving.process import run_until_stopped

__all__ = ["Server", "run_until_stopped", "serve"]
