"""Mode mine counts what is asked, as the commands do; no answer of any mode has a key of a customer."""

from __future__ import annotations

import json
import random
import shlex
from pathlib import Path
from typing import Any

import pytest

from journeys.reported.agents.tools import Tools
from tests.explorer.asking import commanded
from tests.journeys.reported.agents.shop import CLEAN, HOSTILE, KEYS
from tests.journeys.reported.agents.test_published import asked, refused


@pytest.mark.parametrize("steps", [["look", "cart", "buy"], ["stage:See", "buy"], [HOSTILE, "buy"]])
def test_a_funnel_is_that_of_the_command(mine: Tools, config: Path, steps: list[str]) -> None:
    answer = asked(mine, "ask", of="funnel", steps=[json.dumps(step) if step == HOSTILE else step for step in steps])
    words = [json.dumps(step) if step == HOSTILE else step for step in steps]
    rows = commanded(shlex.join(["journeys", "funnel", *words, f"--config={config}"]), "--json")
    told = [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]
    assert [(row["entered"], row["reached"], row["open"]) for row in told] == [
        (row["entered"], row["reached"], row["open"]) for row in rows
    ]
    assert (
        answer["mode"] == "mine" and answer["receipt"].startswith("store:") and "journeys funnel" in answer["command"]
    )


def test_every_kind_of_question_is_answered(mine: Tools) -> None:
    for kind in ("funnel", "trend", "retention", "walk"):
        answer = asked(mine, "ask", of=kind, steps=["look", "buy"] if kind != "walk" else ["look"], window="1d")
        assert answer["rows"] and answer["says"]
    answer = asked(mine, "ask", of="funnel", steps=["look", "buy"], by=["device"])
    group, entered, *_ = answer["rows"][0]
    assert group in ("phone", "desktop") and len(answer["rows"]) + answer["groups_of_few"] == 2
    of_phone = asked(mine, "ask", of="funnel", steps=["look", "buy"], segment=["On a phone"])
    whole = asked(mine, "ask", of="funnel", steps=["look", "buy"])
    assert of_phone["rows"][0][2] in (int(entered), whole["rows"][0][2] - int(entered))
    assert asked(mine, "ask", of="funnel", steps=["look"], start="2030-01-01")["says"] == "Nobody enters."


def test_wrong_questions_say_what_to_ask_instead(mine: Tools) -> None:
    error = refused(mine, "ask", of="funnel", steps=["lok", "buy"])
    assert error["instead"] == {"tool": "ask", "arguments": {"of": "funnel", "steps": ["look", "buy"]}}
    error = refused(mine, "ask", of="funnel", steps=["look", "buy"], rules={"ordr": "strict"})
    assert error["instead"]["arguments"]["rules"] == {"order": "strict"}
    assert refused(mine, "ask", of="trend", steps=["look", "buy"], by=["device"])["error"] == "A trend has no by."
    assert refused(mine, "ask", of="retention", steps=["buy"], start="2024-01-02")["do"].startswith("leave out start")
    assert refused(mine, "ask", of="goals", steps=["look"])["expected"].startswith("of: one of funnel")
    assert refused(mine, "ask", of="funnel", steps=["look"], where={"a": 1})["do"].startswith("write conditions")
    assert refused(mine, "ask", of="funnel", steps=["look"], window="seven")["where"] == "window"
    assert "argument of its own" in refused(mine, "ask", of="funnel", steps=["look"], rules={"by": ["device"]})["do"]


def test_keys_are_no_column_to_break_down_by(mine: Tools) -> None:
    for column in ("customer", "session", "journey"):
        refused(mine, "standing", by=[column])
        refused(mine, "ask", of="funnel", steps=["look", "buy"], by=[column])
        refused(mine, "ask", of="funnel", steps=["look", "buy"], rules={"count": column})


def test_standing_is_counted_now(mine: Tools, config: Path) -> None:
    answer = asked(mine, "standing")
    rows = commanded(f"journeys standing --config={config}", "--json")
    assert [row[:2] for row in answer["rows"]] == [[row["stage"], row["journeys"]] for row in rows]
    broken = asked(mine, "standing", by=["device"], rows=50)
    assert broken["columns"][0] == "device" and {row[0] for row in broken["rows"]} <= {"all", "phone", "desktop"}


def test_why_compares_days(mine: Tools) -> None:
    days = {"before": "2024-01-01..2024-01-05", "after": "2024-01-06..2024-01-09"}
    answer = asked(mine, "why", of="Bought", **days)
    assert "'Bought'" in answer["rows"][0][0] and answer["command"].startswith("journeys why Bought --before=")
    assert refused(mine, "why", of="Bougt", **days)["instead"]["arguments"]["of"] == "Bought"


def test_touches_have_pseudonyms(mine: Tools) -> None:
    [[customers]] = asked(mine, "sql", query="select count(distinct customer) from touches")["rows"]
    assert customers == len(KEYS)
    names = asked(mine, "sql", query="select distinct touchpoint from touches")["rows"]
    assert [CLEAN] in names


def test_the_vocabulary_of_the_paths_needs_no_report(mine: Tools) -> None:
    named = [row[1] for row in asked(mine, "vocabulary", find="touchpoints")["rows"]]
    assert {"look", "buy", CLEAN} <= {*named}
    assert ["device", ["desktop", "phone"]] in [
        [name, sorted(values)] for name, values in asked(mine, "vocabulary", find="groups")["rows"]
    ]


def test_no_answer_has_a_key_of_a_customer(mine: Tools, published: Tools, config: Path) -> None:
    draw = random.Random(11)
    texts = []
    for _ in range(25):
        question: dict[str, Any] = {"of": draw.choice(["funnel", "trend", "retention", "walk"]), "rows": 200}
        question["steps"] = draw.sample(
            ["look", "cart", "buy", "search", "*", json.dumps(HOSTILE)], draw.choice([1, 2])
        )
        question["by"] = draw.choice([[], ["device"], ["customer"], ["linked"]])
        question["rules"] = draw.choice([{}, {"count": "entries"}, {"same": ["customer"]}, {"count": "customer"}])
        texts.append(mine.call("ask", question)[0])
    for tools in (mine, published):
        texts += [tools.call(name, {"rows": 200})[0] for name in ("standing", "quality", "voice")]
        texts += [
            tools.call("sql", {"query": f"select * from {name}", "rows": 200})[0] for name in ("touches", "funnel")
        ]
        texts += [tools.call("ask", {"of": card, "rows": 200})[0] for card in ("segments", "definitions", "sizes")]
        texts += [tools.call(name, {})[0] for name in ("vocabulary", "why", "sql")]
    assert not [text for text in texts if any(key in text for key in KEYS) or "secret" in text]
    assert sum(text.startswith('{"mode":"mine"') for text in texts) > 25
