"""The site of the shop is true to the last number and word; one that is not is noticed.

That of the retailer's year is audited where it is built: `tests/reports/site/test_publish_one_truth.py`.
"""

from __future__ import annotations

import ast
import json
import shutil
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.audit import site
from tests.audit.__main__ import audited, main, truth_of
from tests.audit.expected.incidents import alerts
from tests.audit.landed.calendar import Calendar
from tests.audit.landed.settings import SECOND, Settings
from tests.audit.outcome import Outcome
from tests.audit.truth import Truth
from tests.journeys.shapes.chain import run

pytestmark = pytest.mark.filterwarnings("default")  # a command that warns is none that fails
FOLDER = Path(__file__).parent


def built(folder: Path, *options: str) -> Path:
    said = run("demo", "--folder", str(folder), *options)
    assert said.code == 0, said.text
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("audit") / "shop", "--customers", "2000")


@pytest.fixture(scope="module")
def truth(shop: Path) -> Truth:
    return truth_of(site.read(shop / "site"), str(shop / "lake"), shop / "journeys.toml")


def test_the_audit_imports_nothing_of_the_product() -> None:
    for file in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            rooms = {name.partition(".")[0] for name in names}
            assert not rooms & {"analytics", "reports", "expectations", "ingest", "journeys"}, file


def test_every_number_and_sentence_of_the_shop_is_true(shop: Path, truth: Truth) -> None:
    outcome = audited(site.read(shop / "site"), truth)
    assert outcome.differences == []
    assert sum(outcome.numbers.values()) > 5_000 and sum(outcome.sentences.values()) > 90


def test_the_credit_names_the_partners_who_help_and_are_never_last(shop: Path) -> None:
    (partner,) = [row for row in site.read(shop / "site").frames["credit"] if row["channel"] == "partner"]
    assert partner["last"] == 0.0 < partner["markov_low"] and partner["effect_low"] > 0.0


def test_an_alert_of_what_did_not_happen_is_noticed(truth: Truth) -> None:
    row = {
        "alert": "a",
        "rule": "unusual",
        "period": "day",
        "measure": "pair",
        "dimension": "Device",
        "segment": "mobile",
    }
    row |= {"source": "Checkout started", "target": "Payment submitted", "within_seconds": 3600, "expected": 0.8}
    row |= {"first": "2026-02-10", "last": "2026-02-16", "seen": 20, "of": 50, "share": 0.4, "goals": 20.0}
    outcome = Outcome()
    outcome.compare("alerts", [row], alerts(truth, [row]))
    assert any("as before on these days" in what for _, what in outcome.differences)


PEOPLE = """
[[segments]]
name = "Lapsed gold"
says = "Gold members without an order for a month"
all = [{ attribute = "loyalty_tier", is = ["gold"] }, { did_not = "Order placed", within = "30d" }]

[[segments]]
name = "Needs help"
any = [{ did = ["Call", "Chat"], within = "30d" }]

[personas]
from = "rules"

[[personas.rules]]
name = "App people"
share = "channel"
is = ["app"]
at_least = 0.3

[[personas.rules]]
name = "Asked for help"
segment = "Needs help"

[[personas.rules]]
name = "Everybody else"
"""
OF_CUSTOMERS = {"personas", "sizes", "standing", "contacts", "moments", "themes", "themes-by-stage", "beliefs"}
"""Cards that count customers at the end of the data: not in a report of some days."""


def reported(folder: Path, *options: str) -> None:
    said = run("report", "--config", str(folder / "journeys.toml"), *options)
    assert said.code == 0, said.text


JOURNEYS = """
[[journeys]]
name = "First order"
owner = "Mara, e-commerce"
purpose = "Find the right product and order it without help"
goal = "Order placed"
targets = [
    { measure = "goal_rate", at_least = 0.45, by = 2026-12-31, period = "week" },
    { measure = "goal_rate", at_most = 0.9 },
    { measure = "median_time", at_most = "5d", period = "week" },
    { measure = "csat", at_least = 0.75 },
]
changes = [{ on = 2026-02-02, what = "New payment form on phones" }]

[[journeys]]
name = "Advice"
owner = "Service"
goal = "Advice asked"
begins = { stage = "Interest" }
reviewed = 2026-11-02
targets = [{ measure = "goal_rate", at_least = 0.1 }]
"""


