"""`journeys voice`: themes, quotes and their approval, words for the codebook, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

import journeys.commands  # noqa: F401 - registers the commands
from analytics import (
    Paths,
    Step,
    approved_ids,
    coded_answers,
    landed_answers,
    landed_texts,
    response_rate,
    themes,
    voice,
)
from analytics.stitching.build import build
from expectations.errors import ConfigurationError, DefinitionError, InputError
from expectations.lake.layout import Lake
from journeys.app import app
from journeys.settings import Settings
from tests.analytics.experience.texts.test_landed_texts import land
from tests.written import START, at

TOML = """
[lake]
address = "lake"
[[voice.themes]]
name = "Slow"
any = ["slow", "fine"]
[[voice.themes]]
name = "Pay"
any = ["pay*"]
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("journeys.terminal.out.width", 160)
    (tmp_path / "journeys.toml").write_text(TOML)
    lake = Lake(str(tmp_path / "lake"))
    said = [
        "So slow, call 0171 2345678",
        "fine",
        "Paying took [red]long[/red]",
        *["the lift was broken"] * 6,
        *["no place to park"] * 6,
    ]
    land(lake, *({"customer_id": f"c{n}", "feedback_text": text} for n, text in enumerate(said)))
    build(lake)
    return tmp_path / "journeys.toml"


def asked(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["voice", *arguments, "--config", str(config)], catch_exceptions=False)


def test_the_themes_are_those_of_the_function(config: Path) -> None:
    settings = Settings(config)
    table = themes(Paths.open(settings.lake), settings.voice.themes, landed_texts(settings.lake), by="channel")
    told = json.loads(asked(config, "themes", "--by", "channel", "--json").output)
    assert [row["responses"] for row in told] == table["responses"].to_list() and len(told) == 6
    shown = asked(config, "themes").output
    assert "(no theme)" in shown and "13.3 %" in shown and "judged by customers" in shown


def test_a_quote_is_approved_by_a_line_in_the_file(config: Path) -> None:
    rows = json.loads(asked(config, "quotes", "--json").output)
    assert [row["quote"] for row in rows] == ["So slow, call [number]", "fine", "Paying took [red]long[/red]"]
    assert "0171" not in asked(config, "quotes").output
    name = rows[0]["id"]
    assert "So slow, call [number]" in asked(config, "quotes", "--approve", name).output
    asked(config, "quotes", "--approve", name)
    file = config.parent / "quotes.txt"
    assert approved_ids(file) == [name] and file.read_text() == f"{name}  Slow\n"
    assert [row["approved"] for row in json.loads(asked(config, "quotes", "--json").output)] == [True, False, False]
    assert len(json.loads(asked(config, "quotes", "--theme", "Pay", "--json").output)) == 1
    with pytest.raises(DefinitionError, match="No text has the id"):
        asked(config, "quotes", "--approve", "0" * 16)
    with pytest.raises(DefinitionError, match="There is no theme 'Play'"):
        asked(config, "quotes", "--theme", "Play")
    file.write_text("approved: all\n")
    with pytest.raises(InputError):
        asked(config, "quotes")


def test_words_are_suggested_as_lines_for_the_file(config: Path) -> None:
    shown = asked(config, "suggest", "--groups", "2").output
    assert shown.count("[[voice.themes]]") == 2 and '"lift"' in shown and '"park"' in shown
    assert len(json.loads(asked(config, "suggest", "--groups", "2", "--json").output)) == 2


def test_without_a_codebook_that_is_told(config: Path) -> None:
    config.write_text('[lake]\naddress = "lake"\n')
    with pytest.raises(ConfigurationError, match="There is no codebook"):
        asked(config, "themes")
    assert "[[voice.themes]]" in asked(config, "suggest").output
    config.write_text('[lake]\naddress = "lake"\n[[voice.themes]]\nname = "A"\nany = ["a|b"]\n')
    with pytest.raises(ConfigurationError, match="pattern"):
        asked(config, "themes")


def test_the_scores_are_those_of_the_function(tmp_path: Path) -> None:
    said = {"customer": [f"c{n}" for n in range(8) for _ in (0, 1)], "at": [at(f"{n % 2}h") for n in range(16)]}
    said |= {"touchpoint": ["cart", "Feedback"] * 8, "stage": ["Desire", None] * 8, "survey": [None, "csat"] * 8}
    shop = Paths.from_frame(pl.DataFrame(said | {"score": [None, 5.0, None, 2.0] * 4}))
    shop.save(tmp_path / "lake" / "paths")
    (tmp_path / "journeys.toml").write_text(TOML)
    told = json.loads(asked(tmp_path / "journeys.toml", "scores", "--json").output)
    assert [(row["stage"], row["csat_n"], row["csat"]) for row in told] == voice(shop)["stage", "csat_n", "csat"].rows()
    told = json.loads(asked(tmp_path / "journeys.toml", "scores", "--lookback", "1m", "--json").output)
    assert [row["csat_n"] for row in told if row["stage"] == "Desire"] == [0]
    shown = asked(tmp_path / "journeys.toml", "scores", "--by", "touchpoint").output
    assert "0.5" in shown and "nps" not in shown.partition("NPS")[0]


def test_the_answers_are_those_of_the_function(config: Path) -> None:
    with pytest.raises(ConfigurationError, match="There is no question"):
        asked(config, "answers")
    question = '\n[[voice.questions]]\ncode = "fair"\ntext = "[red]Fair"\nanswers = { yes = "Agrees", no = "No" }\n'
    config.write_text(TOML + question + 'wish = "yes"\n')
    settings = Settings(config)
    told = [{"question": "fair", "answer": "yes"}, {"answers": {"fair": "no"}}, {"answers": {"fair": "perhaps"}}]
    land(
        settings.lake,
        *({"customer_id": f"d{n}", "event_id": f"a{n}", "properties": json.dumps(one)} for n, one in enumerate(told)),
    )
    build(settings.lake)
    answers = landed_answers(settings.lake, settings.voice.questions)
    table = coded_answers(Paths.open(settings.lake), settings.voice.questions, answers, by="channel")
    rows = json.loads(asked(config, "answers", "--by", "channel", "--json").output)
    assert [row["customers"] for row in rows] == table["customers"].to_list() and len(rows) == 6
    shown = asked(config, "answers").output
    assert "(another)" in shown and "33.3 %" in shown and "[red]Fair" in shown


def test_the_invitations_are_those_of_the_function(config: Path) -> None:
    with pytest.raises(DefinitionError, match="none is of survey_asked"):
        asked(config, "invitations")
    config.write_text(TOML.replace("[[voice.themes]]", '[voice]\nasked = ["ask", "mail"]\n[[voice.themes]]', 1))
    settings = Settings(config)
    times = {"occurred_at": at("1m"), "event_date": START.date()}
    land(
        settings.lake,
        *({"customer_id": f"c{n}", "event_id": f"i{n}", "event_name": "ask", "score": None} | times for n in range(4)),
        {"customer_id": "c9", "event_id": "late", "occurred_at": at("40d"), "score": None},
    )
    build(settings.lake)
    paths = Paths.open(settings.lake)
    table = response_rate(paths, "ask", Step("*", pl.col("score").is_not_null()), by="channel")
    rows = json.loads(asked(config, "invitations", "--by", "channel", "--json").output)
    assert [row["answered"] for row in rows] == table["answered"].to_list() and rows[0]["invitations"] == 4
    shown = asked(config, "invitations", "--by", "channel").output
    assert "all" in shown and "judged by customers" in shown
