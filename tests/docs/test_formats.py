"""What docs/formats.md shows can be used as it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from ingest.settings.ingest import IngestSettings, Stream
from ingest.settings.mapping import FIELDS
from tests.ingest.reading import read, rows

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_a_configuration(example: str) -> None:
    IngestSettings.model_validate(tomllib.loads(example)["ingest"])


def test_the_page_names_every_field_and_format() -> None:
    assert [field for field in FIELDS if f"`{field}`" not in PAGE] == []
    formats = Stream.model_fields["format"].annotation.__args__  # type: ignore[union-attr]
    assert [name for name in formats if f"## `{name}`" not in PAGE] == []


def test_the_example_of_a_mapping_maps() -> None:
    (example,) = (text for text in EXAMPLES if "receipt" in text)
    stream = tomllib.loads(example)["ingest"]["streams"][0]
    message = {
        "receipt": {"number": 7},
        "closed": "31.01.2026 13:00:00",
        "guest": {"id": 12},
        "total": "5.00",
        "lines": [{"article": 1, "count": 2, "price": {"gross": "2.50"}}],
        "till": {"number": 3},
    }
    (event,) = rows(read("json", message, fields=stream["fields"]))
    assert (event["customer_id"], event["currency"], event["items"][0]["quantity"]) == ("12", "EUR", 2)
    assert event["properties"]["till"] == 3
