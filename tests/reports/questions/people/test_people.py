"""The cards of customers are asked of paths of every shape; what a report says is what the measures say."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from analytics import (
    AllOf,
    Attribute,
    ContactSettings,
    Did,
    Goal,
    Intent,
    MomentSettings,
    Observation,
    PathRules,
    Paths,
    PersonaRule,
    PersonaRules,
    Segment,
    TouchShare,
    personas,
    standing,
)
from reports.privacy.steps import Steps
from reports.questions.answers import People
from reports.questions.people.asked import PeopleSettings
from reports.questions.people.people import people_of
from reports.settings import ReportSettings
from reports.words.numbers import NARROW
from reports.words.people import persona_words, unfit_of

STAGES = [{"name": "Interest", "touchpoints": ["look"]}, {"name": "Desire", "touchpoints": ["cart", "call"]}]
GOAL = Goal(name="Bought", steps=("buy",))
RULES = PersonaRules(
    [PersonaRule("App", TouchShare("channel", "app", at_least=0.5)), PersonaRule('The "rest"')],
    Observation.of("buy"),
)
ASKED = PeopleSettings(
    segments=(Segment("Callers", Did("call")), Segment("App", AllOf(Attribute("channel", "app")))),
    personas=RULES,
    profile=("device", "nothing"),
    texts={"App": "Buys on the sofa"},
    contacts=ContactSettings(touchpoints=("call", "fax")),
    moments=MomentSettings(intents=(Intent(name="go", touchpoints=("look",), useful=("cart",)),), entries=("look",)),
)


def shop(customers: int) -> Paths:
    """Half of the customers use the app; every third buys, every fifth calls, every fourth is under way."""
    visits = {}
    for number in range(customers):
        how = "channel=app,device=mobile" if number % 2 else "channel=web"
        own = [f"{touch}@{at}[{how}]" for touch, at in (("look", "0d"), ("look", "1m"), ("cart", "1d"))]
        own += ["call@2d[channel=phone]"] if number % 5 == 0 else []
        own += [f"buy@3d[{how}]"] if number % 3 == 0 else []
        own += [f"look@58d[{how}]"] if number % 4 == 0 else []
        visits[f"c{number}"] = " ".join(own)
    return Paths.from_text(visits, end="60d", rules=PathRules(stages=STAGES, goal=["buy"]))


def asked(paths: Paths, settings: ReportSettings | None = None) -> People:
    return people_of(paths, settings or ReportSettings(), ASKED, Steps(10), goal=GOAL, published=None)


def test_every_card_says_what_its_measure_says() -> None:
    paths = shop(600)
    found = asked(paths)
    assert found.personas is not None and found.sizes is not None and found.standing is not None
    told = personas(paths, RULES, GOAL).to_dicts()
    for row, own in zip(found.personas.frame.to_dicts(), told[1:3], strict=False):
        assert (row["persona"], row["customers"], row["reached"]) == (own["persona"], own["customers"], own["reached"])
        assert row["goal_rate"] == round(own["goal_rate"], 4) and row["state"] == "shown"
    texts = found.personas.frame["text"].to_list()
    assert texts[0] == "Buys on the sofa" and texts[1].startswith('The "rest" are 50 % of the placed customers (300).')
    called_last = 40  # of those in the app: a channel is that of the last touch
    expected = [("Callers", 120, 600), ("App", 300 - called_last, 600)]
    assert found.sizes.select("segment", "members", "known").rows() == expected
    assert found.standing["journeys"].to_list() == standing(paths)["journeys"].to_list()
    assert found.contacts is not None and found.moments is not None
    first = found.contacts.row(0, named=True)
    assert (first["measure"], first["group"], first["part"], first["whole"]) == ("contact_rate", None, 120, 600)
    assert found.moments.filter(measure="useful_rate")["part"].sum() == 0


def test_a_text_that_no_longer_fits_its_numbers_is_told() -> None:
    def told(share: float, goal_rate: float) -> tuple[str, str]:
        ends = {name: {"value": was, "low": was - 0.01, "high": was + 0.01} for name, was in (("share", share),)}
        ends |= {"goal_rate": {"value": goal_rate, "low": goal_rate - 0.01, "high": goal_rate + 0.01}}
        written = {"App": {"text": "Buys on the sofa", "fit": None, "numbers": ends}}
        wanted = replace(ASKED, written=written)
        found = people_of(shop(600), ReportSettings(), wanted, Steps(10), goal=GOAL, published=None)
        assert found.personas is not None
        first, second = (row for row in found.personas.frame.head(2).iter_rows(named=True))
        assert unfit_of(second) == ""
        return unfit_of(first).replace(NARROW, " "), persona_words(first)

    rate = personas(shop(600), RULES, GOAL)["goal_rate"][1]
    assert told(0.5, rate) == ("", "Buys on the sofa")
    unfit, words = told(0.4, rate)
    assert unfit == "Written earlier: size was 40.0 %, is 50.0 %." and words.startswith("Buys on the sofa Written")
    assert told(0.5, rate + 0.2)[0].startswith("Written earlier: goal rate was")


def test_a_report_of_some_days_has_none_of_them() -> None:
    assert asked(shop(60), ReportSettings(first_day=date(2026, 1, 1))) == People()


@pytest.mark.parametrize("customers", [1, 9, 11])
def test_few_customers_are_never_told(customers: int) -> None:
    found = asked(shop(customers))
    assert found.personas is not None
    for frame in (found.personas.frame, found.sizes, found.standing, found.contacts, found.moments):
        for name in ("customers", "members", "joined", "left", "journeys", "late", "part", "mature", "reached"):
            counts = [] if frame is None or name not in frame.columns else frame[name].drop_nulls().to_list()
            assert all(n == 0 or n >= 10 for n in counts), (name, counts)


def test_nothing_is_asked_where_nothing_is_configured() -> None:
    found = people_of(shop(60), ReportSettings(), PeopleSettings(), Steps(10), goal=GOAL, published=None)
    assert found.standing is not None
    assert found.personas is found.sizes is found.contacts is found.moments is None
