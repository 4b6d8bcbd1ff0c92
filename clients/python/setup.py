# SPDX-License-Identifier: Apache-2.0
"""Builds the compiled part. Where there is no compiler, the client is installed without it."""

from pathlib import Path

from setuptools import Extension, setup

NATIVE = Path("native")

setup(
    ext_modules=[
        Extension(
            "thriftscore_client._fast",
            sources=sorted(map(str, NATIVE.glob("*.cc"))),
            depends=sorted(map(str, NATIVE.glob("*.h"))),
            extra_compile_args=["-std=c++20", "-O2", "-fvisibility=hidden", "-Wall", "-Wextra"],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
