"""Mode published tells what the report told, to the digit, with its receipt, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from journeys.reported.agents.card_rows import SHOWN, card_table
from journeys.reported.agents.meanings import OF_CARD
from journeys.reported.agents.tools import Tools
from reports.site.receipts.receipt import NumberName
from tests.journeys.reported.agents.shop import CLEAN, HOSTILE

Answer = dict[str, Any]


def asked(tools: Tools, name: str, **arguments: Any) -> Answer:
    text, failed = tools.call(name, arguments)
    assert not failed, text
    answer: Answer = json.loads(text)
    return answer


def refused(tools: Tools, name: str, **arguments: Any) -> Answer:
    text, failed = tools.call(name, arguments)
    assert failed, text
    answer: Answer = json.loads(text)
    return answer


def cards_of(config: Path) -> dict[str, Any]:
    (site,) = config.parent.glob("site/runs/*/site.json")
    return {part["id"]: part for page in json.loads(site.read_text())["pages"] for part in page["parts"]}


def test_every_cell_is_that_of_the_report_under_its_receipt(published: Tools, config: Path) -> None:
    cards = cards_of(config)
    for card, part in cards.items():
        answer = asked(published, "ask", of=card, rows=200)
        assert answer["mode"] == "published" and answer["receipt"].endswith(f"/{card}")
        for row in answer["rows"]:
            for head, cell in zip(answer["columns"][1:], row[1:], strict=True):
                name, values = head.removesuffix(" ±"), cell if isinstance(cell, list) else [cell]
                told = part["frame"][name][row[0] - 1]
                if isinstance(told, float):
                    assert values[0] == pytest.approx(told, rel=1e-3), (card, head)
                elif not isinstance(told, str):
                    assert values[0] == told, (card, head)
    assert {"funnel", "goals", "segments", "standing"} <= {*cards}


def test_a_number_has_a_receipt_of_the_form_that_is_verified(published: Tools, config: Path) -> None:
    answer = asked(published, "ask", of="time-to-goal", rows=1)
    [row] = answer["rows"]
    name = NumberName.read(f"{answer['receipt']}/{row[0]}/journeys")
    assert cards_of(config)[name.card or ""]["frame"]["journeys"][(name.row or 0) - 1] == row[2]


def test_names_from_outside_are_data(published: Tools) -> None:
    """They stand in fields of rows, harmless; no description and no sentence of the server has them."""
    text, _ = published.call("ask", {"of": "definitions", "rows": 50})
    assert CLEAN in [row[2] for row in json.loads(text)["rows"]]
    assert HOSTILE not in text and "\x1b" not in text and "\u202e" not in text
    answer = asked(published, "ask", of="definitions", where={"touchpoint": CLEAN.upper()})
    assert len(answer["rows"]) == 1


def test_rows_and_columns_are_chosen(published: Tools) -> None:
    answer = asked(published, "ask", of="FUNNEL", rows=1)
    assert len(answer["rows"]) == 1 and answer["left_out"] == 2
    answer = asked(published, "ask", of="segments", where={"segment": ["phone", "desktop"], "name": "want"})
    assert {row[2] for row in answer["rows"]} == {"phone", "desktop"}
    answer = asked(published, "ask", of="segments", where={"segment": "zzz"})
    assert answer["rows"] == [] and {*answer["there_are"]["segment"]} == {"phone", "desktop"}
    answer = asked(published, "ask", of="goals", columns=["goal", "open"])
    assert answer["columns"] == ["row", "goal", "open"]


def test_a_card_says_where_something_is_withheld() -> None:
    import polars as pl

    frame = pl.DataFrame({"reached": [12, None], "state": ["shown", "withheld"]})
    assert card_table("x", frame)["columns"] == ["row", "reached", "state"]
    assert card_table("x", frame.head(1))["columns"] == ["row", "reached"]


def test_errors_say_what_to_ask_instead(published: Tools) -> None:
    for wrong, right in (
        ({"of": "funel"}, {"of": "funnel"}),
        ({"off": "funnel"}, {"of": "funnel"}),
        ({"of": "funnel", "where": {"nam": "Want"}}, {"of": "funnel", "where": {"name": "Want"}}),
        ({"of": "funnel", "where": {"name": "Wants"}}, {"of": "funnel", "where": {"name": "Want"}}),
        ({"of": "funnel", "colums": ["name"]}, {"of": "funnel", "columns": ["name"]}),
    ):
        error = refused(published, "ask", **wrong)
        if wrong != {"off": "funnel"}:
            assert error["instead"] == {"tool": "ask", "arguments": right}
            asked(published, "ask", **right)
        assert error["expected"]


def test_nothing_is_counted_anew(published: Tools) -> None:
    for name, arguments in (
        ("ask", {"of": "funnel", "steps": ["look", "buy"]}),
        ("why", {"before": "2024-01-01..2024-01-04", "after": "2024-01-05..2024-01-08"}),
        ("standing", {"by": ["device"]}),
        ("sql", {"query": "select * from touches"}),
    ):
        error = refused(published, name, **arguments)
        assert error["code"] == "DEFINITION", error
    assert "--mine" in refused(published, "ask", of="funnel", steps=["look"])["do"]


def test_why_tells_claims_and_rows(published: Tools) -> None:
    assert asked(published, "why")["columns"] == ["says", "card", "row"]
    assert "nothing that moved" in asked(published, "why", of="nowhere")["says"]
    assert refused(published, "why", week="2026-W99")["expected"] == "a year and its week, such as 2026-W09"


def test_quality_and_voice(published: Tools) -> None:
    answer = asked(published, "quality")
    assert answer["Touches"] and "linked" in answer
    assert "[[voice.themes]]" in refused(published, "voice")["expected"]


def test_words_are_explained_by_their_definitions(published: Tools, config: Path) -> None:
    import analytics

    assert all(analytics.__dict__.get(name) or getattr(analytics, name) for name in OF_CARD.values())
    assert asked(published, "explain", of="funnel")["measure"] == "stage_funnel"
    assert "median" in asked(published, "explain", of="late_after_seconds")["of"][0]
    assert asked(published, "explain", of="PostHog")["its_rules"]["maturity"] == "clip"
    assert asked(published, "explain", of="goal_rate")["command"] == "journeys schema goal_rate"
    assert "did you mean 'standing'" in refused(published, "explain", of="standin")["do"]
    for card in cards_of(config):
        assert asked(published, "explain", of=card)["about"]


def test_sql_is_limited(published: Tools) -> None:
    assert asked(published, "sql", query="select goal, reached from goals")["rows"][0][0] == "Bought"
    long = asked(published, "sql", query="select * from range(1000)", rows=200)
    assert long["note"] == "There are more than 200 rows." and len(long["rows"]) == 200
    error = refused(published, "sql", query="copy goals to 'x.csv'")
    assert error["instead"] == {"tool": "sql", "arguments": {}}


def test_columns_that_are_shown_exist(config: Path) -> None:
    """A card's usual columns are columns that it has."""
    for card, part in cards_of(config).items():
        assert {*SHOWN.get(card, ())} <= {*part["frame"]}, card


def test_without_a_report_the_error_says_how_to_get_one(tmp_path: Path) -> None:
    from journeys.reported.agents.agents import tools_of

    (tmp_path / "journeys.toml").write_text('[lake]\naddress = "lake"\n')
    tools = tools_of(tmp_path / "journeys.toml", [], mine=False)
    for name, arguments in (("vocabulary", {}), ("ask", {"of": "funnel"}), ("sql", {}), ("quality", {})):
        assert refused(tools, name, **arguments)["do"] == "publish one: journeys report"
    assert asked(tools, "explain", of="standing")["measure"] == "standing"
