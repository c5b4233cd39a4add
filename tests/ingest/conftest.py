"""Fixtures of several test modules."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.outage import Outage, outage_in


@pytest.fixture(scope="session")
def outage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outage]:
    """A service whose broker is stopped from the first test that uses the fixture; the outage begins in
    `test_landing_crash` and ends in `test_service_object_store`."""
    with outage_in(tmp_path_factory.mktemp("outage")) as outage:
        yield outage
