"""No published count of a report differs by 1 to 9 from that of an earlier one, wherever the report shows it."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from itertools import combinations
from pathlib import Path

import polars as pl
import pytest

from analytics import Goal, Paths
from reports.privacy.steps import Steps, all_earlier
from reports.questions.answers import Answers
from reports.questions.ask import answers_about
from reports.site.publish import publish
from tests.reports.published import agreeing
from tests.reports.published.comparing import counts_by_cell, frames_in, frames_of, near
from tests.reports.shops import BUILT_AT, RULES, SETTINGS, START, STEPS, shop

TOUCHES = ("Ad", "Search", "Mail", "Product", "Review", "Order")
STAGE = dict(STEPS) | {"Search": "Awareness", "Mail": "Awareness", "Review": "Interest"}
END = START + timedelta(days=60)
GOALS = (Goal(name="Order", steps=["Order"], value=20), Goal(name="Review", steps=["Review"], horizon="3d"))


def customers(chance: random.Random, count: int, first: int = 0) -> list[dict[str, object]]:
    """Touches of customers who come at random days, by random routes."""
    rows: list[dict[str, object]] = []
    for number in range(first, first + count):
        at = START + timedelta(hours=chance.randrange(45 * 24))
        device = chance.choices(("app", "desktop", "kiosk"), (5, 4, 1))[0]
        names = [chance.choice(TOUCHES[:3]), *chance.choices(TOUCHES[1:5], k=chance.randrange(4))]
        for step, name in enumerate([*names, *(["Order"] if chance.random() < 0.4 else [])]):
            rows.append(
                {"customer": str(number), "at": at + timedelta(hours=step * chance.random() * 9), "touchpoint": name}
                | {"stage": STAGE[name], "channel": name.lower(), "linked": "login", "device": device}
            )
    return rows


def answered(rows: list[dict[str, object]], earlier: list[Answers]) -> Answers:
    paths = Paths.from_frame(pl.DataFrame(rows), end_of_data=END, rules=RULES)
    steps = Steps(SETTINGS.k, all_earlier(answers.counts for answers in earlier))
    return _with_counts(answers_about(paths, SETTINGS, RULES, GOALS, steps), steps)


def _with_counts(answers: Answers, steps: Steps) -> Answers:
    from dataclasses import replace

    return replace(answers, counts=dict(steps.counts))


@pytest.mark.parametrize("seed", range(3))
def test_no_two_reports_of_data_that_differ_by_few_customers_differ_by_few(seed: int) -> None:
    chance = random.Random(seed)
    rows = customers(chance, 420)
    reports = [answered(rows, [])]
    exact = frames_of(reports[0])
    assert {"stages", "attained", "segments"} <= set(exact)
    number = 420
    for _ in range(3):
        added = chance.randrange(1, 10)
        gone = {str(chance.randrange(number)) for _ in range(chance.randrange(3))}
        rows = [row for row in rows if row["customer"] not in gone] + customers(chance, added, number)
        number += added
        reports.insert(0, answered(rows, reports))
    assert near(exact, frames_of(answered(rows, []))), "without steps many counts differ by few"
    for one, other in combinations(map(frames_of, reports), 2):
        assert not near(one, other)
        assert all(count == 0 or count >= 10 for cell, count in counts_by_cell(one).items() if cell[0] != "cube")


def test_equal_data_gives_equal_numbers() -> None:
    rows = customers(random.Random(7), 300)
    first = answered(rows, [])
    assert frames_of(answered(rows, [first])) == frames_of(first)


def test_kept_reports_of_a_site_differ_by_k_or_not_at_all_and_each_agrees_with_itself(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"explore": ("device",)})
    runs = [
        publish(shop(tmp_path / str(more), customers=900 + more), settings, RULES, tmp_path / "site", BUILT_AT + late)
        for more, late in ((0, timedelta()), (7, timedelta(days=1)))
    ]
    for run in runs:
        assert {"funnel", "segments", "explorer"} <= agreeing.check(tmp_path / "site" / "runs" / run.run)
    indexes = [json.loads((tmp_path / "site" / "runs" / run.run / "site.json").read_text()) for run in runs]
    for one, other in combinations(indexes, 2):
        assert not near(frames_in(one), frames_in(other))
    page = (tmp_path / "site" / "index.html").read_text()
    assert "Counts change in steps of 10" in page
    alone = settings.model_copy(update={"keep": 1, "pages": ("summary",)})
    publish(shop(tmp_path / "9", customers=909), alone, RULES, tmp_path / "site", BUILT_AT + timedelta(days=3))
    index = json.loads((tmp_path / "site" / "site.json").read_text())
    assert frames_in(index)["funnel"]["entered"][0] == 909, "a report that stands alone is exact"
