# SPDX-License-Identifier: Apache-2.0
"""Importers: a source model becomes a native model file. Never run in a serving process."""

from thriftscore.importers.importing import ImportedModel, ImportOptions, import_model

__all__ = ["ImportOptions", "ImportedModel", "import_model"]
