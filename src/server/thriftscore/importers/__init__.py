# SPDX-License-Identifier: Apache-2.0
"""Importers: a source model becomes a native model file. Never run in a serving process.

The way in is `thriftscore.importers.importing.import_model`. Nothing is imported here, so that the
process which unpickles loads no more than it needs.
"""
