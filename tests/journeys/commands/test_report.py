"""`journeys report` and `journeys serve`: the effect of every option."""

from __future__ import annotations

import json
import re
import threading
import webbrowser
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import polars as pl
import pytest
from typer.testing import CliRunner

from analytics import Paths
from expectations.errors import ConfigurationError, ReportError
from journeys.app import app
from journeys.commands import funnel, report  # noqa: F401 - commands are registered on import
from journeys.commands.serve import server
from journeys.settings import Settings

CONFIG = """
[lake]
address = "lake"
[paths]
goal = ["Order"]
[[paths.stages]]
name = "Awareness"
touchpoints = ["Ad"]
[[paths.stages]]
name = "Action"
touchpoints = ["Order"]
[report]
window = "7d"
segments = ["device", "channel"]
"""
START = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    rows = [
        {"customer": str(number), "at": START + timedelta(hours=number, minutes=minute), "touchpoint": name}
        | {"device": ("app", "web")[number % 2], "channel": ("mail", "site")[number % 3 % 2], "linked": "login"}
        for number in range(900)
        for minute, name in enumerate(("Ad", "Order")[: 1 + (number % 3 == 0)])
    ]
    (folder / "journeys.toml").write_text(CONFIG)
    rules = Settings(folder / "journeys.toml").paths
    made = Paths.from_frame(pl.DataFrame(rows), end_of_data=START + timedelta(days=60), rules=rules)
    made.save(folder / "lake" / "paths")
    return folder / "journeys.toml"


def reported(config: Path, site: Path, *arguments: str) -> dict[str, Any]:
    """The content of `site.json` after a report with these arguments."""
    asked = ["report", "--config", str(config), "--site", str(site), *arguments]
    done = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert done.exit_code == 0
    filtered = {"--only", "--by", "--from", "--to"} & set(arguments)
    index: dict[str, Any] = json.loads((site / ("filtered" if filtered else "") / "site.json").read_text())
    return index


def test_only_requested_pages_are_built_and_the_first_is_the_front_page(config: Path, tmp_path: Path) -> None:
    index = reported(config, tmp_path, "--only", "customers", "--only", "change", "--by", "channel")
    assert [page["slug"] for page in index["pages"]] == ["customers", "change"]
    frame = next(part["frame"] for part in index["pages"][0]["parts"] if part["id"] == "segments")
    assert set(frame["dimension"]) == {"Channel"}
    front = (tmp_path / "filtered" / "index.html").read_text()
    assert '<a href="index.html" aria-current="page">Customers</a>' in front
    (run,) = (tmp_path / "filtered" / "runs").iterdir()
    assert {file.name for file in run.glob("*.html")} == {"index.html", "change.html", "report.html", "brief.html"}


