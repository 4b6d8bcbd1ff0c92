# SPDX-License-Identifier: Apache-2.0
"""Publishing which versions the labels, the split and the shadow of a model are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from thriftscore.errors import Internal, ModelNotFound
from thriftscore.repository.files import Directory
from thriftscore.repository.labels import Labels, change_labels
from thriftscore.repository.loading import published_versions
from thriftscore.repository.names import check_label, check_model_name


def set_published_label(repository: Path, name: str, label: str, version: int) -> Labels:
    """Point `label` at a version that is published; return all labels of the model.

    Raises InvalidArgument for a bad name or label, ModelNotFound where there is no such model or
    version, ModelRefused where `labels.json` is damaged and Internal where the disk refuses.
    """
    check_label(label)
    return _change(
        repository, name, [str(version)], lambda labels: labels.with_label(label, version)
    )


def set_published_split(repository: Path, name: str, split: Mapping[str, int]) -> Labels:
    """Spread the requests that name no version over labels or versions by weight; empty = do not.

    Returns and raises what `set_published_label` does; InvalidArgument for a bad weight, too.
    """
    return _change(repository, name, split, lambda labels: labels.with_split(split))


def set_published_shadow(repository: Path, name: str, target: str) -> Labels:
    """Have a label or version score what other versions score, for comparison; "" = none.

    Returns and raises what `set_published_label` does.
    """
    targets = [target] if target else []
    return _change(repository, name, targets, lambda labels: labels.with_shadow(target))


def _change(
    repository: Path, name: str, targets: Iterable[str], change: Callable[[Labels], Labels]
) -> Labels:
    check_model_name(name)
    try:
        with Directory.open_root(repository) as root, root.open(name) as model:
            versions = published_versions(model)

            def checked(labels: Labels) -> Labels:
                changed = change(labels)
                for target in targets:
                    if labels.number(target) not in versions:
                        raise ModelNotFound(f"model '{name}' has no version or label '{target}'")
                return changed

            return change_labels(model, checked)
    except FileNotFoundError:
        raise ModelNotFound(f"there is no model '{name}' in '{repository}'") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Internal(f"cannot change the labels of '{name}': {reason}") from error
