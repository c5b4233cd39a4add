"""What tests of several modules share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.outage import Outage, outage_in


@pytest.fixture(scope="session")
def outage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outage]:
    """A service whose broker is away from the first test that asks for it on: `test_crash` has it begin and
    `test_object_store` has it end."""
    with outage_in(tmp_path_factory.mktemp("outage")) as outage:
        yield outage
