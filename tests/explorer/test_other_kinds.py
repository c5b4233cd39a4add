"""Flows, comparisons, goals, credit and scores answer what the command and Python answer, in words of their numbers."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.explorer.asking import commanded, drawn
from tests.explorer.shop import HOSTILE, QUOTED, START, WORDS, asked, explored, got, written

Question = dict[str, Any]


def dated(draw: random.Random) -> Question:
    """A period, or an end of one."""
    days = {"start": "2026-01-12", "end": "2026-02-16T12:00:00"}
    return {name: at for name, at in days.items() if draw.random() < 0.4}


def flows(draw: random.Random) -> Question:
    step = json.dumps(draw.choice(WORDS)) if draw.random() < 0.8 else draw.choice(["stage:Look", "stage:Want"])
    several = [step, json.dumps(draw.choice(WORDS))] if draw.random() < 0.3 and not step.startswith("stage") else [step]
    question: Question = {"kind": "flow", "steps": [" | ".join(dict.fromkeys(several))]}
    question |= {"count": draw.choice(["customers", "journeys"]), "side": draw.choice(["after", "before"])}
    question |= {"depth": draw.randrange(3, 6), "repeats": draw.choice(["joined", "kept"])}
    question |= {"segment": ["On a phone"]} if draw.random() < 0.3 else {}
    return question | dated(draw)


def comparisons(draw: random.Random) -> Question:
    question = {name: given for name, given in drawn(draw).items() if name not in ("by", "start", "end")}
    groups = draw.choice([["device=phone"], ["segment:On a phone"], ["device=phone", "device=desktop"], ["previous"]])
    days = {"start": "2026-02-02", "end": "2026-02-16"} if groups == ["previous"] or draw.random() < 0.2 else {}
    return question | days | {"kind": "compare", "steps": [*question["steps"], "Order"], "compared": groups}


def goals(draw: random.Random) -> Question:
    options = {"segment": ["On a phone"], "start": "2026-01-12", "end": "2026-02-09"}
    return {"kind": "goals"} | {name: given for name, given in options.items() if draw.random() < 0.4}


def credits(draw: random.Random) -> Question:
    models = ["markov", "last", "first", "linear", "position", "time_decay", "shapley", "participation"]
    own = {"on": draw.choice(["device", "country"]), "model": draw.choice(models)}
    return {"kind": "attribution", **own, "window": draw.choice(["2d", "30d"]), **dated(draw)}


def scores(draw: random.Random) -> Question:
    own = {"survey": draw.choice(["csat", "nps", "ces"]), "per": draw.choice(["stage", "touchpoint", "device"])}
    return {"kind": "voice", **own, "window": draw.choice(["1h", "7d"]), **dated(draw)}


def plain(rows: list[dict[str, Any]], names: list[str]) -> list[str]:
    """Rows in an order of their own, with lengths in seconds."""
    seconds = {True: lambda value: value.total_seconds(), False: lambda value: value}
    return sorted(repr([seconds[isinstance(row[name], timedelta)](row[name]) for name in names]) for row in rows)


DRAWN: dict[Callable[[random.Random], Question], int] = {flows: 10, comparisons: 10, goals: 8, credits: 17, scores: 17}
"""How many are drawn of each: with those of the other files a hundred."""
LEFT = dict.fromkeys(("flows", "goals"), ("waits", "_wait", "_time"))
"""Columns of lengths of time, which JSON has in a form of its own."""


@pytest.mark.parametrize(("kind", "seed"), [(kind, seed) for kind, number in DRAWN.items() for seed in range(number)])
def test_a_question_is_one_answer(
    kind: Callable[[random.Random], Question], seed: int, port: int, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(config.parent)
    question = kind(random.Random(seed))
    status, found = asked(port, question)
    assert status == 200, (question, found)
    space: dict[str, Any] = {}
    exec(found["elsewhere"]["python"], space)
    python = space["answer"].to_dicts()
    command = commanded(found["elsewhere"]["command"], "--json")
    names = [name for name in space["answer"].columns if not name.endswith(LEFT.get(kind.__name__, ()))]
    assert plain(python, names) == plain(command, names)
    own = plain(found["rows"], names)
    if kind is scores:
        assert set(own) <= set(plain(python, names)) and own
    elif found.get("state") != "nobody":
        assert own == plain(python, names)
    left = found.get("left_out", [])
    if left and not (kind is comparisons and question.get("count", "customers") != "customers"):
        lost = sum(row["count"] for row in left if row["kind"] in ("out", "open"))
        assert left[0]["count"] - lost == left[-1]["count"]
        assert all(row["count"] >= 0 for row in left)
    assert "secret-key" not in json.dumps(found)


@pytest.mark.parametrize(
    ("question", "sized"),
    [
        *(({"kind": "flow", "steps": ["Home"], "count": unit}, "left_out") for unit in ("customers", "journeys")),
        ({"kind": "attribution", "on": "device", "window": "30d"}, "conversions"),
        ({"kind": "voice", "survey": "csat", "window": "7d"}, "csat_n"),
    ],
)
def test_a_bar_is_what_its_week_holds(port: int, question: Question, sized: str) -> None:
    bars = asked(port, question)[1]["entered"]
    assert len(bars) > 4 and not any(bar["is_open"] for bar in bars)
    bar = bars[2]
    found = asked(port, question | {"start": bar["start"], "end": bar["end"]})[1]
    if sized == "left_out":
        whole, outside = (row["count"] for row in found["left_out"][:2])
        assert whole - outside == bar["count"] > 0
    else:
        assert found["rows"][0][sized] == bar["count"] > 0
    assert found["entered"] == bars


def test_a_flow_adds_up_at_every_position(port: int) -> None:
    found = asked(port, {"kind": "flow", "steps": ["Home"], "count": "customers", "depth": 4})[1]
    drawn = found["cards"][0]
    for position in range(3):
        there = {node["key"]: node for node in drawn["nodes"] if node["position"] == position}
        for key, node in there.items():
            on = sum(link["share"] for link in drawn["links"] if (link["position"], link["source"]) == (position, key))
            assert on + node["left"] == pytest.approx(node["share"])
    assert sum(node["share"] for node in drawn["nodes"] if not node["position"]) == 1
    top = max((row for row in found["rows"] if row["position"] == 1), key=lambda row: row["units"])
    assert found["said"].startswith("After Home, ") and top["units"] > 0
    assert {node["word"]["word"] for node in drawn["nodes"] if node["word"]} <= set(WORDS)


@pytest.mark.parametrize(
    ("question", "what"),
    [
        ({"kind": "flow", "steps": ["Home", "Order"]}, "A flow follows one step."),
        (
            {"kind": "flow", "steps": ["Home [device is phone]"]},
            "A flow follows a touchpoint or a stage without conditions.",
        ),
        ({"kind": "flow", "steps": ["Home"], "count": "entries"}, "A flow counts customers, journeys or sessions."),
        ({"kind": "flow"}, "The question has no step."),
        ({"kind": "flow", "steps": ["Hoem"]}, "No touch has the touchpoint 'Hoem'."),
        ({"kind": "compare", "steps": ["Home"]}, "A comparison is of shares."),
        ({"kind": "compare", "steps": ["Home", "Order"], "compared": ["customer=x"]}, "The explorer does not show"),
        ({"kind": "compare", "steps": ["Home", "Order"], "compared": ["device=pone"]}, "There is no device 'pone'."),
        ({"kind": "compare", "steps": ["Home", "Order"], "compared": ["segment:No"]}, "There is no segment 'No'."),
        ({"kind": "compare", "steps": ["Home", "Order"], "start": "2026-02-02"}, "A period is compared with as long"),
        ({"kind": "goals", "goal": "Odrer"}, "There is no goal 'Odrer'."),
        ({"kind": "attribution", "on": "customer"}, "The column 'customer' earns no credit."),
        ({"kind": "attribution"}, "The column 'channel' earns no credit."),
        ({"kind": "attribution", "on": "device", "model": "lst"}, "There is no model 'lst'."),
        ({"kind": "voice", "per": "customer"}, "The explorer does not show scores by 'customer'."),
        ({"kind": "voice", "survey": "stars"}, "The question cannot be read."),
    ],
)
def test_a_wrong_question_is_answered_in_words(port: int, question: Question, what: str) -> None:
    status, found = asked(port, question)
    assert status == 422 and found["what"].startswith(what)


def test_hostile_names_are_groups_and_words_as_any(port: int, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(config.parent)
    for word in (HOSTILE, QUOTED):
        found = asked(port, {"kind": "flow", "steps": [json.dumps(word)], "count": "journeys"})[1]
        assert commanded(found["elsewhere"]["command"], "--json")[0]["source"] == word
    hostile = ['device=tab, "let" and more']
    found = asked(port, {"kind": "compare", "steps": ["Home", "Order"], "compared": hostile})[1]
    assert 'tab, "let" and more' in found["said"]


def test_few_have_counts_and_no_shares(port: int) -> None:
    early = {"start": "2026-01-05", "end": "2026-01-06"}
    for question in (
        {"kind": "compare", "steps": ["Home", "Order"], "compared": ["device=phone"], **early},
        {"kind": "goals", **early},
    ):
        found = asked(port, question)[1]
        assert found["few"] and "%" not in found["said"]
        assert all("%" not in text for row in found["cards"][0]["rows"] for text in row["texts"][:1])
    nobody = {"start": "2020-01-06", "end": "2020-01-13"}
    assert asked(port, {"kind": "goals", **nobody})[1]["state"] == "nobody"
    assert asked(port, {"kind": "compare", "steps": ["Home", "Order"], **nobody})[1]["state"] == "nobody"


def test_without_weeks_the_last_28_days_whose_windows_are_over_are_compared(port: int) -> None:
    question = {"kind": "compare", "steps": ["Home", "Order"], "window": "7d"}
    found, end = asked(port, question)[1], json.loads(got(port, "/api/vocabulary")[2])["end"]
    last = datetime.fromisoformat(end) - timedelta(days=7)
    days = {"start": f"{last - timedelta(days=28):%Y-%m-%d}", "end": f"{last:%Y-%m-%d}"}
    assert found["rows"] == asked(port, question | days)[1]["rows"]


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    import polars as pl

    from analytics import Paths

    config = written(tmp_path, customers=3)
    bare = pl.DataFrame({"customer": ["ann", "ann"], "at": [START, START], "touchpoint": ["Home", "Cart"]})
    Paths.from_frame(bare).save(tmp_path / "lake" / "paths")
    with explored(config) as port:
        status, found = asked(port, {"kind": "voice", "per": "touchpoint"})
        assert (status, found["what"]) == (422, "No touch has the answer of a survey.") and "survey" in found["do"]
        assert asked(port, {"kind": "flow", "steps": ["Home"], "count": "journeys"})[1]["few"]
        assert asked(port, {"kind": "goals"})[0] == 200


@pytest.mark.parametrize("rows", [0, 1])
def test_a_lake_of_no_touch_or_one_is_answered_in_words(rows: int, tmp_path: Path) -> None:
    import polars as pl

    from analytics import Paths

    config = written(tmp_path, customers=3)
    config.write_text(config.read_text().replace('goal = ["Order"]', "goal = []"))
    names = {"customer": pl.String, "touchpoint": pl.String, "device": pl.String, "survey": pl.String}
    frame = pl.DataFrame({name: ["Home"] * rows for name in names}, schema=names)
    frame = frame.with_columns(pl.lit(START).alias("at"), pl.lit(None, pl.Float64).alias("score"))
    Paths.from_frame(frame).save(tmp_path / "lake" / "paths")
    both = {"steps": ["Home", "Home"], "compared": ["device=Home"]}
    with explored(config) as port:
        offered = json.loads(got(port, "/api/vocabulary")[2])["kinds"]
        assert offered["goals"]["choices"]["goal"] == []
        for question in (
            {"kind": "flow", "steps": ["Home"], "count": "customers"},
            {"kind": "compare", **both},
            {"kind": "compare", "steps": ["Home", "Home"]},
            {"kind": "voice", "per": "device"},
            {"kind": "attribution", "on": "device"},
            {"kind": "goals"},
        ):
            status, found = asked(port, question)
            assert (status, found.get("code")) in ((200, None), (422, "DEFINITION")), (question, found)
        assert rows == 0 or (found["what"] == "No goal is named." and "[[goals]]" in found["do"])
