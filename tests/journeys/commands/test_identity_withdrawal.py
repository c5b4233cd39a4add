"""`journeys forget` withdraws the reports that counted the customer, also when it is stopped in between."""

from __future__ import annotations

import io
import json
import re
import zlib
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pypdf import PdfReader
from typer.testing import CliRunner

import journeys.commands.identity
import journeys.commands.pipeline
import journeys.commands.report  # noqa: F401 - registers the commands
from analytics import published_runs
from expectations.lake.layout import Lake
from expectations.lake.tables import conform
from journeys.app import app
from tests.written import at

CONFIG = """
[lake]
address = "lake"
[paths]
goal = ["order"]
[[paths.stages]]
name = "Awareness"
touchpoints = ["ad"]
[[paths.stages]]
name = "Interest"
touchpoints = ["look"]
[[paths.stages]]
name = "Action"
touchpoints = ["order"]
[report]
window = "7d"
segments = ["channel"]
pages = ["summary", "trust"]
"""
COUNTED = "60 customers"
"""What only a report that counts Ann says."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A lake of 60 customers, reported at the configured site, filtered, and elsewhere."""
    names = ("ad", "look", "order")
    rows: list[dict[str, Any]] = []
    for number, who in enumerate(["secret-ann", *(f"c{n}" for n in range(59))]):
        for minute, name in enumerate(names[: 2 + number % 2]):
            rows.append(
                {"event_name": name, "occurred_at": at(f"{number * 13 * 60 + minute}m"), "customer_id": who}
                | {"event_id": f"{who}-{minute}", "offset": len(rows), "topic": "t", "partition": 0, "channel": "web"}
                | {"received_at": at(f"{number * 13 * 60 + minute}m")}
            )
    events = conform(pl.DataFrame(rows)).with_columns(event_date=pl.col("occurred_at").dt.date()).collect()
    events.write_delta(tmp_path / "lake" / "events")
    (tmp_path / "journeys.toml").write_text(CONFIG)
    for words in (
        ["stitch"],
        ["report", "--files"],
        ["report", "--only", "trust"],
        ["report", "--site", str(tmp_path / "elsewhere")],
    ):
        said(tmp_path / "journeys.toml", *words)
    return tmp_path / "journeys.toml"


def said(config: Path, *words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--config", str(config)])
    assert result.exit_code == 0, result.output
    return result.output


def texts(folder: Path) -> str:
    """All bytes below a folder as text, compressed ones unpacked."""
    found = []
    for file in (file for file in folder.rglob("*") if file.is_file()):
        content = file.read_bytes()
        found.append(content.decode("latin-1"))
        if file.suffix == ".pdf":
            found += [page.extract_text() for page in PdfReader(io.BytesIO(content)).pages]
        elif file.suffix == ".parquet":
            found.append(str(pl.read_parquet(file).rows()))
        for start in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", content):
            try:
                found.append(zlib.decompressobj().decompress(content[start.start() :], 1_000_000).decode("latin-1"))
            except zlib.error:
                continue
    return "\n".join(found)


def test_after_forget_nothing_of_the_customer_is_in_any_file_of_any_site(config: Path) -> None:
    sites = [config.parent / name for name in ("site", "site/filtered", "elsewhere")]
    assert all(COUNTED in texts(site) for site in sites)
    output = said(config, "forget", "customer_id:secret-ann", "--yes")
    for site in sites:
        assert f"1 report withdrawn: {site}" in output
        assert {file.suffix for file in site.rglob("*") if file.is_file()} == {".html", ".json"}
        assert COUNTED not in texts(site)
        index = json.loads((site / "site.json").read_text())
        assert not index["pages"] and not index["headline"] and "counts" not in index
    said(config, "report")
    assert "59 customers" in texts(config.parent / "site"), "exact again: no earlier report stands beside it"
    assert "This report was withdrawn" not in (config.parent / "site" / "index.html").read_text()
    assert "a customer was erased" in (config.parent / "site" / "history.html").read_text()
    assert COUNTED not in texts(config.parent / "site")


def test_a_forget_that_is_killed_before_the_reports_is_finished_by_the_next(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("reports.site.withdrawal.withdraw", killed)
        CliRunner().invoke(app, ["forget", "customer_id:secret-ann", "--yes", "--config", str(config)])
    assert COUNTED in texts(config.parent / "site" / "runs")
    assert (config.parent / "lake" / "forgetting" / "journal.json").exists()
    output = CliRunner().invoke(app, ["forget", "customer_id:c7", "--yes", "--config", str(config)]).output
    assert "Finished an earlier run that was interrupted" in output
    for name in ("site", "elsewhere"):
        assert COUNTED not in texts(config.parent / name)
        assert "This report was withdrawn" in (config.parent / name / "index.html").read_text()


def test_a_site_that_is_gone_is_named_as_what_remains_to_be_done(config: Path) -> None:
    elsewhere = config.parent / "elsewhere"
    elsewhere.rename(config.parent / "moved")
    assert str(elsewhere) in published_runs(Lake(str(config.parent / "lake")))["site"].to_list()
    output = said(config, "forget", "customer_id:secret-ann", "--yes")
    assert f"remains to be done: withdraw the reports at {elsewhere}" in output
    said(config, "report", "--site", str(config.parent / "moved"))
    assert "a customer was erased" in (config.parent / "moved" / "history.html").read_text()
