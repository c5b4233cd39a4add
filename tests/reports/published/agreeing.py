"""Checks that a published report shows every number consistently; reads only the files of a run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from reports.words.numbers import count, percent

NUMBER = r"[\d,]+"


class Report:
    """The files of a run: `frames` and `texts` by the id of their card, and the value cards by label."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.index: dict[str, Any] = json.loads((run / "site.json").read_text(encoding="utf-8"))
        self.cards = [(page["file"], part) for page in self.index["pages"] for part in page["parts"]]
        self.frames = {part["id"]: pl.DataFrame(part["frame"]) for _, part in self.cards}
        self.texts = {part["id"]: part["title"] + " | " + part["subtitle"] for _, part in self.cards}
        self.values = {value["label"]: value for value in self.index["values"]}
        self.in_steps = "Counts change in steps of 10" in (run / "index.html").read_text(encoding="utf-8")
        self.pages = {file.name: file.read_text(encoding="utf-8") for file in run.glob("*.html")}

    def lede(self) -> str:
        """The first sentences below the headline of the front page."""
        found = re.search(r'<p class="lede">([^<]*)', self.pages[self.index["pages"][0]["file"]])
        return found[1] if found else ""

    def number(self, card: str, pattern: str) -> int:
        """The number in the text of a card that matches the pattern, in which N stands for it."""
        match = re.search(pattern.replace("N", f"({NUMBER})"), self.texts[card])
        assert match, f"{card}: {pattern} in {self.texts[card]}"
        return int(match[1].replace(",", ""))


def check(run: Path) -> set[str]:
    """Assert that the report agrees with itself; returns the ids of the cards that were compared."""
    report = Report(run)
    _files(report)
    _tables(report)
    _funnel(report)
    _groups(report)
    _journeys(report)
    _quality(report)
    return set(report.frames)


def _files(report: Report) -> None:
    """The same frame on every page and in every file."""
    for _, part in report.cards:
        frame = report.frames[part["id"]]
        assert pl.DataFrame(part["frame"]).equals(frame), part["id"]
        written = pl.read_csv(report.run / part["csv"], infer_schema_length=None)
        assert (written.height, written.columns) == (frame.height, frame.columns), part["id"]
        for name in (name for name, dtype in frame.schema.items() if dtype.is_numeric()):
            apart = (written[name].cast(pl.Float64) - frame[name].cast(pl.Float64)).abs().max()
            assert (apart or 0) < 1e-9 and written[name].null_count() == frame[name].null_count(), (part["id"], name)
        if "parquet" in part:
            kept = pl.read_parquet(report.run / part["parquet"])
            assert kept.height == frame.height and set(kept.columns) == set(frame.columns), part["id"]


def _tables(report: Report) -> None:
    """A card has the same table on every page that shows it."""
    seen: dict[str, str] = {}
    for name, html in report.pages.items():
        for card in re.split(r'<figure class="card', html)[1:]:
            key = re.search(r'id="([^"]*)"', card)
            table = re.search(r"<table>.*?</table>", card, re.S)
            if key and table:
                assert seen.setdefault(key[1], table[0]) == table[0], f"{name}: {key[1]}"
    assert seen


def _funnel(report: Report) -> None:
    stages = report.frames["funnel"]
    first, last = stages.row(0, named=True), stages.row(-1, named=True)
    assert report.values["Mature journeys"]["value"] == count(first["entered"]) == count(first["reached"])
    for card, text in report.texts.items():
        entered = re.search(rf"({NUMBER}) journeys begun", text)
        assert entered is None or entered[1] == count(first["entered"]), card
    reached = next(value for label, value in report.values.items() if label.startswith("Reach "))
    lede = report.lede()
    if last["share_of_entered"] is not None:
        assert reached["value"] == percent(last["share_of_entered"])
        assert reached["detail"].startswith(f"{count(last['reached'])} journeys")
        assert abs(last["reached"] / last["entered"] - last["share_of_entered"]) < 1e-9
        assert f"{count(last['reached'])} of {count(last['entered'])} journeys" in lede
        if last["all_stages"] is not None:
            in_order = percent(last["all_stages"] / last["entered"])
            assert in_order in lede and in_order in report.texts["funnel"]
    lowest = next((value for label, value in report.values.items() if "step" in label), None)
    rates = stages["share_of_previous"].drop_nulls()
    assert lowest is None or rates.is_empty() or lowest["value"] == percent(rates.min())  # type: ignore[arg-type]
    for row in stages.filter(pl.col("share_of_previous").is_not_null()).iter_rows(named=True):
        assert abs(row["reached"] / row["previous"] - row["share_of_previous"]) < 1e-9
        assert row["dropped"] == row["previous"] - row["reached"]


