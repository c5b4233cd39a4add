"""Each third party has one door: the module, or the room, that imports it."""

from __future__ import annotations

import grimp
import pytest

ROOMS = ("journeys", "explorer", "expectations", "ingest", "analytics", "reports")
DOORS = {
    "kafka": ("ingest.kafka",),
    "deltalake": ("expectations.lake", "ingest.landing.commit", "ingest.upkeep"),
    "obstore": ("expectations.lake.files",),
    "pyspark": ("analytics.engine.spark",),
    "pyarrow": ("analytics.engine.spark", "ingest.decoding.columns", "ingest.files.tables", "ingest.landing.commit"),
    "great_expectations": ("expectations.audit.great_expectations", "expectations.audit.audit"),
    "pandas": ("expectations.audit.great_expectations", "expectations.audit.audit"),
    "altair": ("reports.charts", "reports.notebook"),
    "sklearn": (
        "analytics.experience.texts.suggestions",
        "analytics.goals.ahead.hazard",
        "analytics.segments.personas.clusters",
    ),
    "threadpoolctl": ("analytics.goals.ahead.hazard", "analytics.segments.personas.clusters"),
    "starlette": ("explorer.server",),
    "uvicorn": ("explorer.server",),
    "numba": ("analytics.engine.kernels.cache",),
    "mcp": ("journeys.reported.agents.server",),
    "duckdb": ("journeys.reported.sql",),
}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*ROOMS, include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None)


@pytest.mark.parametrize("library", DOORS)
def test_a_third_party_is_imported_at_its_door_alone(graph: grimp.ImportGraph, library: str) -> None:
    importers = graph.find_modules_that_directly_import(library) if library in graph.modules else set()
    assert [name for name in sorted(importers) if not name.startswith(DOORS[library])] == []


def test_kernels_are_compiled_from_nothing_but_kernel_files(graph: grimp.ImportGraph) -> None:
    """Compiled code is kept by a digest of these files: what they take from others could change unseen."""
    kernels = graph.find_descendants("analytics.engine.kernels")
    taken = {used for kernel in kernels for used in graph.find_modules_directly_imported_by(kernel)} - kernels
    assert {name for name in taken if name.startswith(ROOMS)} == set()
