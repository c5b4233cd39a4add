"""What stands beside a word of a walk is what the funnel with that word answers."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.explorer.asking import counts, drawn, rows_elsewhere
from tests.explorer.shop import WORDS, asked


def walked(draw: random.Random) -> dict[str, Any]:
    """A random walk."""
    question = {name: given for name, given in drawn(draw).items() if name not in ("order", "by", "exclude")}
    return {"kind": "walk", "order": draw.choice(["strict", "ordered"]), **question}


@pytest.mark.parametrize("seed", range(6))
def test_a_word_is_clicked_to_the_number_beside_it(
    seed: int, port: int, config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(config.parent)
    draw = random.Random(seed)
    question = walked(draw)
    status, found = asked(port, question)
    assert status == 200, found
    if "next" not in found:
        assert found["state"] == "nobody"
        return
    funnel, last = {**question, "kind": "funnel"}, len(question["steps"])
    assert found["here"] == found["rows"][-1]["reached"]
    for row in found["next"] + found["before"]:
        assert row["reached"] and 0 < row["share"] <= 1 and row["is_small"] == (row["reached"] < 10)
    for row in found["next"][:1] + found["next"][-1:]:
        after = asked(port, funnel | {"steps": [*question["steps"], json.dumps(row["word"])]})[1]["rows"][last]
        assert (row["reached"], row["share"]) == (after["reached"], after["share_of_previous"])
    for row in found["before"][:1] + found["before"][-1:]:
        before = asked(port, funnel | {"steps": [json.dumps(row["word"]), *question["steps"]]})[1]["rows"][last]
        assert row["reached"] == before["reached"]
    assert 0 <= (found["done"]["share"] or 0) <= 1
    own = counts(found["rows"], [])
    assert [own, own, own] == [counts(rows, []) for rows in rows_elsewhere(found["elsewhere"], config, tmp_path)]


def test_the_words_of_a_column_are_all_that_come_next(port: int) -> None:
    found = asked(port, {"kind": "walk", "steps": ["Home"], "order": "strict", "window": "3d"})[1]
    shares = dict.fromkeys(WORDS, 0.0) | {row["word"]: row["share"] for row in found["next"]}
    for word in WORDS:
        rows = asked(port, {"steps": ["Home", json.dumps(word)], "order": "strict", "window": "3d"})[1]["rows"]
        assert shares[word] == rows[1]["share_of_previous"]
    assert found["next"] == sorted(found["next"], key=lambda row: -row["reached"])
    assert found["next"][0]["word"] in found["said"] and "directly" in found["said"]


def test_few_and_nobody_have_their_own_words(port: int) -> None:
    walk = {"kind": "walk", "steps": ["Home"], "order": "strict"}
    few = asked(port, {**walk, "start": "2026-01-05", "end": "2026-01-06"})[1]
    assert few["few"] and "%" not in few["said"] and few["lines"] == []
    assert asked(port, {**walk, "start": "2020-01-06", "end": "2020-01-13"})[1]["state"] == "nobody"
    status, refused = asked(port, {**walk, "order": "unordered"})
    assert (status, refused["what"]) == (422, "A walk goes from touch to touch.")
