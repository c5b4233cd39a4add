"""Invalid definitions raise an error on construction."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from analytics import Funnel, Step, duration, funnel
from expectations.errors import DefinitionError, nearest
from tests.written import paths


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("1.5h", 5400), ("1d 12h", 129_600), ("2w", 1_209_600), ("0m", 0)]
)
def test_a_duration_has_a_unit(text: str, seconds: int) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["30", "d", "3 years", "", "-3d", "3d and more", timedelta(days=-1)])
def test_an_invalid_duration_raises_an_error(text: str) -> None:
    with pytest.raises(DefinitionError):
        duration(text)


def test_a_step_is_named_after_its_values() -> None:
    assert [step.name for step in Funnel(["a", ["b", "c"], Step("d", name="last")]).steps] == ["a", "b or c", "last"]


def test_a_step_is_compared_with_the_last_one_that_is_not_optional() -> None:
    funnel = Funnel(["a", Step("b", optional=True), "c"])
    assert [funnel.previous(step) for step in (1, 2, 3)] == [1, 1, 1]


def test_the_nearest_word_is_suggested_only_if_it_is_similar() -> None:
    assert nearest("divice", ["device", "region"]) == "did you mean 'device'?"
    assert nearest("zzz", ["device"]) == ""


@pytest.mark.parametrize(
    "rules",
    [
        {"steps": [Step("a", optional=True), "b"]},
        {"steps": ["a"] * 61},
        {"order": "unordered", "stop": ["repeat"]},
        {"order": "unordered", "reuse": True},
        {"exclude": "x", "exclude_effect": "void_attempt"},
        {"stop": ["repeat"], "count": "entries"},
        {"steps": ["a", Step("b", within="1h")], "reuse": True},
        {"attribution": "step 3"},
        {"maturity": "ripe"},
    ],
)
def test_contradictory_rules_raise_an_error(rules: dict[str, object]) -> None:
    with pytest.raises(DefinitionError):
        Funnel(**{"steps": ["a", "b"], **rules})  # type: ignore[arg-type]


def test_a_frame_instead_of_paths_or_a_list_instead_of_a_funnel_raises_an_error() -> None:
    frame: Any = pl.DataFrame({"customer": ["ann"], "touchpoint": ["a"]})
    with pytest.raises(DefinitionError, match=r"(?s)found: DataFrame.*Paths\.from_frame"):
        funnel(frame, Funnel(["a"]))
    steps: Any = ["a"]
    with pytest.raises(DefinitionError, match=r"(?s)found: list.*Funnel\(steps"):
        funnel(paths({"ann": "a@0m"}), steps)
