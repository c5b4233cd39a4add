"""Publishing from a lake: in one step, with earlier reports, from an empty lake, with clear errors."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from PIL import Image
from pypdf import PdfReader

from analytics import Paths, kept_names, kept_site, landed_offsets, published_runs, refresh_paths, restatements
from analytics.touches.rules import PathRules, StageRule
from expectations.errors import DefinitionError, StorageError
from expectations.lake import files
from expectations.lake.layout import EVENTS, Lake
from reports.settings import ReportSettings
from reports.site.places import Folder, Store
from reports.site.publish import publish
from tests.analytics.monitoring.runs.histories import RULES as WRITTEN
from tests.analytics.monitoring.runs.histories import History
from tests.reports.published import agreeing
from tests.services.object_store import BUCKET, object_store

BUILT_AT = datetime(2026, 8, 30, 6, tzinfo=UTC)
RULES = PathRules(
    goal=["Order"],
    stages=[
        StageRule(name="Awareness", touchpoints=["Ad"]),
        StageRule(name="Interest", touchpoints=["Product"]),
        StageRule(name="Action", touchpoints=["Order"]),
    ],
)
SETTINGS = ReportSettings(window="7d", compare="14d", segments=("device",))
BRIEF = SETTINGS.model_copy(update={"pages": ("summary",)})
"""One page: for how reports are put in place, whatever they say."""
SECRET = "customer:someone@example.org:"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    start = datetime(2026, 6, 1, tzinfo=UTC)
    rows = []
    for number in range(900):
        entered = start + timedelta(hours=number * 1.5)
        ordered = number % 3 == 0
        names = ["Ad", *(["Product"] if number % 2 == 0 or ordered else []), *(["Order"] if ordered else [])]
        for minute, name in enumerate(names):
            rows.append(
                {
                    "customer": f"{SECRET}{number}",
                    "at": entered + timedelta(minutes=minute),
                    "touchpoint": name,
                    "stage": {"Ad": "Awareness", "Product": "Interest", "Order": "Action"}[name],
                    "channel": "web",
                    "session": 1,
                    "journey": 1,
                    "outcome": "converted" if ordered else "abandoned",
                    "linked": "login",
                    "device": ("mobile", "desktop", "tablet")[number % 7 % 3],
                }
            )
    frame = pl.DataFrame(rows).with_columns(pl.col("session", "journey").cast(pl.UInt32))
    Paths.from_frame(frame, end_of_data=start + timedelta(days=60)).save(lake)
    return lake


def test_the_report_of_a_lake_is_published_without_customer_keys(lake: Lake, tmp_path: Path) -> None:
    published = publish(lake, SETTINGS, RULES, tmp_path / "site", BUILT_AT)
    assert Path(published.address).read_bytes()
    assert "reaches “Order”" in published.headline or "reach “Order”" in published.headline
    assert not published.is_empty
    for file in (tmp_path / "site").rglob("*"):
        assert file.is_dir() or b"someone@example.org" not in file.read_bytes()


def test_links_of_the_front_page_resolve(lake: Lake, tmp_path: Path) -> None:
    published = publish(lake, SETTINGS, RULES, tmp_path, BUILT_AT)
    for page in [Path(published.address), *(tmp_path / "runs" / published.run).glob("*.html")]:
        for address in re.findall(r'<a href="([^"#]*)"', page.read_text()):
            assert (page.parent / address).exists(), f"{page.name}: {address}"


def test_every_number_is_the_same_wherever_the_report_shows_it(lake: Lake, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"explore": ("device",), "static": True})
    published = publish(lake, settings, RULES, tmp_path, BUILT_AT)
    compared = agreeing.check(tmp_path / "runs" / published.run)
    assert {"funnel", "segments", "flow", "positions", "moves", "explorer", "time-to-goal"} <= compared


def test_same_lake_and_time_give_the_same_bytes_of_every_kind_of_file(lake: Lake, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"files": True})
    first = publish(lake, settings, RULES, tmp_path / "a", BUILT_AT)
    second = publish(lake, settings, RULES, tmp_path / "b", BUILT_AT)
    assert first.run == second.run
    files = [file for file in (tmp_path / "a").rglob("*") if file.is_file()]
    for file in files:
        assert file.read_bytes() == (tmp_path / "b" / file.relative_to(tmp_path / "a")).read_bytes(), file.name
    assert {file.suffix for file in files} == {".html", ".json", ".csv", ".parquet", ".svg", ".png", ".pdf"}
    for file in files:
        assert b"someone@example.org" not in file.read_bytes(), file.name
    words = "".join(page.extract_text() for page in PdfReader(tmp_path / "a" / "runs" / first.run / "report.pdf").pages)
    assert "Order" in words and "someone" not in words
    for file in (tmp_path / "a").rglob("*.parquet"):
        assert "someone" not in str(pl.read_parquet(file).rows()) + str(pl.read_parquet_metadata(file))
    for file in (tmp_path / "a").rglob("*.png"):
        with Image.open(file) as picture:
            assert set(picture.info) <= {"dpi", "gamma", "srgb"}, picture.info


def test_an_interruption_at_any_step_leaves_the_old_report(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = publish(lake, BRIEF, RULES, tmp_path, BUILT_AT)
    before = Path(old.address).read_bytes()

    def stopped(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Folder, "replace", stopped)
    with pytest.raises(StorageError, match="cannot be written"):
        publish(lake, BRIEF, RULES, tmp_path, BUILT_AT + timedelta(hours=1))
    assert Path(old.address).read_bytes() == before
    assert (tmp_path / "runs" / old.run / "index.html").exists()


def test_earlier_reports_of_one_second_are_kept_up_to_the_configured_number(lake: Lake, tmp_path: Path) -> None:
    settings = BRIEF.model_copy(update={"keep": 2})
    runs = [publish(lake, settings, RULES, tmp_path, BUILT_AT + timedelta(milliseconds=day)).run for day in range(4)]
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == runs[-2:]


def test_no_store_and_an_empty_store_give_a_page_that_says_so(tmp_path: Path) -> None:
    published = publish(Lake(str(tmp_path / "lake")), SETTINGS, RULES, tmp_path / "site", BUILT_AT)
    assert published.is_empty
    assert "Nothing has happened yet" in Path(published.address).read_text()


def test_the_report_of_few_customers_contains_no_count_of_them(tmp_path: Path) -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    rows = [
        {"customer": str(number), "at": start + timedelta(days=number), "touchpoint": "Ad", "stage": "Awareness"}
        | {"device": "mobile", "channel": "web", "session": 1, "journey": 1, "outcome": "open", "linked": "login"}
        for number in range(7)
    ]
    lake = Lake(str(tmp_path / "lake"))
    Paths.from_frame(pl.DataFrame(rows), end_of_data=start + timedelta(days=60)).save(lake)
    html = Path(publish(lake, SETTINGS, RULES, tmp_path / "site", BUILT_AT).address).read_text()
    words = re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", html, flags=re.S)
    assert "Too few customers for a rate" in words
    assert not re.search(r"\b7 (customers|journeys|are)\b", words)


def test_an_unknown_breakdown_raises_an_error(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="divice"):
        publish(lake, SETTINGS.model_copy(update={"segments": ("divice",)}), RULES, tmp_path, BUILT_AT)


def test_folder_that_cannot_be_written_is_one_clear_error(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        publish(lake, SETTINGS, RULES, tmp_path / "file", BUILT_AT)


def test_every_report_is_recorded_in_the_lake_exactly_once(lake: Lake, tmp_path: Path) -> None:
    first = publish(lake, BRIEF, RULES, tmp_path, BUILT_AT + timedelta(days=100))
    publish(lake, BRIEF, RULES, tmp_path, BUILT_AT + timedelta(days=100))
    later = publish(lake, BRIEF, RULES, tmp_path, BUILT_AT + timedelta(days=101))
    noted = published_runs(lake).filter(pl.col("built_at") >= BUILT_AT + timedelta(days=100))
    index = json.loads((tmp_path / "site.json").read_text())
    assert noted["run"].to_list() == [first.run, later.run]
    assert noted["definitions"].unique().to_list() == [index["definitions"]]
    assert noted["site"].unique().to_list() == [str(tmp_path)]


def test_offsets_are_the_last_of_every_partition_and_files_have_none(tmp_path: Path) -> None:
    places = [("clicks", 0, 4), ("clicks", 0, 9), ("clicks", 1, 2), ("file:old.ndjson", 0, 77)]
    rows = [{"event_id": str(place), "topic": t, "partition": p, "offset": o} for place, (t, p, o) in enumerate(places)]
    lake = Lake(str(tmp_path))
    pl.DataFrame(rows, schema_overrides={"partition": pl.Int32}).write_delta(lake.table(EVENTS))
    assert landed_offsets(lake).rows() == [("clicks", 0, 9), ("clicks", 1, 2)]


def test_earlier_reports_are_those_that_are_still_there(lake: Lake, tmp_path: Path) -> None:
    settings = BRIEF.model_copy(update={"keep": 3})
    made = [publish(lake, settings, RULES, tmp_path, BUILT_AT + timedelta(days=day)).run for day in range(3)]
    shutil.rmtree(tmp_path / "runs" / made[1])
    made.append(publish(lake, settings, RULES, tmp_path, BUILT_AT + timedelta(days=3)).run)
    listed = re.findall(r'href="\./runs/([^/"]*)/index.html"', (tmp_path / "history.html").read_text())
    assert listed == [made[3], made[2], made[0]]
    publish(lake, settings, RULES, tmp_path, BUILT_AT + timedelta(days=4))
    listed = re.findall(r'href="\./runs/([^/"]*)/index.html"', (tmp_path / "history.html").read_text())
    assert all((tmp_path / "runs" / run).exists() for run in listed) and len(listed) == 3


def test_an_object_store_gets_the_same_files_as_a_folder_and_loses_old_runs(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = BRIEF.model_copy(update={"keep": 2})
    with object_store() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        address = f"s3://{BUCKET}/reports/site"
        for day in range(3):
            here = publish(lake, settings, RULES, tmp_path, BUILT_AT + timedelta(days=day))
            there = publish(lake, settings, RULES, address, BUILT_AT + timedelta(days=day))
        assert (there.run, there.address) == (here.run, f"{address}/index.html")
        place = Store(address)
        assert place.runs() == Folder(tmp_path).runs() and len(place.runs()) == 2
        for file in (file for file in tmp_path.rglob("*") if file.is_file()):
            assert files.read(f"{address}/{file.relative_to(tmp_path)}") == file.read_bytes()


def test_an_unknown_kind_of_address_is_one_clear_error(lake: Lake) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        publish(lake, SETTINGS, RULES, "nowhere://bucket/site", BUILT_AT)


def test_the_site_names_the_folder_in_which_its_files_lie(lake: Lake, tmp_path: Path) -> None:
    publish(lake, SETTINGS, RULES, tmp_path, BUILT_AT)
    index = json.loads((tmp_path / "site.json").read_text())
    for page in index["pages"]:
        assert (tmp_path / index["folder"] / page["file"]).exists()
        assert all((tmp_path / index["folder"] / part["csv"]).exists() for part in page["parts"])


def _shop(folder: Path, every: int, customers: int = 900) -> Lake:
    """A shop in which one in `every` customers orders."""
    start, lake = datetime(2026, 6, 1, tzinfo=UTC), Lake(str(folder))
    steps = (("Ad", "Awareness"), ("Product", "Interest"), ("Order", "Action"))
    rows = [
        {"customer": str(number), "at": start + timedelta(hours=number, minutes=minute), "touchpoint": name}
        | {"stage": stage, "device": "web", "channel": "web", "linked": "login"}
        for number in range(customers)
        for minute, (name, stage) in enumerate(steps[: 3 if number % every == 0 else 2])
    ]
    Paths.from_frame(pl.DataFrame(rows), end_of_data=start + timedelta(days=60)).save(lake)
    return lake


def test_history_lists_changes_between_runs_of_different_data(tmp_path: Path) -> None:
    settings = ReportSettings(window="7d", compare="14d", pages=("summary",))
    shops = [_shop(tmp_path / str(place), every) for place, every in enumerate((3, 2, 2))]
    narrower = settings.model_copy(update={"window": "5d"})
    for day, (shop, asked) in enumerate(zip([*shops, shops[2]], [settings] * 3 + [narrower], strict=True)):
        publish(shop, asked, RULES, tmp_path / "site", BUILT_AT + timedelta(days=day))
    page = (tmp_path / "site" / "history.html").read_text()
    changes = [text.replace("\u202f", " ") for text in re.findall(r'<p class="sub">([^<]*)', page)]
    assert changes == [
        "The definition changed (window): the numbers are not compared.",
        "Nothing moved since the report before.",
        "Reach “Order”: 50.0 %, +16.7 pp (late data). Going on to “Order”: 50.0 %, +16.7 pp (late data).",
        "The first report that is kept.",
    ]
    heads = re.findall(r'<h2 id="t-run[^>]*>([^<]*)', page)
    assert [head[:11] for head in heads] == ["2 Sep 2026 ", "1 Sep 2026 ", "31 Aug 2026", "30 Aug 2026"]


def test_a_number_that_is_told_otherwise_is_on_the_page_and_stays_in_the_lake(tmp_path: Path) -> None:
    """Forty customers order in the first week; forty more, whose events land after the first report."""
    shop = History(tmp_path / "lake")
    orders = [(name, 2 + at, f"c{number}", None) for number in range(80) for at, name in enumerate(("look", "buy"))]
    settings = BRIEF.model_copy(update={"pages": ("change",), "segments": (), "keep": 1})
    for day, events in enumerate((orders[:80], orders[80:])):
        shop.land(*events, *(("look", 40, "zed", None) for _ in range(1 - day)))
        refresh_paths(shop.lake, WRITTEN)
        published = publish(shop.lake, settings, WRITTEN, tmp_path / "site", BUILT_AT + timedelta(days=day))
    index = json.loads((tmp_path / "site" / "site.json").read_text())
    (part,) = (part for page in index["pages"] for part in page["parts"] if part["id"] == "restated")
    rows = dict(zip(part["frame"]["part"], zip(part["frame"]["then"], part["frame"]["now"], strict=True), strict=True))
    assert rows["goals"] == (40, 80) and part["title"].endswith("numbers of earlier reports were restated")
    assert "events that arrived late +40" in (tmp_path / "site" / "runs" / published.run / "index.html").read_text()
    assert len(list((tmp_path / "site" / "runs").iterdir())) == 1
    first, last = kept_names(shop.lake)
    assert kept_site(shop.lake, last) == index and kept_site(shop.lake, first)["built_at"] == BUILT_AT.isoformat()
    assert restatements(shop.lake)["run"].unique().to_list() == [published.run]
    publish(shop.lake, settings, WRITTEN, tmp_path / "site", BUILT_AT + timedelta(days=1))
    assert kept_names(shop.lake) == [first, last] and restatements(shop.lake).height == len(part["frame"]["then"])
