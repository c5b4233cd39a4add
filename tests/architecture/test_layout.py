"""The layout that ARCHITECTURE.md draws: small folders, one name for one thing, tests where the code is."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import pytest

import analytics

ROOT = Path(__file__).parents[2]
ROOMS = ("analytics", "expectations", "explorer", "ingest", "journeys", "reports")
MAX_ENTRIES = 14
FOLDERS = "|".join((*ROOMS, "tests", "docs", "benchmarks", "deploy", "manual"))
FILE_NAMED = re.compile(rf"(?<![\w/.])((?:{FOLDERS})/(?:[\w./-]*\w\.\w+|[\w/]+/))")
"""A file, or a folder with a slash at its end, as pages name them."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def modules(*folders: str) -> list[Path]:
    return sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))


def entries(folder: Path) -> list[str]:
    """What a reader finds in a folder; not the marker of typed packages, which is empty."""
    return [one.name for one in folder.iterdir() if one.name not in ("__pycache__", "py.typed")]


def public_names(file: Path) -> Iterator[str]:
    """The public functions and classes that a module defines."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


def test_no_folder_with_code_has_more_than_14_entries() -> None:
    folders = {file.parent for file in modules(*ROOMS, "tests")}
    assert {
        str(folder.relative_to(ROOT)): len(entries(folder)) for folder in folders if len(entries(folder)) > MAX_ENTRIES
    } == {}


@pytest.mark.parametrize("room", ROOMS)
def test_no_public_name_is_defined_in_two_modules_of_a_room(room: str) -> None:
    owners: dict[str, list[str]] = defaultdict(list)
    for file in modules(room):
        for name in public_names(file):
            owners[name].append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in owners.items() if len(files) > 1} == {}


def test_no_public_name_of_analytics_is_a_module_or_package_in_its_folder() -> None:
    inside = {name.removesuffix(".py") for name in entries(ROOT / "analytics")}
    assert inside & set(analytics.__all__) == set()


def test_tests_mirror_the_code() -> None:
    """`tests/<room>/<package>/test_<module>[_<what>].py` stands for `<room>/<package>/<module>.py`."""
    strangers = []
    for file in modules(*(f"tests/{room}" for room in ROOMS)):
        if not file.name.startswith("test_"):
            continue
        folder = ROOT / file.relative_to(ROOT / "tests").parent
        own = {name.removesuffix(".py") for name in entries(folder)} if folder.is_dir() else set()
        words = file.stem.removeprefix("test_").split("_")
        named = {"_".join(words[:count]) for count in range(1, len(words) + 1)}
        is_of_room = folder.parent == ROOT  # what concerns a whole room stands in its folder
        if not (own & named or is_of_room):
            strangers.append(str(file.relative_to(ROOT)))
    assert strangers == []


def pages() -> list[Path]:
    return [
        *sorted((ROOT / "docs").rglob("*.md")),
        *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")),
    ]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_files_named_in_the_documentation_exist(page: Path) -> None:
    named = FILE_NAMED.findall(page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_dependency_is_used_by_the_product() -> None:
    graph = grimp.build_graph(*ROOMS, include_external_packages=True, cache_dir=None)
    imported = {name for name in graph.modules if graph.is_module_squashed(name)}
    extras = PROJECT["optional-dependencies"]
    needed = [*PROJECT["dependencies"], *(one for extra in ("landing", "checks", "spark") for one in extras[extra])]
    brings: dict[str, set[str]] = defaultdict(set)
    for module, distributions in packages_distributions().items():
        for distribution in distributions:
            brings[normalized(distribution)].add(module)
    unused = [
        name
        for name in {normalized(re.match(r"[\w.-]+", line)[0]) for line in needed}  # type: ignore[index]
        if not brings[name] & imported
    ]
    assert unused == []


def normalized(name: str) -> str:
    return name.lower().replace("_", "-")
