# SPDX-License-Identifier: Apache-2.0
"""The model repository: its layout on disk, publishing, and the registry of what is served.

<repository>/<model>/<version>/model.safetensors    version: 1, 2, 3, ...
                               golden.safetensors   rows and the source framework's answers
                               manifest.json        digests, source, report; written last
<repository>/<model>/labels.json                    {"stable": 3, "canary": 4}
"""

from thriftscore.repository.golden import Golden
from thriftscore.repository.loading import ServedModel
from thriftscore.repository.manifest import ImportReport, Manifest, Source
from thriftscore.repository.publish import NewVersion, publish, set_published_label
from thriftscore.repository.registry import Registry
from thriftscore.repository.snapshot import VersionState, VersionStatus

__all__ = [
    "Golden",
    "ImportReport",
    "Manifest",
    "NewVersion",
    "Registry",
    "ServedModel",
    "Source",
    "VersionState",
    "VersionStatus",
    "publish",
    "set_published_label",
]
