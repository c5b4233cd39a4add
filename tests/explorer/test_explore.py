"""`journeys explore --segment` opens the page with segments that there are."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

import pytest

from expectations.errors import DefinitionError
from journeys.explore import _chosen, source_of
from tests.explorer.asking import commanded
from tests.explorer.shop import written


def test_a_segment_is_in_the_address_and_another_is_refused(tmp_path: Path) -> None:
    config = written(tmp_path, customers=3)
    fragment = _chosen(source_of(config), ["On a phone"])
    assert json.loads(unquote(fragment.removeprefix("#"))) == {"kind": "walk", "segment": ["On a phone"]}
    assert _chosen(source_of(config), []) == ""
    with pytest.raises(DefinitionError, match="There is no segment 'On phone'") as refused:
        commanded(f"journeys explore --config={config} --segment='On phone'")
    assert "On a phone" in (refused.value.do or "")
