"""What a report says of the words of customers is what the measures say, with quotes that were approved."""

from __future__ import annotations

import polars as pl

from analytics import PathRules, Paths, Theme, quotes, themes
from analytics.experience.texts.landed_texts import texts_of
from reports.privacy.steps import Steps
from reports.questions.people.asked import Spoken
from reports.questions.people.themes import what_they_said, where_they_said_it
from reports.settings import ReportSettings

BOOK = (Theme(name="Slow", any=["slow"]), Theme(name="Pay", any=["pay"]))


def shop(customers: int) -> Paths:
    texts = ("so slow", "slow to pay", "pay", "fine")
    told = {f"c{n}": f"tell@{n}m[survey=csat,score={n % 5 + 1},feedback_text={texts[n % 4]}]" for n in range(customers)}
    return Paths.from_text(told)


def said(paths: Paths, *approved: str) -> pl.DataFrame | None:
    return what_they_said(paths, ReportSettings(), Spoken(BOOK, texts_of(paths), approved), Steps(10))


def test_the_card_says_what_the_measure_says() -> None:
    paths = shop(400)
    candidates = quotes(paths, BOOK)
    found = said(paths, *candidates.filter(theme="Pay")["id"].to_list())
    assert found is not None
    own = themes(paths, BOOK).to_dicts()
    for row, told in zip(found.to_dicts(), own, strict=False):
        assert (row["group"], row["part"], row["whole"]) == (told["theme"] or "", told["responses"], 400)
        assert row["share"] == round(told["share_of_texts"], 4)
    slow = found.filter(measure="low_rate", group="Slow").row(0, named=True)
    assert (slow["part"], slow["whole"]) == (own[0]["low"], own[0]["scored"])
    assert found.filter(group="Pay")["quote"][0] == "pay" and found.filter(group="Slow")["quote"][0] == "slow to pay"


def test_nothing_is_said_without_texts_or_a_codebook_and_nothing_of_few() -> None:
    assert what_they_said(shop(40), ReportSettings(), None, Steps(10)) is None
    assert what_they_said(shop(40), ReportSettings(), Spoken((), texts_of(shop(4))), Steps(10)) is None
    few = said(shop(12), *quotes(shop(12), BOOK)["id"].to_list())
    assert few is not None and few["quote"].null_count() == len(few)
    assert all(n == 0 or n >= 10 for n in few["part"].drop_nulls())


def test_themes_by_stage_are_what_the_measure_says_stage_by_stage() -> None:
    texts, stages = ("so slow", "slow to pay", "pay", "fine"), ("Look", "Buy")
    told = {
        f"c{n}": f"{stages[n // 4 % 2]}@0d tell@{n + 1}m[survey=csat,score=4,feedback_text={texts[n % 4]}]"
        for n in range(400)
    }
    rules = PathRules(goal=["end"], stages=[{"name": name, "touchpoints": [name]} for name in stages])
    paths = Paths.from_text(told, end="60d", rules=rules)
    spoken = Spoken(BOOK, texts_of(paths))
    found = where_they_said_it(paths, ReportSettings(), spoken, Steps(10))
    assert found is not None
    assert found.select("stage", "theme", "part", "whole", "share").rows() == [
        (stage, theme, 100, 200, 0.5) for stage in stages for theme in ("Slow", "Pay")
    ]
    assert where_they_said_it(shop(400), ReportSettings(), Spoken(BOOK, texts_of(shop(4))), Steps(10)) is None
