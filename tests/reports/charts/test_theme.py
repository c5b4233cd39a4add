"""Every chart has an alternative text that a screen reader reads in one go, whatever the data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reports.charts.canvas import Canvas
from reports.charts.svg import drawing
from reports.charts.theme import MAX_DESCRIPTION, REST, alternative_text, specification
from reports.pages.cards import Part
from reports.privacy import stages
from reports.questions.answers import Answers
from reports.settings import ReportSettings
from reports.site.site import build_site
from tests.reports import fixtures

SETTINGS = ReportSettings(segments=("device", "region"))
LONG = tuple(
    f"{'a very long name of a stage or a touchpoint '[:36]}{number:04}" for number in range(len(fixtures.STAGES))
)


def crowded() -> Answers:
    """Groups and names that are as many and as long as data may have."""
    groups = {f"{LONG[0]}{n}": dict.fromkeys((f"{n} {LONG[1]} {m}" for m in range(12)), (0.08, 0.8)) for n in range(8)}
    segments = stages.publishable_segments(fixtures.segment_frame(groups, LONG), 10, 30)
    return fixtures.answers(
        names=LONG, segments=segments, weeks=fixtures.weeks_frame(LONG), incidents=fixtures.incidents_of(LONG, LONG[0])
    )


def parts_of(answers: Answers) -> Iterator[Part]:
    built = build_site(answers, SETTINGS, fixtures.BUILT_AT, "runs/x")
    assert built.failures == ()
    return (part for page in built.pages for part in page.parts)


@pytest.mark.parametrize("answers", [fixtures.answers, crowded], ids=["usual", "crowded"])
def test_an_alternative_text_has_at_most_300_characters_and_names_what_the_chart_shows(answers: Any) -> None:
    texts = {}
    for part in parts_of(answers()):
        for spec in (part.spec, part.narrow):
            if spec is not None:
                texts[part.id] = text = spec["description"]
                assert 10 < len(text) <= MAX_DESCRIPTION, f"{part.id}: {len(text)} characters"
                assert not text.endswith((";", ","))
    assert len(texts) > 10
    assert texts["funnel"].startswith("Funnel of 5 stages.") and texts["flow"].startswith("Flow of ")


def test_a_long_description_ends_with_a_whole_part_and_says_where_the_rest_is() -> None:
    text = "Groups at 9 steps. " + "; ".join(f"group {n}: {n} % of 100 journeys" for n in range(10_000)) + "."
    short = alternative_text(text)
    assert len(short) <= MAX_DESCRIPTION and short.endswith(f"journeys. {REST}") and text.startswith(short[:200])
    assert alternative_text("x" * 301).startswith("xxx") and len(alternative_text("x" * 301)) <= MAX_DESCRIPTION
    assert alternative_text("short.") == "short."


def test_a_chart_of_names_with_hidden_characters_is_drawn_without_them() -> None:
    rows = [{"x": 9, "y": 9, "t": "nul\x00 back \u202e"}]
    chart = Canvas(90, 20).layered([Canvas(90, 20).texts(rows, "label")], "Names \x1b[31m")
    spec = specification(chart)
    assert spec["description"] == "Names �[31m"
    assert "nul� back �" in drawing(spec)
