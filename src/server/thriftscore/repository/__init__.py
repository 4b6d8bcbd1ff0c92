# SPDX-License-Identifier: Apache-2.0
"""The model repository: its layout on disk, publishing, and the registry of what is served.

<repository>/<model>/<version>/model.safetensors    version: 1, 2, 3, ...
                               (or model.onnx, which ONNX Runtime computes)
                               golden.safetensors   rows and the source framework's answers
                               manifest.json        digests, source, report; written last
<repository>/<model>/labels.json                    {"stable": 3, "canary": 4}; see labels
"""

from thriftscore.repository.golden import Golden
from thriftscore.repository.labels import STABLE, LabelChange, Labels
from thriftscore.repository.loading import AnyModel, ServedModel
from thriftscore.repository.manifest import ImportReport, Manifest, OnnxBinding, Source
from thriftscore.repository.onnx_model import OnnxModel
from thriftscore.repository.policy import Policies, VersionPolicy
from thriftscore.repository.publish import (
    NewVersion,
    publish,
    remove_version,
)
from thriftscore.repository.publish_labels import (
    set_published_label,
    set_published_shadow,
    set_published_split,
)
from thriftscore.repository.refresh import EventKind, RepositoryEvent
from thriftscore.repository.registry import Registry
from thriftscore.repository.snapshot import VersionState, VersionStatus

__all__ = [
    "STABLE",
    "AnyModel",
    "EventKind",
    "Golden",
    "ImportReport",
    "LabelChange",
    "Labels",
    "Manifest",
    "NewVersion",
    "OnnxBinding",
    "OnnxModel",
    "Policies",
    "Registry",
    "RepositoryEvent",
    "ServedModel",
    "Source",
    "VersionPolicy",
    "VersionState",
    "VersionStatus",
    "publish",
    "remove_version",
    "set_published_label",
    "set_published_shadow",
    "set_published_split",
]
