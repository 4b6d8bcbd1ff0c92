# SPDX-License-Identifier: Apache-2.0
"""The limits and habits of CONTRIBUTING.md, held by measurement."""

import re
import statistics
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import lizard
import pytest

ROOT = Path(__file__).parents[1]
SOURCE_SUFFIXES = {".py", ".pyi", ".cc", ".h", ".java", ".go"}
GENERATED_FOLDERS = {"_generated", "generated", "gen"}
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
LINE_COLUMNS_MAX = 100
PARAMETERS_MAX = 5
VAGUE_NAMES = {"util", "utils", "helper", "helpers", "manager", "common", "misc"}


def tracked_files() -> Iterator[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listing.stdout.split("\0"):
        path = ROOT / name
        if name and path.is_file() and not GENERATED_FOLDERS & set(Path(name).parts):
            yield path


FILES = sorted(tracked_files())
SOURCES = [path for path in FILES if path.suffix in SOURCE_SUFFIXES]
FUNCTIONS = [
    (path, function)
    for path in SOURCES
    for function in lizard.analyze_file(str(path)).function_list
]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_files_are_short() -> None:
    lines = {name(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {file: count for file, count in lines.items() if count > FILE_LINES_MAX} == {}


def test_functions_are_short() -> None:
    lengths = {
        f"{name(path)}:{function.start_line} {function.name}": function.length
        for path, function in FUNCTIONS
    }
    assert {where: count for where, count in lengths.items() if count > FUNCTION_LINES_MAX} == {}
    assert statistics.median(lengths.values()) <= 12
    assert statistics.quantiles(lengths.values(), n=10)[-1] <= 35


def test_functions_take_few_parameters() -> None:
    """`self` and `cls` do not count; a command of the CLI has as many as it has options."""
    counts = {
        f"{name(path)}:{function.start_line} {function.name}": len(
            [p for p in function.parameters if p not in {"self", "cls", "*"}]
        )
        for path, function in FUNCTIONS
        if "thriftscore/cli/" not in name(path)
    }
    assert {where: count for where, count in counts.items() if count > PARAMETERS_MAX} == {}


def test_lines_fit_the_page() -> None:
    long = [
        f"{name(path)}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if len(line) > LINE_COLUMNS_MAX
    ]
    assert long == []


def test_names_say_what_is_inside() -> None:
    assert [name(path) for path in SOURCES if path.stem.lower() in VAGUE_NAMES] == []


def test_every_source_names_its_licence() -> None:
    missing = [
        name(path)
        for path in SOURCES
        if path.stat().st_size
        and "SPDX-License-Identifier: Apache-2.0" not in path.read_text()[:300]
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("unfinished work", r"\b(TODO|FIXME|XXX|HACK)\b"),
        ("a path of one machine", r"(?<![\w.])/(root|home|work|farm)/[a-z.]"),
        ("a skipped test", r"pytest\.(mark\.)?(skip|xfail)|t\.Skip|@Disabled|GTEST_SKIP"),
    ],
)
def test_nothing_is_left_behind(what: str, pattern: str) -> None:
    found = [
        f"{name(path)}:{number}: {what}"
        for path in SOURCES
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if re.search(pattern, line)
    ]
    assert found == []


def test_every_package_has_the_same_version() -> None:
    cmake = re.search(r"project\(thriftscore VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())
    assert cmake is not None
    python = tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text())
    java = ElementTree.parse(ROOT / "clients/java/pom.xml").getroot()
    java_version = java.findtext("{http://maven.apache.org/POM/4.0.0}version")
    assert cmake.group(1) == python["project"]["version"] == java_version
    assert f"## [{cmake.group(1)}]" in (ROOT / "CHANGELOG.md").read_text()


def test_every_client_has_the_same_anatomy() -> None:
    manifests = {"python": "pyproject.toml", "java": "pom.xml", "go": "go.mod"}
    for language, manifest in manifests.items():
        folder = ROOT / "clients" / language
        assert (folder / manifest).is_file()
        text = (folder / "README.md").read_text().lower()
        for heading in ("install", "example", "options", "errors", "thread"):
            assert re.search(rf"^#+ .*{heading}", text, re.MULTILINE), f"{language}: {heading}"
