"""Touches written as text are read as written; errors name the position of the mistake."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from analytics import Paths, funnel
from analytics.funnels.definition import Funnel
from analytics.store.text import START, touches_of_text
from expectations.errors import DefinitionError


def test_a_touch_has_a_name_a_time_and_columns() -> None:
    read = touches_of_text({"ann": 'visit@0m[device=phone,value=3] "Product page"@90s', "bob": "pay@1.5h[value=2.5]"})
    assert read.rows() == [
        ("ann", START, "visit", "phone", 3.0),
        ("ann", START + timedelta(seconds=90), "Product page", None, None),
        ("bob", START + timedelta(hours=1.5), "pay", None, 2.5),
    ]
    assert read.schema["value"] == pl.Float64


@pytest.mark.parametrize("text", ["", "   "])
def test_no_text_gives_no_touch(text: str) -> None:
    assert touches_of_text({"ann": text}).schema == touches_of_text({}).schema
    assert len(Paths.from_text({"ann": text})) == 0


@pytest.mark.parametrize(
    "text",
    [
        *(
            "visit",
            "visit@",
            "visit@3",
            "visit@3y",
            "visit@-1m",
            "@3m",
            "a b@1m",
            "visit@1m[device=x",
            "a@1m]",
            "a@1mb@2m",
        ),
        *('"a@1m', "a@1m[device]", "a@1m[=x]", "a@1m[device=x,device=y]", "a@1m[customer=x]", "a@1m[x=1,,y=2]"),
    ],
)
def test_invalid_text_raises_an_error(text: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        touches_of_text({"ann": f"visit@0m {text}"})
    assert refused.value.where == "the text of ann"


def test_touches_of_one_instant_keep_their_order() -> None:
    assert touches_of_text({"ann": "b@1m a@1m"})["touchpoint"].to_list() == ["b", "a"]


def test_written_paths_answer_questions() -> None:
    table = funnel(Paths.from_text({"ann": "visit@0m pay@2d", "bob": "visit@1h"}, end="40d"), Funnel(["visit", "pay"]))
    assert table["reached"].to_list() == [2, 1]


def test_an_invalid_end_raises_an_error() -> None:
    with pytest.raises(DefinitionError):
        Paths.from_text({"ann": "visit@0m"}, end="soon")
