"""One small lake and one server for all tests of the explorer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.explorer.shop import explored, written


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="package")
def port(config: Path) -> Iterator[int]:
    with explored(config) as number:
        yield number
