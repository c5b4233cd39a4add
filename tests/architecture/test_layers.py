"""Imports go one way: the contracts of pyproject.toml hold, and each notices an import that goes the other way."""

from __future__ import annotations

import copy
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import grimp
import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("analytics", "expectations", "explorer", "ingest", "journeys", "reports")
CONTRACTS: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "importlinter"
]["contracts"]
LAYERED = [one for one in CONTRACTS if one["type"] == "layers"]
FORBIDDING = [one for one in CONTRACTS if one["type"] == "forbidden"]
MAKES_PATHS = ("analytics.identity", "analytics.touches", "analytics.store", "analytics.stitching")
QUESTIONS = ("funnels", "paths", "experience", "segments", "monitoring", "engine.kernels", "engine.matching")


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*ROOMS, cache_dir=None)


def layers_of(contract: dict[str, Any]) -> list[set[str]]:
    """The layers, top first; those that may not import each other together."""
    return [{name.strip(" ()") for name in layer.split("|")} for layer in contract["layers"]]


def illegal(graph: grimp.ImportGraph, contract: dict[str, Any]) -> set[tuple[str, str]]:
    """The imports that break a contract of layers, as pairs of packages."""
    layers = [grimp.Layer(*names, independent=True) for names in layers_of(contract)]
    containers = set(contract.get("containers", ())) or None
    found = graph.find_illegal_dependencies_for_layers(layers=layers, containers=containers)
    return {(one.importer, one.imported) for one in found}


def some_module(graph: grimp.ImportGraph, package: str) -> str:
    return min(graph.find_descendants(package) or {package})


@pytest.mark.parametrize("contract", LAYERED, ids=lambda contract: contract["name"])
def test_layers_hold_and_notice_an_import_upwards(graph: grimp.ImportGraph, contract: dict[str, Any]) -> None:
    assert illegal(graph, contract) == set()
    prefix = f"{contract['containers'][0]}." if "containers" in contract else ""
    there = [
        [prefix + name for name in sorted(names) if prefix + name in graph.modules] for names in layers_of(contract)
    ]
    there = [names for names in there if names]
    for upper, lower in pairwise(there):
        broken = copy.deepcopy(graph)
        broken.add_import(importer=some_module(graph, lower[0]), imported=some_module(graph, upper[0]))
        assert illegal(broken, contract), f"{lower[0]} may import {upper[0]}"
    for side_by_side in there:
        for other in side_by_side[1:]:
            broken = copy.deepcopy(graph)
            broken.add_import(importer=some_module(graph, side_by_side[0]), imported=some_module(graph, other))
            assert illegal(broken, contract), f"{side_by_side[0]} may import {other}"


@pytest.mark.parametrize("contract", FORBIDDING, ids=lambda contract: contract["name"])
def test_forbidden_imports_are_those_of_packages_that_exist(graph: grimp.ImportGraph, contract: dict[str, Any]) -> None:
    """A contract about a package that is gone would hold for ever."""
    assert {*contract["source_modules"], *contract["forbidden_modules"]} <= graph.modules
    for source in contract["source_modules"]:
        for target in contract["forbidden_modules"]:
            assert not graph.direct_import_exists(importer=source, imported=target, as_packages=True)


def test_making_paths_imports_no_question(graph: grimp.ImportGraph) -> None:
    wrong = [
        (source, f"analytics.{question}")
        for source in MAKES_PATHS
        for question in QUESTIONS
        if graph.direct_import_exists(importer=source, imported=f"analytics.{question}", as_packages=True)
    ]
    assert wrong == []


def test_no_module_of_analytics_is_imported_from_outside(graph: grimp.ImportGraph) -> None:
    inside = graph.find_descendants("analytics")
    wrong = {
        (importer, module)
        for module in inside
        for importer in graph.find_modules_that_directly_import(module)
        if not importer.startswith("analytics")
    }
    assert wrong == set()


def test_samples_are_imported_by_the_command_alone(graph: grimp.ImportGraph) -> None:
    samples = graph.find_descendants("ingest.samples")
    importers = {one for module in samples for one in graph.find_modules_that_directly_import(module)} - samples
    assert importers <= {"journeys.commands.demo", "journeys.commands.pipeline"}
