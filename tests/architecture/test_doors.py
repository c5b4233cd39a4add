"""Each third party has one door: the module, or the room, that imports it."""

from __future__ import annotations

import grimp
import pytest

ROOMS = ("journeys", "expectations", "ingest", "analytics", "reports")
DOORS = {
    "kafka": ("ingest.kafka",),
    "deltalake": (
        "expectations.audit.results",
        *("ingest.landing.commit", "ingest.upkeep.rewrite", "ingest.files.places", "ingest.upkeep.restore"),
        *("expectations.lake.tables", "expectations.lake.erase", "expectations.lake.files"),
    ),
    "great_expectations": ("expectations.suites", "expectations.audit.audit"),
    "pandas": ("expectations.suites", "expectations.audit.audit"),
    "altair": ("reports.charts", "reports.charts.theme"),
    "numba": ("analytics.engine.kernels",),
}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*ROOMS, include_external_packages=True, exclude_type_checking_imports=True)


@pytest.mark.parametrize("library", DOORS)
def test_a_third_party_is_imported_at_its_door_alone(graph: grimp.ImportGraph, library: str) -> None:
    importers = graph.find_modules_that_directly_import(library) if library in graph.modules else set()
    assert [name for name in sorted(importers) if not name.startswith(DOORS[library])] == []
