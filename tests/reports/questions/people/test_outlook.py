"""The outlook of a report is that of the forecast, where its model is better than one share for all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analytics import Forecast, Prediction, forecast
from expectations.lake.tables import conform
from reports.pages.customers import outlook_card
from reports.privacy.steps import Steps
from reports.questions.answers import Outlook, People
from reports.questions.people.asked import Ahead
from reports.questions.people.outlook import published_outlook
from reports.settings import ReportSettings
from reports.words.numbers import NARROW
from reports.words.people import outlook_headline
from tests.analytics.goals.ahead.test_forecast import BRIEF, RULES, landed, shop
from tests.audit import people, sentences, site
from tests.audit.__main__ import truth_of
from tests.audit.expected import people as customers
from tests.audit.outcome import Outcome
from tests.reports.fixtures import answers
from tests.reports.people import OUTLOOK_ROWS, outlook_answer, outlook_row

WEEK, FORTNIGHT = timedelta(days=7), timedelta(days=14)
NONE = pl.DataFrame()


def forecast_of(rows: Any = OUTLOOK_ROWS, model: Any = "hazard") -> Forecast:
    frame = pl.DataFrame(
        [
            {**row, "horizon": length, "is_total": row["band"] is None, "customers": row["customers"] * place}
            for place, length in ((3, WEEK), (1, FORTNIGHT))
            for row in rows
        ],
        infer_schema_length=None,
    )
    at, tested = datetime(2026, 4, 4, 23, tzinfo=UTC), datetime(2026, 3, 16, tzinfo=UTC)
    return Forecast(NONE, NONE, frame, NONE, model, "", tested, at, (tested - FORTNIGHT,), 3)


def found(forecast: Forecast, **settings: Any) -> Outlook | None:
    ahead = Ahead(Prediction("Order", horizons=("7d", "14d")), forecast)
    return published_outlook(ReportSettings(**settings), ahead, Steps(10))


def test_it_is_of_the_longest_horizon_and_in_the_zone_of_the_report() -> None:
    outlook = found(forecast_of(), timezone="Asia/Tokyo")
    assert outlook is not None and outlook.frame.equals(outlook_answer("Order").frame)
    assert (outlook.goal, outlook.horizon, outlook.at.day, outlook.learned) == ("Order", FORTNIGHT, 5, 1)


@pytest.mark.parametrize(
    ("rows", "model"),
    [
        (OUTLOOK_ROWS, "base rate"),
        ((outlook_row(None, (0.0, 1.0), 9, 900, 90),), "hazard"),
        ((outlook_row(None, (0.0, 1.0), 0, 900, 90),), "logistic"),
    ],
)
def test_there_is_none_where_it_is_no_better_than_one_share_or_of_few(rows: Any, model: str) -> None:
    assert found(forecast_of(rows, model)) is None
    assert published_outlook(ReportSettings(), None, Steps(10)) is None


@pytest.mark.parametrize(
    ("goals", "title"), [(0.2, "Hardly any journey"), (62.4, "About 62 journeys"), (1284.0, "About 1,300 journeys")]
)
def test_the_title_has_two_digits(goals: float, title: str) -> None:
    frame = outlook_answer("Order").frame
    told = replace(outlook_answer("Order"), frame=frame.with_columns(expected_goals=pl.lit(round(goals))))
    assert outlook_headline(told) == f"{title} under way should reach “Order” within 14 days"


@pytest.mark.parametrize(
    ("model", "says"), [("hazard", "The hazard model, which"), ("logistic", "was not good enough")]
)
def test_the_card_says_which_model_it_is_and_withheld_numbers_are_no_zero(model: str, says: str) -> None:
    first, *bands = OUTLOOK_ROWS
    bands[3] = outlook_row(4, (0.18, 1.0), 4, 588, 2)
    outlook = outlook_answer("Order", (first, *bands), model)
    card = outlook_card(replace(answers(), people=People(outlook=outlook)), ReportSettings())
    assert card is not None and card.table is not None and card.spec is not None and says in card.method
    last = [cell.replace(NARROW, " ") for cell in card.table.rows[-1]]
    assert last == ["18.0 % and more", "withheld", "withheld", "–", "withheld", "–", "withheld", "–"]
    assert outlook_card(answers(people=People()), ReportSettings()) is None


TOML = """
[paths]
goal = ["buy"]
stages = [{ name = "Interest", touchpoints = ["look"] }, { name = "Desire", touchpoints = ["cart"] }]
[prediction]
horizons = ["1d", "2d"]
lookback = "10d"
cutoffs = 2
"""


def test_the_audit_finds_what_was_known_then_and_a_number_that_is_not(tmp_path: Path) -> None:
    lake, config = landed(tmp_path / "lake", conform(shop(150)).collect()), tmp_path / "journeys.toml"
    config.write_text(TOML, encoding="utf-8")
    found = replace(forecast(lake, BRIEF, RULES), model="logistic")  # no fit is needed: it has the row of all
    outlook = published_outlook(ReportSettings(), Ahead(BRIEF, found), Steps(10))
    card = outlook_card(answers(people=People(outlook=outlook)), ReportSettings())
    assert outlook is not None and card is not None
    said = (("title", card.title), ("first line", card.subtitle), ("method", card.method))
    texts = [site.Text("customers", place, "outlook", words) for place, words in said]
    frame = outlook.frame.to_dict(as_series=False)
    built = site.Site(tmp_path, {"versions": {}, "pages": [{"parts": [{"id": "outlook", "frame": frame}]}]}, texts, [])
    truth, told, outcome = truth_of(built, str(tmp_path / "lake"), config), outlook.frame.to_dicts(), Outcome()
    expected = customers.outlook(truth, told, people.tested_on(built))
    outcome.compare("outlook", told, expected)
    sentences.judge(outcome, built, truth)
    assert outcome.differences == [] and outcome.numbers["outlook"] == 12
    told[0]["tested_goals"] += 1
    outcome.compare("outlook", told, expected)
    assert [what.split(" of ")[0] for _, what in outcome.differences] == ["tested_goals"]
