"""One published shop for all tests of the tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from journeys.reported.agents.agents import tools_of
from journeys.reported.agents.tools import Tools
from tests.journeys.reported.agents.shop import published_shop


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published_shop(tmp_path_factory.mktemp("agents"))


@pytest.fixture(scope="session")
def published(config: Path) -> Tools:
    return tools_of(config, [], mine=False)


@pytest.fixture(scope="session")
def mine(config: Path) -> Tools:
    return tools_of(config, [], mine=True)
