"""Every verb and page survives every shape of data, and says the numbers that the oracles count."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analytics import PathRules, Paths, stage_funnel
from analytics.touches.rules import StageRule
from journeys.settings import Settings
from tests.journeys.shapes import site as pages
from tests.journeys.shapes.chain import Chain
from tests.journeys.shapes.expected import Expected, about
from tests.journeys.shapes.generate import Event, Shape, shapes, shop
from tests.reports.chromium import chromium, visited
from tests.reports.published import one_truth

SHAPES = dict(shapes())
COMPARED = {
    "one_customer",
    "nobody_converts",
    "everybody_converts",
    "no_stage",
    "two_goals",
    "three_years_with_gaps",
    "all_null",
    "empty_names",
    "reserved_names",
    "two_clocks",
}
"""The shapes whose sites are compared with the commands and the Python calls, frame by frame."""
DRAWN = ("one_event", "reserved_names", "markup", "control_characters")
"""The shapes whose sites are drawn in a browser, too."""
COUNTS = ("entered", "reached", "touched", "open", "customers", "waits", "backward", "direct", "late", "all_stages")
FEW = 500
"""Events of a file that is loaded a second time."""
NOTHING = 7
"""The exit code of a question about an empty lake."""


@pytest.fixture(scope="module")
def sites() -> dict[str, Path]:
    """Sites by shape, as they were before somebody was forgotten."""
    return {}


@pytest.mark.parametrize("name", SHAPES)
def test_the_whole_chain_says_what_the_oracles_count(
    name: str, tmp_path: Path, sites: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    shape = SHAPES[name]()
    chain = Chain(tmp_path, shape)
    first, second = shape.loads()
    in_first = {event.number for event in first}
    landed = [event for event in shape.landing if event.number in in_first]
    _load(chain, first, "first")
    chain("stitch")
    _stages(chain, Expected(shape, landed))
    _load(chain, second, "second")
    expected = Expected(shape, shape.landing)
    _refreshed(chain, expected)
    _stages(chain, expected)
    if not shape.of_source:
        chain("check")
        _steps(chain, expected)
        _paths(chain, expected)
        chain("report")
        _site(chain)
        if name in DRAWN:
            sites[name] = shutil.copytree(chain.site, tmp_path_factory.mktemp("sites") / name)
        if name in COMPARED:
            one_truth.check(chain.site, chain.rows, Settings(chain.config))
    _forget(chain, shape)


@pytest.mark.browser
@pytest.mark.parametrize("name", DRAWN)
def test_every_page_is_drawn_in_a_browser_without_a_complaint(
    name: str, tmp_path: Path, sites: dict[str, Path]
) -> None:
    site = sites.get(name) or _reported(tmp_path, SHAPES[name]())
    with chromium() as browser:
        drawn = [page for page in pages.latest(site).glob("*.html") if page.name != "brief.html"]  # has no script
        for page in (site / "index.html", *drawn):
            with visited(browser, page) as visit:
                status = visit.draw_all()
                assert not visit.complaints and not status["errors"] and not status["pwned"], page.name
                assert status["drawn"] == status["charts"] and status["wider"] <= 0, page.name


@pytest.mark.parametrize("library", ["polars", "lazy", "pandas", "pyarrow"])
def test_a_frame_of_any_library_gives_the_same_numbers(library: str) -> None:
    shape = Shape(shop(120))
    columns = ("who", "at", "name", "channel", "device")
    frame = pl.DataFrame([{name: getattr(event, name) for name in columns} for event in shape.events])
    made: Any = {
        "polars": lambda: frame,
        "lazy": frame.lazy,
        "pandas": lambda: frame.to_pandas().set_index(frame["who"].to_numpy()),
        "pyarrow": frame.to_arrow,
    }[library]()
    rules = PathRules(
        goal=list(shape.goal),
        after=["survey"],
        stages=[StageRule(name=name, touchpoints=list(own)) for name, own in shape.stages.items()],
    )
    paths = Paths.from_frame(made, customer="who", touchpoint="name", rules=rules)
    for by in (None, "device"):
        answer = stage_funnel(paths, by=by or ())
        for value, own in Expected(shape, shape.events).funnel(by).items():
            group = answer.filter(
                "is_total" if value is ... else ~pl.col("is_total") & pl.col("device").eq_missing(value)
            )
            counted = [{name: row[name] for name in COUNTS} for row in own]
            assert group.select(COUNTS).to_dicts() == counted, (by, value)


def _reported(folder: Path, shape: Shape) -> Path:
    """A new site."""
    chain = Chain(folder, shape)
    chain.load(shape.events, "all")
    chain("stitch")
    chain("report")
    return chain.site


def _load(chain: Chain, events: list[Event], name: str) -> None:
    said = chain.load(events, name).out
    first_refused = len(chain.shape.landing)
    refused = sum(event.number >= first_refused for event in events) if chain.shape.refused else 0
    assert f"{len(events) - refused:,} rows landed" in said
    assert (f", {refused:,} refused" in said) if refused else ("refused" not in said)
    if 0 < len(events) < FEW:
        assert "landed before; nothing added" in chain.load(events, f"{name} again").out


def _refreshed(chain: Chain, expected: Expected) -> None:
    """Stitching again says the journeys by outcome, and equals a build from the beginning."""
    said = " ".join(chain("stitch").out.split())
    outcomes = expected.outcomes()
    counts = ", ".join(f"{outcomes[outcome]:,} {outcome}" for outcome in ("converted", "abandoned", "open"))
    assert f"{sum(outcomes.values()):,} journeys: {counts}" in said
    assert (
        f"{len(chain.shape.again):,} duplicates left out, {len({e.who for e in expected.events}):,} customers" in said
    )
    chain("stitch", "--verify")


def _stages(chain: Chain, expected: Expected) -> None:
    if not expected.events:
        assert "There are no touches" in chain("funnel", codes=(NOTHING,)).err
        return
    for by in (None, *(name for name in ("device", "channel") if name in chain.shape.segments)):
        rows = chain.rows("funnel", *(("--by", by) if by else ()))
        groups = expected.funnel(by)
        found: dict[Any, list[dict[str, Any]]] = {}
        for row in rows:
            found.setdefault(... if row["is_total"] else row[by], []).append(row)
        assert found.keys() == groups.keys(), by
        for value, own in groups.items():
            for said, counted in zip(found[value], own, strict=True):
                assert {name: said[name] for name in COUNTS} == {name: counted[name] for name in COUNTS}, (by, value)
                assert about(said["median_wait_seconds"], counted["median_wait"]), (by, value, said["step"])
                assert said["skipped"] == counted["reached"] - counted["touched"]
                share = counted["reached"] / counted["entered"] if counted["entered"] else None
                assert said["share_of_entered"] == pytest.approx(share, abs=1e-12), (by, value)
    chain("funnel")


def _steps(chain: Chain, expected: Expected) -> None:
    """A funnel of steps, where the data has its touchpoints; else the error that names the nearest."""
    if set(chain.shape.steps) <= {event.name for event in expected.events}:
        assert [row["reached"] for row in chain.rows("funnel", *chain.shape.steps)] == expected.steps()
        chain("funnel", *chain.shape.steps, "--by", "channel")
    else:
        assert "touchpoint" in chain("funnel", *chain.shape.steps, codes=(NOTHING,)).err


def _paths(chain: Chain, expected: Expected) -> None:
    said = {(row["source"], row["target"]): row for row in chain.rows("paths", "transitions")}
    counted = expected.transitions()
    assert {edge: (row["transitions"], row["customers"]) for edge, row in said.items()} == {
        edge: (times, people) for edge, (times, people, _) in counted.items()
    }
    for edge, (*_, wait) in counted.items():
        assert about(said[edge]["median_wait_seconds"], wait), edge
    variants = expected.variants()
    found = chain.rows("paths", "variants", "--top", f"{max(len(variants), 1)}")
    rated = ("units", "customers", "mature", "reached")
    assert {row["path"]: tuple(row[name] for name in rated) for row in found} == {
        " > ".join(names): counts[:4] for names, counts in variants.items()
    }
    assert _of(chain, "flow", ("position", "source", "target"), rated) == expected.links()
    assert _of(chain, "matrix", ("position", "node"), ("units",)) == {k: (v,) for k, v in expected.matrix().items()}
    found = _of(chain, "channels", ("reach", "channel"), (*rated, "median_touches"))
    assert found == expected.channels()
    effort = {row["stage"]: row for row in chain.rows("paths", "effort")} if chain.shape.stages else {}
    for stage, counts in expected.effort().items():
        names = ("units", "customers", "touches", "repeats", "backtracks")
        assert {name: effort[stage][name] for name in names} == {name: counts[name] for name in names}, stage
        assert effort[stage]["next_entropy"] == pytest.approx(counts["entropy"], abs=1e-9), stage
    for question in ("variants", "flow", "transitions", "matrix", "channels", "handoffs"):
        chain("paths", question)


def _of(chain: Chain, question: str, keys: tuple[str, ...], counts: tuple[str, ...]) -> dict[Any, Any]:
    rows = chain.rows("paths", question)
    return {tuple(row[name] for name in keys): tuple(row[name] for name in counts) for row in rows}


def _site(chain: Chain) -> None:
    assert not pages.undrawn(chain.site)
    assert not pages.broken_links(chain.site)
    titles = pages.headings(chain.site)
    assert all(len(texts) == 1 and texts[0].strip() for texts in titles.values()), titles
    headline = titles["index.html"][0]
    rows = chain.rows("funnel")
    rows[-1]["name"] = " or ".join(chain.shape.goal)
    assert not pages.untrue(headline, rows), headline


def _forget(chain: Chain, shape: Shape) -> None:
    """One customer goes: the proof counts no row of theirs, and the numbers are those of all others."""
    who = shape.events[0].who
    rest = [event for event in shape.landing if event.who != who]
    if shape.large:
        assert "too large to be one person" in chain("forget", f"customer_id:{who}", "--yes", codes=(NOTHING, 2)).err
    proof = chain("forget", f"customer_id:{who}", "--yes", *(["--large"] if shape.large else [])).out
    assert "none remain" in " ".join(proof.split())
    expected = Expected(shape, rest)
    _stages(chain, expected)
    if len(shape.events) < 50:
        chain("report")
        _is_small(chain, expected)


def _is_small(chain: Chain, expected: Expected) -> None:
    titles = pages.headings(chain.site)
    assert not pages.broken_links(chain.site)
    if not expected.events:
        assert titles["index.html"] == ["Nothing has happened yet"]
