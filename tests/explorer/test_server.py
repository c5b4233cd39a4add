"""The explorer answers what the command and Python answer, to its own page on this machine, and to nobody else."""

from __future__ import annotations

import json
import random
import shlex
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from expectations.errors import ConfigurationError, JourneysError
from explorer.server import listener
from tests.explorer.asking import commanded, counts, drawn, options, rows_elsewhere
from tests.explorer.shop import HOSTILE, asked, got


@pytest.mark.parametrize("seed", range(20))
def test_a_question_has_one_answer_in_the_explorer_the_command_and_python(
    seed: int, port: int, config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(config.parent)
    question = drawn(random.Random(seed))
    status, found = asked(port, question)
    if status == 422:
        words = ["journeys", "funnel", f"--config={config}", *options(question), "--", *question["steps"]]
        with pytest.raises(JourneysError) as refused:
            commanded(shlex.join(words))
        assert refused.value.what == found["what"]
        return
    assert status == 200, found
    by = [name.removeprefix("segment:") for name in question.get("by", [])]
    own = counts(found["rows"], by)
    python, command, named = (counts(rows, by) for rows in rows_elsewhere(found["elsewhere"], config, tmp_path))
    assert python == command == named
    assert set(own) <= set(python) and [row for row in own if not by] == [row for row in python if not by]
    left = found.get("left_out")
    if left:
        ends = {row["kind"]: row["count"] for row in left}
        lost = sum(row["count"] for row in left if row["kind"] == "out")
        assert ends["all"] - lost - ends["open"] == ends["in"] == found["rows"][0]["entered"]
        assert all(row["count"] >= 0 for row in left)


def test_hatched_weeks_are_those_with_open_customers(port: int) -> None:
    found = asked(port, {"steps": ["Home", "Order"], "window": "7d"})[1]
    weeks = found["entered"]
    assert [week["is_open"] for week in weeks] == sorted(week["is_open"] for week in weeks)
    one = weeks[2]
    inside = asked(port, {"steps": ["Home", "Order"], "window": "7d", "start": one["start"], "end": one["end"]})[1]
    assert inside["rows"][0]["entered"] + inside["rows"][0]["open"] == one["count"]


def test_next_words_are_what_a_next_step_keeps(port: int) -> None:
    found = asked(port, {"kind": "next", "steps": ["Home"], "window": "3d"})[1]["next"]
    shares = {(one["on"], one["word"]): one["share"] for one in found}
    for word, step in ((("touchpoint", HOSTILE), json.dumps(HOSTILE)), (("stage", "Want"), "stage:Want")):
        rows = asked(port, {"steps": ["Home", step], "window": "3d"})[1]["rows"]
        assert shares[word] == rows[1]["share_of_previous"]


def test_groups_compare_with_everybody_else_and_leave_out_few(port: int) -> None:
    found = asked(port, {"steps": ["Home", "Cart"], "window": "3d", "by": ["device"]})[1]["groups"]
    assert {row["name"] for row in found["rows"]} == {"phone", "desktop", 'tab, "let" and more', "unknown"}
    assert found["rows"][-1]["name"] == "unknown"
    assert (
        asked(port, {"steps": ["Order", "Home"], "window": "2h", "by": ["device", "country"]})[1]["groups"]["few"] > 0
    )


def test_few_and_nobody_have_their_own_words(port: int) -> None:
    few = asked(port, {"steps": ["Home", "Order"], "start": "2026-01-05", "end": "2026-01-06"})[1]
    assert few["few"] and "%" not in few["said"]
    nobody = asked(port, {"steps": ["Home", "Order"], "start": "2020-01-06", "end": "2020-01-13"})[1]
    assert nobody["state"] == "nobody" and nobody["entered"]


@pytest.mark.parametrize(
    ("question", "what"),
    [
        ({"steps": ["Hoem"]}, "No touch has the touchpoint 'Hoem'."),
        ({"steps": ["Home [device is pone]"]}, "No touch has the device 'pone'."),
        ({"steps": ["Home [revenue is 3]"]}, "A condition does not fit its column."),
        ({"steps": ["Home"], "by": ["customer"]}, "The explorer does not show the column 'customer'."),
        ({"steps": ["Home [customer is x]"]}, "The explorer does not show the column 'customer'."),
        ({"steps": ["Home"], "count": "customer"}, "The explorer does not count 'customer'."),
        (
            {"steps": ["Home"], "value": "revenue"},
            "The explorer counts by its own rules, and those who are still under way stand apart.",
        ),
        (
            {"steps": ["Home"], "profile": "x"},
            "The explorer counts by its own rules, and those who are still under way stand apart.",
        ),
        ({"steps": ["Home"], "segment": ["Nobody"]}, "There is no segment 'Nobody'."),
        ({"steps": ["Home"] * 13}, "The question cannot be read."),
        ({"steps": ["Home"], "by": ["device", "country", "device"]}, "The question cannot be read."),
        ({"steps": ["Home"], "window": "7"}, "The question cannot be read."),
        ({"steps": ["Home"], "more": 1}, "The question cannot be read."),
        (b"[" * 40_000, "The question is no JSON."),
        (b'{"steps": ["\\ud800"]}', "The question is no JSON."),
        (b"null", "The question cannot be read."),
    ],
)
def test_a_wrong_question_is_answered_in_words(port: int, question: Any, what: str) -> None:
    status, found = asked(port, question)
    assert (status, found["what"]) == (422, what)
    assert set(found) == {"what", "where", "expected", "found", "do", "code", "instead"}


def test_a_misspelt_word_comes_with_the_nearest(port: int) -> None:
    assert asked(port, {"steps": ["Hoem", "Serch"]})[1]["instead"] == {"Hoem": "Home", "Serch": "Search"}


def test_no_answer_has_a_key_of_a_customer(port: int) -> None:
    texts = [got(port, path)[2] for path in ("/", "/api/vocabulary")]
    texts += [
        json.dumps(asked(port, {"steps": ["Home", "Cart"], "by": by, "kind": kind})[1])
        for by in ([], ["device"])
        for kind in ("funnel", "next", "walk")
    ]
    assert not [text for text in texts if "secret-key" in text]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:80", "0.0.0.0", ""])
def test_another_host_is_refused(port: int, host: str) -> None:
    assert got(port, "/", headers={"Host": host})[0] == 400
    assert asked(port, {"steps": ["Home"]}, Host=host)[0] == 400


def test_questions_come_from_the_page_alone(port: int) -> None:
    question = {"steps": ["Home"]}
    assert asked(port, question, Origin=f"http://127.0.0.1:{port}")[0] == 200
    for origin in ("http://evil.example", f"https://127.0.0.1:{port}", "http://127.0.0.1:1", "null"):
        assert asked(port, question, Origin=origin)[0] == 403
    assert asked(port, question, Content_Type="text/plain")[0] == 415
    assert asked(port, b" " * 70_000)[0] == 413
    assert got(port, "/api/ask")[0] == 405 and got(port, "/etc/passwd")[0] == 404


def test_the_page_allows_itself_alone(port: int) -> None:
    status, headers, text = got(port, "/")
    policy = headers["content-security-policy"]
    assert (
        status == 200
        and "unsafe" not in policy
        and "default-src 'none'" in policy
        and headers["cache-control"] == "no-store"
    )
    assert "http://" not in text.replace("http://www.w3.org", "") and "https://" not in text


def test_another_host_than_this_machine_is_no_place_to_listen(port: int) -> None:
    with pytest.raises(ConfigurationError, match="this machine only"):
        listener("0.0.0.0", 0)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        listener("127.0.0.1", port)


def test_a_store_without_touches_is_said(tmp_path: Path, config: Path) -> None:
    from analytics import Paths
    from tests.explorer.shop import explored

    Paths.from_frame(
        pl.DataFrame(schema={"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String})
    ).save(tmp_path / "lake" / "paths")
    (tmp_path / "journeys.toml").write_text(config.read_text())
    with explored(tmp_path / "journeys.toml") as number:
        assert json.loads(got(number, "/api/vocabulary")[2])["touches"] == 0
        assert asked(number, {"steps": ["Home"]})[1]["what"] == "There are no touches."


def test_no_store_is_said(tmp_path: Path, config: Path) -> None:
    from tests.explorer.shop import explored

    (tmp_path / "journeys.toml").write_text(config.read_text())
    with explored(tmp_path / "journeys.toml") as number:
        status, found = asked(number, {"steps": ["Home"]})
        assert status == 503 and found["do"].startswith("run `journeys stitch`")
