"""The card's frame has the pains of analytics that may be told, and what its card says of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from analytics import PathRules, Paths, main_goal, pains, stage_funnel
from reports.pages.journey import pains_card
from reports.privacy.steps import Steps
from reports.questions.answers import Answers, Facts
from reports.questions.problems.act_first import problems
from reports.questions.problems.drivers import DRIVERS
from reports.questions.problems.pains import FRICTION, PAINS, Trouble, trouble_of
from reports.settings import ReportSettings
from reports.words.problems import evidence_of, problem_of, problems_headline, whom_of

RULES = PathRules(goal=["buy"], stages=[{"name": "Desire", "touchpoints": ["cart"]}])


def shop() -> Paths:
    error = '"<b>error"'
    met = {f"m{n}": f"cart@0h {error}@1h" + (" buy@2h" if n < 30 else "") for n in range(100)}
    return Paths.from_text(
        met | {f"w{n}": "cart@0h" + (" buy@2h" if n < 150 else "") for n in range(300)}, end="60d", rules=RULES
    )


def test_a_clear_pain_makes_a_card_that_says_what_is_at_stake() -> None:
    paths = shop()
    stages = stage_funnel(paths)
    found = trouble_of(paths, ReportSettings(), main_goal(["buy"]), Steps(10), stages=stages)
    frame = found.costly
    row = pains(paths).row(0, named=True)
    assert frame is not None and frame.schema == PAINS and len(frame) == 1
    assert frame["with_it"][0] == row["with_it"] == 100 and frame["at_stake"][0] == 20
    assert found.met is not None and found.met.schema == FRICTION
    assert found.met.rows() == [("Desire", "trouble", "<b>error", 400, 100, 0.25, True)]
    now = datetime(2024, 3, 1, tzinfo=UTC)
    answers = Answers(Facts(500, 400, 400, now, now), "buy", timedelta(days=30), frame, pains=frame)
    part = pains_card(answers)
    assert part is not None and part.title == "“<b>error” at “Desire” puts most goals at stake"
    assert part.table is not None and part.table.rows[0][-1].startswith("20 (")
    assert part.spec is not None and part.narrow is not None and part.failure == ""


def test_without_a_clear_pain_there_is_no_card() -> None:
    paths = Paths.from_text({"ann": "cart@0h error@1h"}, end="60d", rules=RULES)
    asked: dict[str, Any] = {"stages": stage_funnel(paths)}
    assert trouble_of(paths, ReportSettings(), main_goal(["buy"]), Steps(10), **asked) == Trouble()
    unstaged = Paths.from_text({"ann": "cart@0h"})
    assert trouble_of(unstaged, ReportSettings(), main_goal(["buy"]), Steps(10), **asked) == Trouble()
    hidden = asked["stages"].with_columns(touched=pl.lit(None, pl.Int64))
    assert trouble_of(shop(), ReportSettings(), main_goal(["buy"]), Steps(10), stages=hidden) == Trouble()


PAIN = {
    **{"stage": "Desire", "kind": "trouble", "touchpoint": "Payment failed", "with_it": 100, "reached": 30},
    **{"goal_rate": 0.3, "goal_rate_low": 0.2, "goal_rate_high": 0.4, "goal_rate_alike": 0.5},
    **{"at_stake": 20.0, "at_stake_low": 9.0, "at_stake_high": 31.0, "p_corrected": 0.001},
}
INCIDENT = {
    **{"measure": "pair", "dimension": "Device", "segment": "phone", "step": 3, "alert": "a1", "name": "x -> y"},
    **{"first": date(2026, 2, 26), "last": date(2026, 3, 5), "source": "Checkout", "target": "Payment"},
    **{"status": "closed", "is_new_usual": False, "of": 400, "share": 0.5, "expected": 0.8},
    **{"goals": 60.0, "low": 40.0, "high": 80.0, "p_corrected": 1e-9},
}


def ranked(
    incidents: list[dict[str, Any]], with_it: int = 0, reached: int = 0, at_stage: int = 300
) -> list[dict[str, Any]]:
    """*Where to act first*, of a pain and incidents; so many journeys of the incident's group and days met the pain, of
    so many of the 1,000 at the stage.
    """
    settings = ReportSettings(segments=("device",))
    stages = pl.DataFrame({"step": [1, 2], "name": ["Desire", "buy"], "reached": [500, 200]})
    frame = pl.DataFrame(incidents or [INCIDENT], infer_schema_length=None).head(len(incidents))
    met = pl.DataFrame([PAIN], schema=PAINS)
    asking = problems(
        settings, main_goal(["buy"]), stages, frame, (pl.DataFrame(schema=DRIVERS), {}), met=(met, timedelta(days=30))
    )
    asked = next(asking)
    same = {"stage": "Desire", "kind": "trouble", "touchpoint": "Payment failed"}
    groups = [("phone", at_stage, with_it, reached), ("desk", 1000 - at_stage, 40, 20)]
    rows = [{"is_total": True, "device": None, **same, "journeys": 1000, "with_it": 100, "reached": 30}]
    for device, journeys, met_it, won in groups:
        counts = {"journeys": journeys, "with_it": met_it, "reached": won}
        rows.append({"is_total": False, "device": device, **same, **counts})
    try:
        asking.send(dict.fromkeys(asked, pl.DataFrame(rows)))
    except StopIteration as found:
        return found.value.to_dicts()  # type: ignore[no-any-return]
    raise AssertionError("problems ask once")


def test_a_pain_joins_where_to_act_first() -> None:
    (row,) = ranked([])
    assert (row["kind"], row["low"], row["p_corrected"]) == ("pain", 9.0, 0.001)
    assert problem_of(row) == "“Payment failed” at “Desire” goes with fewer goals"
    assert whom_of(row) == "“Desire” · all journeys that met it · every week".replace("“Desire”", "Desire")
    assert evidence_of(row).replace("\u202f", " ") == "30.0 % of 100 journeys reach the goal, 50.0 % of those alike"
    assert problems_headline(row) == "Act first on “Payment failed” at “Desire”"


@pytest.mark.parametrize(
    ("with_it", "reached", "at_stage", "rows"),
    [(60, 10, 300, 1), (60, 25, 300, 2), (10, 0, 300, 2), (0, 0, 300, 2), (95, 30, 300, 1), (95, 30, 900, 2)],
    ids=["most of its loss", "less than half", "a quarter", "none", "nearly all", "as much as of all journeys"],
)
def test_a_pain_that_lies_in_an_incident_is_named_with_it(with_it: int, reached: int, at_stage: int, rows: int) -> None:
    found = ranked([INCIDENT], with_it, reached, at_stage)
    assert [row["kind"] for row in found] == ["incident", "pain"][:rows]
    assert found[0]["with"] == ("Payment failed" if rows == 1 else "")
