"""`journeys stitch` reports how events were linked to customers, and which settings match nothing."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import journeys.commands.paths
import journeys.commands.pipeline  # noqa: F401 - registers the commands
from analytics.identity.rules import KINDS
from expectations.lake.tables import conform
from journeys.app import app
from journeys.settings import Settings
from tests.written import at


@pytest.fixture
def config(tmp_path: Path) -> Path:
    who = [("x", "ann"), ("x", None), ("y", None), ("y", None)]
    rows = [
        {"event_id": f"e{n}", "event_name": "home", "occurred_at": at(f"{n}m"), "anonymous_id": a, "customer_id": c}
        for n, (a, c) in enumerate(who)
    ]
    conform(pl.DataFrame(rows)).collect().write_delta(tmp_path / "lake" / "events")
    config = tmp_path / "journeys.toml"
    config.write_text('[lake]\naddress = "lake"\n\n[paths]\njourney_gap = "7d"\ngoal = ["hme"]\n')
    return config


def test_coverage_and_a_goal_without_touchpoint_are_reported(config: Path) -> None:
    for words in ([], ["--rebuild"], []):  # the last has nothing to do
        output = CliRunner().invoke(app, ["stitch", *words, "--config", str(config)]).output
        shares = "25.0 % by their own login, 25.0 % by the device of a known customer, 0.0 % by the session"
        assert shares in " ".join(output.split()) and "50.0 % anonymous" in " ".join(output.split())
        assert f"{config}, line 6: paths.goal: no touchpoint is called 'hme'; did you mean 'home'?" in output


def test_events_that_a_rule_drops_are_listed_as_dropped(config: Path) -> None:
    with config.open("a") as text:
        text.write('\n[[paths.touchpoints]]\nevents = ["home"]\ndrop = true\n')
    assert "(dropped)" in CliRunner().invoke(app, ["touchpoints", "--config", str(config)]).output


def test_an_id_of_two_different_events_is_reported(config: Path) -> None:
    def say() -> str:
        return CliRunner().invoke(app, ["stitch", "--config", str(config)]).output

    assert "another event has the same id" not in say()
    other = {"event_id": "e0", "event_name": "cart", "occurred_at": at("9m"), "customer_id": "ann"}
    conform(pl.DataFrame([other])).collect().write_delta(config.parent / "lake" / "events", mode="append")
    assert "0 duplicates left out, 2 customers\n  1 events kept although another event has the same id" in say()


def test_kinds_that_no_setting_names_are_named_without_control_characters(config: Path) -> None:
    kinds = {f"user{n}@x.de": "email" for n in range(260)} | {"red\x1b[31m": "7", "card": "8"}
    rows = [
        {"event_id": f"k{n}", "event_name": "home", "occurred_at": at("1m"), "anonymous_id": f"k{n}", "identities": ids}
        for n, ids in enumerate([kinds, {"card": "8"}])
    ]
    schema = {"identities": pl.Map(pl.String, pl.String)}
    frame = conform(pl.DataFrame(rows, schema_overrides=schema)).collect()
    frame.write_delta(config.parent / "lake" / "events", mode="append")
    named = "kinds of identity that no setting names, so they link nothing (events): card (2), red�[31m (1), user0@x.de"
    for _ in ("builds", "has nothing to do"):
        output = CliRunner().invoke(app, ["stitch", "--config", str(config)]).output
        assert named in output and "and 257 more" in output
    with config.open("a") as text:
        text.write('[[ingest.streams]]\ntopic = "t"\nkind = "clickstream"\nfields = { "identities.card" = "no" }\n')
    assert "card (2)" not in CliRunner().invoke(app, ["stitch", "--config", str(config)]).output
    assert set(Settings(config).paths.identities.kinds) == {*KINDS, "card"}


def test_the_largest_customers_are_named_with_a_warning_beyond_the_limit(config: Path) -> None:
    def lines() -> list[str]:
        output = CliRunner().invoke(app, ["stitch", "--config", str(config)]).output
        return [line.strip() for line in output.splitlines() if "the most" in line]

    most = "customer_id:ann with 2 identities and 2 events"
    assert lines() == [f"the most identities: {most}", f"the most events: {most}"]
    with config.open("a") as text:
        text.write("[paths.identities]\nwarn_identities = 1\n")
    assert lines()[0].startswith(
        f"warning: the most identities: {most}, more than 1 (paths.identities.warn_identities)"
    )
    assert lines()[1] == f"the most events: {most}"


def test_customers_who_object_are_counted_and_unknown_identities_are_named(config: Path) -> None:
    def say() -> str:
        return " ".join(CliRunner().invoke(app, ["stitch", "--config", str(config)]).output.split())

    assert "object to profiling" not in say()
    (config.parent / "objected.txt").write_text("# by letter\n\nanonymous_id:x\ncustomer_id:no\x1bbody\n")
    config.write_text(config.read_text() + 'objected = ["customer_id:late"]\nobjected_file = "objected.txt"\n')
    for _ in ("takes effect", "has nothing to do"):
        output = say()
        assert "1 customers object to profiling: they count in totals, and no list has them" in output
        unknown = "no event carries 2 of the identities in paths.objected: customer_id:late, customer_id:no�body"
        assert f"warning: {unknown}" in output
        assert "the most events: a customer who objects to profiling with 2 identities" in output
        assert "customer_id:ann" not in output and "2 customers" in output


def test_a_list_of_objections_that_cannot_be_read_stops_the_command(config: Path) -> None:
    config.write_text(config.read_text() + 'objected_file = "objected.txt"\n')
    missing = CliRunner().invoke(app, ["stitch", "--config", str(config)])
    assert "The file of identities cannot be read" in str(missing.exception)
    (config.parent / "objected.txt").write_text("customer_id:ann\nann\n")
    wrong = CliRunner().invoke(app, ["stitch", "--config", str(config)])
    assert "objected.txt, line 2" in str(wrong.exception) and "kind:value" in str(wrong.exception)