def test_sites_of_another_zone_and_currency_of_some_days_and_after_another_report_are_true(
    shop: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(shop, folder, ignore=shutil.ignore_patterns("site", "data"))
    config = folder / "journeys.toml"
    text = config.read_text(encoding="utf-8")
    lines = {
        '# timezone = "Europe/Berlin"': 'timezone = "America/New_York"',
        '# value = "revenue"': 'value = "revenue"',
        '# currency = "EUR"': 'currency = "USD"',
        '# rates = "rates.csv"': 'rates = "rates.csv"',
    }
    for line, other in lines.items():
        assert line in text
        text = text.replace(line, other)
    config.write_text(text + PEOPLE, encoding="utf-8")
    rates = "date,currency,rate\n2026-01-20,EUR,1.1\n2026-02-20,EUR,1.2\n"  # none for the first days
    (folder / "rates.csv").write_text(rates, encoding="utf-8")
    config.write_text(config.read_text(encoding="utf-8") + JOURNEYS, encoding="utf-8")
    reported(folder)
    reported(folder, "--from", "2026-01-20", "--to", "2026-03-10", "--by", "device")
    reported(folder)
    for place in ("site", "site/filtered"):
        built_site = site.read(folder / place)
        truth = truth_of(built_site, str(folder / "lake"), config)
        outcome = audited(built_site, truth)
        assert outcome.differences == [] and sum(outcome.numbers.values()) > 3_000
        assert ("since" in built_site.frames) is ("targets" in built_site.frames) is (place == "site")
        assert (built_site.frames.keys() >= OF_CUSTOMERS) is (place == "site")
        assert built_site.filter == ("" if place == "site" else "--by device --from 2026-01-20 --to 2026-03-10")
        if place == "site":
            built_site.index["definition"]["window"] = "another"
            assert audited(built_site, truth).differences != []


def test_a_day_begins_with_the_first_instant_that_its_zone_shows() -> None:
    berlin, havana = (Calendar(ZoneInfo(name)) for name in ("Europe/Berlin", "America/Havana"))
    assert berlin.moment(berlin.begin(date(2026, 3, 30))).isoformat() == "2026-03-30T00:00:00+02:00"
    assert berlin.week_end(date(2026, 3, 23)) - berlin.begin(date(2026, 3, 23)) == (7 * 24 - 1) * 3600 * SECOND
    assert (
        havana.moment(havana.begin(date(2026, 3, 8))).isoformat() == "2026-03-08T01:00:00-04:00"
    )  # midnight is skipped
    assert havana.begin(date(2026, 11, 2)) - havana.begin(date(2026, 11, 1)) == 25 * 3600 * SECOND
    assert berlin.monday(berlin.begin(date(2026, 3, 30)) - 1) == date(2026, 3, 23)


def test_the_options_of_a_filtered_report_are_read_from_its_badge() -> None:
    whole = Settings({}, {"segments": ["a"]}, [])
    found = whole.filtered("--only customers, change --by device, channel --from 2026-01-05 --to 2026-03-31")
    assert (found.segments, found.days) == (["device", "channel"], (date(2026, 1, 5), date(2026, 3, 31)))
    assert whole.filtered("") == whole


def in_index(change: Callable[[str], str]) -> Callable[[Path], None]:
    return in_file("site.json", change)


def in_file(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def changed(copy: Path) -> None:
        index = json.loads((copy / "site.json").read_text(encoding="utf-8"))
        for file in (
            {copy / name, copy / index["folder"] / name} if name == "site.json" else {copy / index["folder"] / name}
        ):
            text = file.read_text(encoding="utf-8")
            assert change(text) != text
            file.write_text(change(text), encoding="utf-8")

    return changed


def one_more(card: str, column: str) -> Callable[[str], str]:
    """Adds one to the last number of a column of a card's frame."""

    def changed(text: str) -> str:
        index = json.loads(text)
        frame = next(part["frame"] for page in index["pages"] for part in page["parts"] if part["id"] == card)
        frame[column][-1] += 1
        return json.dumps(index)

    return changed


def withheld_as_zero(text: str) -> str:
    """Shows a rate of the funnel that no row before its first can have."""
    index = json.loads(text)
    frame = next(part["frame"] for page in index["pages"] for part in page["parts"] if part["id"] == "funnel")
    frame["share_of_previous"][0] = 0.0
    return json.dumps(index)


def replaced(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


CHANGES = (
    ("funnel: reached of", in_index(one_more("funnel", "reached"))),
    ("flow: units of", in_index(one_more("flow", "units"))),
    ("positions: share of", in_index(one_more("positions", "share"))),
    ("funnel: share_of_previous of step 1: 0.0", in_index(withheld_as_zero)),
    ("data/segments.csv: row 1, share", in_file("data/segments.csv", replaced(",0.", ",0.9"))),
    ("isn’t", in_file("index.html", replaced("; most stop at", "; the weakest step isn’t"))),
    ("shoppers take", in_file("routes.html", replaced("customers take", "shoppers take"))),
    ("followed it", in_file("routes.html", replaced("leave here", "followed it"))),
    ("one in two takes", in_file("index.html", replaced("one in ten takes", "one in two takes"))),
    ("between “Awareness” and “Desire”", in_file("index.html", replaced("between “Interest”", "between “Awareness”"))),
    ("reach the goal by some route", in_file("index.html", replaced("by any route", "by some route"))),
    ("at most 31 days", in_file("index.html", replaced("at least 30 days", "at most 31 days"))),
)
"""A change of a site, and what the audit must say of it."""


def test_changes_of_numbers_and_words_are_noticed(shop: Path, truth: Truth, tmp_path: Path) -> None:
    copy = tmp_path / "site"
    shutil.copytree(shop / "site", copy)
    for _, change in CHANGES:
        change(copy)
    said = "\n".join(f"{where}: {what}" for where, what in audited(site.read(copy), truth).differences)
    assert [words for words, _ in CHANGES if words not in said] == []


def test_a_site_that_differs_ends_with_1(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "site"
    shutil.copytree(shop / "site", copy)
    in_index(one_more("funnel", "reached"))(copy)
    config = str(shop / "journeys.toml")
    for built_site, code in ((shop / "site", 0), (copy, 1)):
        monkeypatch.setattr(sys, "argv", ["audit", str(built_site), str(shop / "lake"), "--config", config])
        assert main() == code
