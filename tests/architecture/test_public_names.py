"""`analytics` is imported as a whole: its public names are complete, light, and none of them hides a module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import grimp
import pytest

import analytics

FOLDER = Path(analytics.__file__).parent


@pytest.mark.parametrize("name", analytics.__all__)
def test_every_public_name_exists(name: str) -> None:
    assert getattr(analytics, name) is not None


def test_names_loaded_on_first_use_are_public() -> None:
    assert set(analytics._ON_USE) <= set(analytics.__all__)


def test_no_public_name_is_a_module_of_analytics() -> None:
    modules = {entry.stem for entry in FOLDER.iterdir()}
    assert modules.isdisjoint(analytics.__all__)


def test_importing_analytics_loads_no_heavy_library() -> None:
    code = "import sys, analytics; print({'scipy', 'deltalake', 'numba', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("package", ["reports", "journeys"])
def test_no_module_inside_analytics_is_imported_from_outside(package: str) -> None:
    graph = grimp.build_graph("analytics", package)
    imported = {
        (importer, used)
        for importer in graph.find_descendants(package)
        for used in graph.find_modules_directly_imported_by(importer)
        if used.startswith("analytics.")
    }
    assert imported == set()
