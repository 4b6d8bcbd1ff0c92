# SPDX-License-Identifier: Apache-2.0
"""Fast, trustworthy model scoring: `load` a model and `score` rows in this process.

The server, the model repository and the importers are reached through the `thriftscore` command.
"""

from thriftscore._native import version as __version__
from thriftscore.errors import InvalidArgument, ModelNotFound, ModelRefused, ThriftscoreError
from thriftscore.model import Model, load

__all__ = [
    "InvalidArgument",
    "Model",
    "ModelNotFound",
    "ModelRefused",
    "ThriftscoreError",
    "__version__",
    "load",
]
