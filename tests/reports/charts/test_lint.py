from __future__ import annotations

import altair as alt
import pytest

from reports.charts import lint
from reports.charts.canvas import Canvas
from reports.charts.theme import MODES, Mode, specification
from reports.pages.cards import Part
from reports.settings import ReportSettings
from reports.site.site import build_site
from tests.reports import fixtures

PARTS = {
    part.id: part
    for page in build_site(fixtures.answers(), ReportSettings(segments=("device",)), fixtures.BUILT_AT, "runs/x").pages
    for part in page.parts
    if part.spec is not None
}
HOSTILE = fixtures.hostile_answers(("A name of " + "many words " * 18, "مرحبا", '"&<', "", "W" * 60))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_chart_can_be_read(part: Part, mode: Mode) -> None:
    assert part.spec is not None
    assert lint.findings(part.spec, mode, lint.CARD_WIDTH[part.span]) == []
    assert part.narrow is not None
    assert lint.findings(part.narrow, mode, lint.PHONE_WIDTH) == []


def test_charts_stay_readable_with_long_and_unusual_names() -> None:
    for page in build_site(HOSTILE, ReportSettings(segments=("device",)), fixtures.BUILT_AT, "runs/x").pages:
        for part in page.parts:
            found = lint.findings(part.spec, "light", lint.CARD_WIDTH[part.span]) if part.spec else []
            found += lint.findings(part.narrow, "light", lint.PHONE_WIDTH) if part.narrow else []
            assert [fault for fault in found if not fault.startswith("cut off")] == [], part.id


def test_every_kind_of_fault_is_found() -> None:
    canvas = Canvas(1200, 40)
    rows = [{"x": 10, "y": 10, "t": "first text"}, {"x": 30, "y": 12, "t": "second text"}]
    faint = alt.Chart(alt.InlineData(values=[{}])).mark_text(color="#DDDDDD", text="faint").encode(y=alt.value(35))
    spec = specification(alt.layer(canvas.texts(rows, "label"), faint).properties(width=1200, height=40))
    found = " ".join(lint.findings(spec))
    for fault in ("no description", "too wide", "'first text' over 'second text'", "contrast 1."):
        assert fault in found


def test_contrast_is_measured_against_the_box_under_a_text() -> None:
    canvas = Canvas(200, 40)
    box = [{"x": 10, "x2": 40, "y": 5, "y2": 35}]
    on = [{"x": 25, "y": 20, "t": "a long word"}]
    spec = specification(
        canvas.layered([canvas.rects(box, "bar-primary"), canvas.texts(on, "label", "center")], "Box.")
    )
    assert lint.findings(spec) == ["wider than its box: a long word", "contrast 1.0: a long word"]
    small = specification(canvas.layered([canvas.texts(on, "label", fontSize=9)], "Small."))
    assert lint.findings(small) == ["too small: a long word"]


def test_specifications_are_valid_vega_lite() -> None:
    for part in PARTS.values():
        alt.Root.validate(part.spec)
        alt.Root.validate(part.narrow)
