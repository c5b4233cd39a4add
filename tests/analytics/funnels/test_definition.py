"""Definitions say what they mean, or refuse to be made."""

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
def test_a_length_of_time_has_a_unit(text: str, seconds: int) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["30", "d", "3 years", "", "-3d", "3d and more", timedelta(days=-1)])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(DefinitionError):
        duration(text)


def test_a_step_is_named_after_its_values() -> None:
    assert [step.name for step in Funnel(["a", ["b", "c"], Step("d", name="last")]).steps] == ["a", "b or c", "last"]


def test_a_step_is_compared_with_the_last_one_that_is_not_optional() -> None:
    funnel = Funnel(["a", Step("b", optional=True), "c"])
    assert [funnel.previous(step) for step in (1, 2, 3)] == [1, 1, 1]


def test_the_nearest_word_is_named_only_when_one_is_near() -> None:
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
def test_rules_that_do_not_go_together_are_refused(rules: dict[str, object]) -> None:
    with pytest.raises(DefinitionError):
        Funnel(**{"steps": ["a", "b"], **rules})  # type: ignore[arg-type]


def test_a_frame_is_no_paths_and_a_list_of_steps_no_funnel() -> None:
    frame: Any = pl.DataFrame({"customer": ["ann"], "touchpoint": ["a"]})
    with pytest.raises(DefinitionError, match=r"(?s)found: DataFrame.*Paths\.from_frame"):
        funnel(frame, Funnel(["a"]))
    steps: Any = ["a"]
    with pytest.raises(DefinitionError, match=r"(?s)found: list.*Funnel\(steps"):
        funnel(paths({"ann": "a@0m"}), steps)
