from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from analytics.touches.rules import PathRules, TouchpointRule


def test_gaps_are_written_with_a_unit() -> None:
    assert PathRules(session_gap="45m").session_gap == timedelta(minutes=45)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"session_gap": "30"}, "not a length of time"),
        ({"session_gap": 30}, "not a length of time"),
        ({"context": ["devise"]}, "did you mean 'device'"),
        ({"context": ["properties.page", "properties.old.page"]}, "two columns of a touch would be called 'page'"),
        ({"attributes": ["stage"]}, "two columns of a touch would be called 'stage'"),
        ({"touchpoints": [{"pattern": "x", "column": "agent", "drop": True}]}, "no column 'agent'"),
        ({"touchpoints": [{"name": "x"}]}, "needs events, a pattern or a url"),
        ({"touchpoints": [{"events": ["x"]}]}, "either a name or drop"),
        ({"touchpoints": [{"pattern": "(", "name": "x"}]}, "not a regular expression: unclosed group"),
        ({"identities": {"kinds": ["a", "a"]}}, "named twice"),
        ({"identities": {"kinds": ["a:b"]}}, "without a colon"),
        ({"identities": {"max_degree": 0}}, "greater than or equal to 1"),
        ({"identities": {"shared": "maybe"}}, "last_login"),
        ({"goals": ["x"]}, "Extra inputs"),
    ],
)
def test_an_invalid_setting_raises_an_error_with_a_reason(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message.replace("(", r"\(")):
        PathRules.model_validate(table)


def test_the_default_map_is_aida() -> None:
    assert [stage.name for stage in PathRules().stages] == ["Awareness", "Interest", "Desire", "Action"]


def test_rules_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        TouchpointRule(events=["x"], name="y").name = "z"  # type: ignore[misc]