def test_a_filtered_report_says_its_filter_on_every_page_and_leaves_the_front_page_alone(
    config: Path, tmp_path: Path
) -> None:
    reported(config, tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    reported(config, tmp_path, "--only", "summary", "--only", "routes", "--from", "2026-06-05")
    assert all(file.read_bytes() == content for file, content in before.items())
    for page in (tmp_path / "filtered").rglob("*.html"):
        badge = "Filtered report: --only summary, routes --from 2026-06-05. Journeys are chosen by when they begin."
        assert page.name == "history.html" or badge in page.read_text(), page


def test_only_requested_days_are_counted(config: Path, tmp_path: Path) -> None:
    whole = reported(config, tmp_path, "--only", "summary")
    elsewhere = tmp_path / "elsewhere"  # beside an earlier report, counts change in steps
    part = reported(config, elsewhere, "--only", "summary", "--from", "2026-06-05", "--to", "2026-06-20")
    entered = [
        next(part["frame"]["reached"][0] for part in index["pages"][0]["parts"] if part["id"] == "funnel")
        for index in (whole, part)
    ]
    assert entered == [900, 16 * 24]


def test_a_filter_on_days_keeps_the_later_touches_of_its_journeys(tmp_path: Path) -> None:
    rows = [
        {"customer": str(number), "at": START + timedelta(days=9 * step), "touchpoint": name, "linked": "login"}
        for number in range(90)
        for step, name in enumerate(("Ad", "Order"))
    ]
    (tmp_path / "journeys.toml").write_text(CONFIG.replace('"7d"', '"10d"').replace('["device", "channel"]', "[]"))
    rules = Settings(tmp_path / "journeys.toml").paths
    made = Paths.from_frame(pl.DataFrame(rows), end_of_data=START + timedelta(days=60), rules=rules)
    made.save(tmp_path / "lake" / "paths")
    for days, reached in ((("2026-06-01", "2026-06-02"), 90), (("2026-06-02", "2026-06-30"), None)):
        asked = ["report", "--config", str(tmp_path / "journeys.toml"), "--from", days[0], "--to", days[1]]
        done = CliRunner().invoke(app, [*asked, "--site", str(tmp_path / "site")])
        if reached is None:
            assert done.exit_code != 0  # no journey begins then, though all orders are of these days
            continue
        index = json.loads((tmp_path / "site" / "filtered" / "site.json").read_text())
        frame = next(part["frame"] for part in index["pages"][0]["parts"] if part["id"] == "funnel")
        assert frame["reached"] == [90, reached]


def test_files_adds_png_svg_and_parquet_of_every_chart(config: Path, tmp_path: Path) -> None:
    index = reported(config, tmp_path, "--only", "summary", "--files")
    (run,) = (tmp_path / "filtered" / "runs").iterdir()
    for part in index["pages"][0]["parts"]:
        for kind in ("csv", "parquet", "svg", "png"):
            assert (run / part[kind]).stat().st_size > 0
        assert pl.read_parquet(run / part["parquet"]).height == pl.read_csv(run / part["csv"]).height
    assert index["whole"] == ["report.html", "report_static.html", "report.pdf"]
    assert all((run / name).exists() for name in index["whole"])


def test_open_shows_what_was_published(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", shown.append)
    reported(config, tmp_path, "--only", "summary", "--open")
    assert shown == [(tmp_path / "filtered" / "index.html").resolve().as_uri()]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "custmers"], "--only(.|\n)*did you mean 'customers'"),
        (["--from", "yesterday"], "--from(.|\n)*a calendar day such as"),
        (["--to", "2026-06-31"], "--to(.|\n)*a calendar day such as"),
        (["--from", "2026-06-09", "--to", "2026-06-02"], "no later than the last(.|\n)*2026-06-09 and 2026-06-02"),
        (["--from", "2027-01-01"], "No journey begins in the requested days(.|\n)*from 2026-06-01 to 2026-07-08"),
        (["--by", "divice"], "device"),
        (["--by", "customer"], "broken down by 'customer'"),
        (["--by", "at"], "a text column: touchpoint"),
        (["--site", "gopher://shop/site"], "cannot be written"),
    ],
)
def test_invalid_options_are_named(config: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    asked = ["report", "--config", str(config), "--site", str(tmp_path), *arguments]
    done = CliRunner().invoke(app, asked)
    assert done.exception is not None and re.search(message, str(done.exception))
    assert not list(tmp_path.iterdir())


def test_serve_listens_on_the_loopback_address_and_forbids_caching(config: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no report"):
        server(tmp_path, 0)
    reported(config, tmp_path)
    with server(tmp_path, 0) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        assert running.server_address[0] == "127.0.0.1"
        with urlopen(f"http://127.0.0.1:{running.server_port}/", timeout=10) as answer:
            assert answer.read() == (tmp_path / "index.html").read_bytes()
            assert answer.headers["Cache-Control"] == "no-store"
        running.shutdown()


def test_a_chart_that_cannot_be_drawn_is_told_and_ends_the_command_with_9(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr("reports.pages.change.trend_strips", failing)
    done = CliRunner().invoke(app, ["report", "--config", str(config), "--site", str(tmp_path)])
    assert isinstance(done.exception, ReportError) and done.exception.exit_code == 9
    assert "KeyError: 'oops'" in done.output and (tmp_path / "index.html").exists()
    assert json.loads((tmp_path / "site.json").read_text())["failures"]


def test_the_goals_of_the_configuration_are_on_the_summary_and_their_meaning_on_trust(
    config: Path, tmp_path: Path
) -> None:
    plain = reported(config, tmp_path / "plain")
    parts = {part["id"] for page in plain["pages"] for part in page["parts"]}
    assert "goals" not in parts and "goal-definitions" in parts
    own = config.parent / "goals.toml"
    own.write_text(
        config.read_text()
        + '\n[[goals]]\nname = "First order"\nsteps = ["Order"]\nvalue = 20\nhorizon = "5d"\nowner = "Mara"\n'
        + 'says = "Any order"\n[[goals]]\nname = "Seen"\nsteps = ["stage:Awareness"]\nfor_customer = "Finds it"\n'
    )
    index = reported(own, tmp_path / "named")
    assert "“First order”" in index["headline"]
    cards = {part["id"]: part for page in index["pages"] for part in page["parts"]}
    frame, stages = cards["goals"]["frame"], cards["funnel"]["frame"]
    assert frame["goal"] == ["First order", "Seen"] and frame["horizon_seconds"] == [5 * 86400, 7 * 86400]
    for name, column in (("mature", "entered"), ("reached", "reached"), ("late", "late")):
        assert frame[name][0] == stages[column][-1]
    assert stages["name"][-1] == "First order"
    assert frame["value"] == [20 * frame["reached"][0], None] and frame["for_customer"] == ["", "Finds it"]
    assert cards["goal-definitions"]["frame"]["owner"] == ["Mara", None]
    assert "2 of 2 have no date of review" in cards["goal-definitions"]["subtitle"]
    (run,) = (tmp_path / "named" / "runs").iterdir()
    front, trust = (run / "index.html").read_text(), (run / "trust.html").read_text()
    assert "within 5 days" in front and "Finds it" in front
    for text in ("“Order”", "the stage “Awareness”", "5 days", "Mara", "not reviewed", "Any order"):
        assert text in trust


def test_the_brief_of_the_newest_report_is_printed_written_and_piped(config: Path, tmp_path: Path) -> None:
    reported(config, tmp_path / "site")

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["brief", "--config", str(config), "--site", str(tmp_path / "site"), *arguments])

    content = json.loads(run("--json").stdout)
    assert content["headline"] == json.loads((tmp_path / "site" / "site.json").read_text())["headline"]
    assert run().stdout.startswith(content["headline"])
    assert run("--out", str(tmp_path / "brief.html")).exit_code == 0
    page = (tmp_path / "brief.html").read_bytes()
    assert b"<script" not in page and len(page) < 100_000
    assert run("--out", "-").stdout_bytes == page
    assert run("--out", str(tmp_path)).exit_code != 0
    assert run("--out", "a.html", "--json").exit_code != 0
    assert run("--site", str(tmp_path / "nowhere")).exit_code != 0
