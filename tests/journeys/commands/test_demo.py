"""The whole pipeline on the simulated shop, with a real broker: no event is lost, and the known effects are found."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analytics import Funnel, Paths, Step, funnel

pytestmark = pytest.mark.broker
CUSTOMERS = 6_000


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop") / "demo"
    done = subprocess.run(
        [sys.executable, "-m", "journeys", "demo", "--folder", str(folder), "--customers", str(CUSTOMERS)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    (folder / "printed.txt").write_text(done.stdout)
    return folder


@pytest.fixture(scope="module")
def truths(demo: Path) -> dict[str, Any]:
    truths: dict[str, Any] = json.loads((demo / "data" / "truths.json").read_text())
    return truths


@pytest.fixture(scope="module")
def paths(demo: Path) -> Paths:
    return Paths.open(demo / "lake")


def test_every_message_is_landed_or_kept_with_its_reason(demo: Path, truths: dict[str, Any]) -> None:
    volumes = truths["volumes"]
    events = pl.scan_delta(str(demo / "lake" / "events")).collect()
    refused = pl.scan_delta(str(demo / "lake" / "quarantine")).collect()
    assert len(events) + len(refused) == sum(volumes["messages"].values())
    assert dict(refused["reason"].value_counts().iter_rows()) == volumes["refused"]
    positions = pl.concat([frame.select("topic", "partition", "offset") for frame in (events, refused)])
    assert positions.is_unique().all()


def test_precision_and_recall_of_stitching_are_printed(demo: Path) -> None:
    printed = (demo / "printed.txt").read_text()
    assert "planted people against customers: precision 1.0000, recall 0.98" in printed


def test_printed_counts_equal_landed_counts(demo: Path, truths: dict[str, Any]) -> None:
    printed = (demo / "printed.txt").read_text()
    refused = sum(truths["volumes"]["refused"].values())
    landed = sum(truths["volumes"]["messages"].values()) - refused
    assert f"{landed:,} events landed, {refused:,} refused" in printed.replace("\n", " ")
    assert str(demo / "site" / "index.html") in printed


def test_the_incident_on_mobile_checkout_shows(paths: Paths, truths: dict[str, Any]) -> None:
    incident = truths["incident"]
    start, end = (datetime.fromisoformat(incident[edge]) for edge in ("start", "end"))
    steps = [Step("Checkout started", where=pl.col("device") == incident["device"]), Step("Payment submitted")]

    def share(**period: datetime) -> float:
        return float(funnel(paths, Funnel(steps, window="1h", **period))["share_of_previous"][1])

    assert share(start=start, end=end) < 0.75 * share(end=start)


def test_the_slow_page_loses_customers(paths: Paths, truths: dict[str, Any]) -> None:
    slow = truths["slow_page"]
    views = (
        paths.touches.with_columns(
            pl.col("at").shift(-1).over("customer", "session").is_null().alias("ended"),
        )
        .filter(pl.col("event_name") == "page_viewed", ~pl.col("page").is_in(["home", "landing", "cart"]))
        .group_by(pl.col("page") == slow["page"])
        .agg(pl.col("ended").mean())
        .collect()
    )
    ended = dict(views.iter_rows())
    assert ended[True] > 1.5 * ended[False]


def test_the_planted_segment_never_converts(paths: Paths, truths: dict[str, Any]) -> None:
    never = truths["never_converts"]
    steps = [Step("Awareness", on="stage"), Step("Action", on="stage")]
    answer = funnel(paths, Funnel(steps, window="30d", by=[never["attribute"]], maturity="clip"))
    reached = dict(
        answer.filter(pl.col("step") == 2, ~pl.col("is_total")).select(never["attribute"], "reached").iter_rows()
    )
    assert reached.pop(never["value"]) == 0
    assert min(count for value, count in reached.items() if value) > 0


def test_the_report_names_the_segment_that_never_converts(demo: Path, truths: dict[str, Any]) -> None:
    assert truths["never_converts"]["value"] in (demo / "site" / "index.html").read_text()


def test_the_assisting_channel_is_never_last(paths: Paths, truths: dict[str, Any]) -> None:
    helper = truths["only_helps"]["channel"]
    touches = paths.touches.with_columns(pl.col("touchpoint").shift(-1).over("customer").alias("next"))
    last = touches.filter(pl.col("channel") == helper, pl.col("next") == "Order placed").collect()
    customers = (
        paths.touches.group_by("customer")
        .agg(
            (pl.col("channel") == helper).any().alias("helped"),
            (pl.col("touchpoint") == "Order placed").any().alias("ordered"),
        )
        .collect()
    )
    ordered = dict(customers.group_by("helped").agg(pl.col("ordered").mean()).iter_rows())
    assert last.is_empty()
    assert ordered[True] > ordered[False]


def test_an_empty_lake_gives_a_report_that_says_so(tmp_path: Path) -> None:
    def journeys(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "journeys", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    assert [journeys(verb).returncode for verb in ("init", "stitch", "report")] == [0, 0, 0]
    assert "Nothing has happened yet" in (tmp_path / "site" / "index.html").read_text()
    assert journeys("status").returncode == 0
    asked = journeys("funnel")
    assert (asked.returncode, "Traceback" in asked.stderr) == (7, False)
    assert "There are no touches" in asked.stderr
