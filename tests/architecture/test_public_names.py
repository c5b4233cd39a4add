"""`analytics` is imported as a whole: its public names are complete, and light to import."""

from __future__ import annotations

import subprocess
import sys

import pytest

import analytics


@pytest.mark.parametrize("name", analytics.__all__)
def test_every_public_name_exists(name: str) -> None:
    assert getattr(analytics, name) is not None


def test_names_loaded_on_first_use_are_public() -> None:
    assert set(analytics._ON_USE) <= set(analytics.__all__)


def test_importing_analytics_loads_no_heavy_library() -> None:
    code = "import sys, analytics; print({'scipy', 'deltalake', 'numba', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
