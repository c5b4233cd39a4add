"""A customer's export has every row of theirs, and of nobody else."""

from __future__ import annotations

import pytest

from analytics.stitching.privacy.export import customer_data
from expectations.errors import DefinitionError
from expectations.lake.layout import Lake
from tests.analytics.stitching.privacy.test_forget import lake, land  # noqa: F401 - a fixture


def test_an_export_has_every_row_of_the_customer(lake: Lake) -> None:  # noqa: F811 - the fixture
    land(lake, [{"event_id": "e0", "anonymous_id": "secret-x", "customer_id": None, "offset": 9}])  # twice, in effect
    tables = customer_data(lake, "anonymous_id:secret-x")
    assert {name: len(rows) for name, rows in tables.items()} == {
        "identities": 2,
        "events": 3,
        "profiles": 1,
        "links": 1,
        "touches": 2,
        "quarantine": 1,
        "personas": 0,
        "snapshots": 0,
    }
    assert tables["events"]["offset"].to_list() == [0, 9, 1]
    assert tables["quarantine"]["raw"].to_list() == [b'{"customer_id": "secret-ann"']
    assert tables["profiles"]["identity"].to_list() == [" secret-ann "]
    with pytest.raises(DefinitionError, match="No event carries this customer_id"):
        customer_data(lake, "customer_id:nobody")
