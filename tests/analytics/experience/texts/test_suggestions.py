from __future__ import annotations

import polars as pl
import pytest

from analytics import Paths, Theme, suggest_themes
from expectations.errors import DefinitionError


def shop(texts: list[str], scores: list[float | None]) -> Paths:
    rows = {
        "customer": [f"c{n}" for n in range(len(texts))],
        "at": pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 3, 1), "1h", eager=True)[: len(texts)],
        "touchpoint": ["tell"] * len(texts),
        "survey": ["csat"] * len(texts),
        "score": scores,
        "feedback_text": texts,
    }
    return Paths.from_frame(pl.DataFrame(rows, schema_overrides={"score": pl.Float64}))


LIFT, PARK, KNOWN = "the lift was broken again", "nowhere to park the car", "so slow"


def test_words_that_stand_together_are_a_group_by_class_of_scores() -> None:
    texts = [LIFT] * 14 + [PARK] * 13 + [KNOWN] * 20 + ["lovely garden tour"] * 11 + ["guide was kind"] * 11
    found = suggest_themes(shop(texts, [1.0] * 47 + [5.0] * 22), [Theme(name="Slow", any=["slow"])], groups=2)
    assert found.select("scores", "group", "responses", "texts").rows() == [
        ("low", 1, 14, 27),
        ("low", 2, 13, 27),
        ("not low", 1, 11, 22),
        ("not low", 2, 11, 22),
    ]
    assert "lift" in found["words"][0] and "park" in found["words"][1] and "slow" not in found["words"].explode()
    assert found.equals(
        suggest_themes(shop(texts, [1.0] * 47 + [5.0] * 22), [Theme(name="Slow", any=["slow"])], groups=2)
    )


def test_what_suggests_nothing() -> None:
    assert suggest_themes(shop([LIFT] * 9, [None] * 9)).is_empty()
    assert suggest_themes(shop([LIFT] * 30, [None] * 30)).is_empty(), "all texts have these words"
    assert suggest_themes(shop([f"{chr(97 + n)}{chr(98 + n)}{chr(99 + n)}" for n in range(20)], [None] * 20)).is_empty()
    assert suggest_themes(shop(["7", "!"] * 9, [None] * 18)).is_empty()
    with pytest.raises(DefinitionError):
        suggest_themes(shop([LIFT], [None]), groups=0)