def _groups(report: Report) -> None:
    """Groups add up to the funnel where all are published, and the explorer has the counts of both."""
    stages, segments = report.frames["funnel"], report.frames.get("segments")
    reached = dict(stages.select("step", "reached").iter_rows())
    published: dict[tuple[str, str, int], int] = {}
    if segments is not None:
        for (_, step), rows in segments.group_by("dimension", "step"):
            for name, of in (("previous", step - 1), ("reached", step)):  # type: ignore[operator]
                if not rows[name].null_count() and reached[of] is not None:
                    apart = abs(rows[name].sum() - reached[of])
                    assert apart == 0 or (report.in_steps and not apart % 10 and apart <= 10 * rows.height)
            share = stages.filter(pl.col("step") == step)["share_of_previous"][0]
            everyone = rows["everyone"].drop_nulls()
            assert share is None or everyone.is_empty() or abs(everyone[0] - share) < 6e-5
        for row in segments.iter_rows(named=True):
            published |= {(row["dimension"], row["segment"], row["step"] - 1): row["previous"]}
            published |= {(row["dimension"], row["segment"], row["step"]): row["reached"]}
    if "explorer" in report.frames:
        _cube(report.frames["explorer"], reached, published, report.texts["explorer"])


def _cube(cells: pl.DataFrame, reached: dict[int, int], published: dict[tuple[str, str, int], int], text: str) -> None:
    for step, customers in reached.items():
        assert customers is None or cells[f"n{step}"].sum() == customers, step
    by = re.search(r"How far journeys get, by (.*?) \|", text)
    fields = dict(zip(by[1].split(" and "), "ab", strict=False)) if by else {}
    for (dimension, segment, step), customers in published.items():
        field = fields.get(dimension.lower())
        rows = cells.filter(pl.col(field) == segment) if field else cells.clear()
        if customers is not None and segment != "All others" and rows["start"].drop_nulls().len():
            assert rows[f"n{step}"].sum() == customers, (dimension, segment, step)


def _journeys(report: Report) -> None:
    whole = re.match(rf"of ({NUMBER}) in all;", report.values["Mature journeys"]["detail"])
    assert whole
    journeys = int(whole[1].replace(",", ""))
    mature, reached = (report.frames["funnel"][name][-1] for name in ("entered", "reached"))
    assert report.number("flow", "N journeys begun") == mature <= journeys
    flow = report.frames["flow"].group_by("position", "source").agg(pl.col("units").sum())
    assert flow.filter(pl.col("position") == 1)["units"].sum() <= mature
    first = report.frames["positions"].filter(pl.col("position") == 1)
    assert abs(first["units"].sum() - journeys) <= 10 * first.height
    for row in report.frames["positions"].iter_rows(named=True):
        assert abs(row["units"] / journeys - row["share"]) < 6e-4
    starts = report.frames["moves"].filter(pl.col("source") == "START")["transitions"]
    assert abs(starts.sum() - journeys) <= 10 * (starts.len() + 2)
    if "time-to-goal" in report.frames:
        times = report.frames["time-to-goal"]["journeys"].sum()
        pace = next(value for label, value in report.values.items() if label.startswith("Median time"))
        assert report.number("time-to-goal", "The N journeys") == reached
        assert times == reached or (
            report.in_steps and abs(times - reached) <= 10 * report.frames["time-to-goal"].height
        )
        assert f"of {count(reached)} journeys" in pace["detail"]
        assert pace["value"] in report.texts["time-to-goal"]
    if "map" in report.frames and "definitions" in report.frames:
        assert report.frames["map"].sort(pl.all()).equals(report.frames["definitions"].sort(pl.all()))


def _quality(report: Report) -> None:
    touches = report.values["Touches"]["value"]
    assert f"{touches} touches" in report.texts["linked"]
    assert all(f"from {touches} touches" in html for name, html in report.pages.items() if name != "history.html")
    if "refused" in report.frames:
        known = report.frames["refused"]["messages"].drop_nulls().sum()
        assert report.texts["refused"].startswith(count(known)) or not known
    states = [*report.frames["funnel"]["state"], *_states(report)]
    withheld = sum(state == "withheld" for state in states)
    assert report.values["Withheld"]["detail"].startswith(f"{withheld} of {len(states)} cells")
    assert report.values["Withheld"]["value"] == percent(withheld / len(states))


def _states(report: Report) -> Iterator[str]:
    if "segments" in report.frames:
        yield from report.frames["segments"]["state"]
