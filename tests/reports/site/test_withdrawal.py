"""Withdrawing reports: nothing of them stays, whenever it is stopped, and nothing of anybody else is touched."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from expectations.errors import ReportError, StorageError
from expectations.lake import files
from expectations.lake.layout import Lake
from reports.settings import ReportSettings
from reports.site.places import Folder, place_of
from reports.site.publish import publish
from reports.site.withdrawal import withdraw, withdraw_from
from tests.reports.shops import BUILT_AT, RULES, SETTINGS, shop
from tests.services.object_store import BUCKET, object_store

ERASED_AT = datetime(2026, 9, 3, 8, tzinfo=UTC)
WITHDRAWN = "Withdrawn on 3 Sep 2026: a customer was erased."


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return shop(tmp_path_factory.mktemp("lake"))


@pytest.fixture(params=["folder", "store"])
def site(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "folder":
        yield str(tmp_path / "site")
        return
    with object_store() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield f"s3://{BUCKET}/site"


def _text(site: str, name: str) -> str:
    return (files.read(f"{site}/{name}") or b"").decode()


def test_a_withdrawn_report_leaves_a_small_page_for_every_link_and_no_number(lake: Lake, site: str) -> None:
    settings = SETTINGS.model_copy(update={"files": True, "pages": ("summary", "change")})
    runs = [publish(lake, settings, RULES, site, BUILT_AT + timedelta(days=day)).run for day in range(2)]
    pages = [name for name in files.listing(f"{site}/runs/{runs[0]}") if name.endswith(".html")]
    assert {"index.html", "change.html", "report.html", "report_static.html"} <= set(pages)
    done = withdraw(site, 1, ERASED_AT)
    assert (done.runs, done.remains) == (tuple(reversed(runs)), "")
    for run in runs:
        assert files.listing(f"{site}/runs/{run}") == sorted([*pages, "site.json"])
        for page in pages:
            assert "On 3 Sep 2026 a customer was erased" in _text(site, f"runs/{run}/{page}")
    index = json.loads(_text(site, "site.json"))
    assert (index["pages"], index["headline"], index["withdrawn"]) == ([], "", ERASED_AT.isoformat())
    assert "This report was withdrawn" in _text(site, "index.html")
    assert _text(site, "history.html").count(WITHDRAWN) == 2
    words = "".join(_text(site, name) for name in files.listing(site))
    assert "33.3" not in words and "“Order”" not in words
    assert withdraw(site, 1, ERASED_AT + timedelta(days=1)).runs == (), "once is enough"


def test_links_of_a_withdrawn_page_lead_to_the_newest_report(lake: Lake, tmp_path: Path) -> None:
    run = publish(lake, SETTINGS, RULES, tmp_path, BUILT_AT).run
    withdraw(str(tmp_path), 1, ERASED_AT)
    for page in [tmp_path / "index.html", *(tmp_path / "runs" / run).rglob("*.html")]:
        for address in re.findall(r'<a href="([^"#]*)"', page.read_text()):
            assert (page.parent / address).exists(), f"{page.name}: {address}"


def test_a_report_built_since_the_erasure_stays(lake: Lake, tmp_path: Path) -> None:
    old = publish(lake, SETTINGS, RULES, tmp_path / "site", BUILT_AT).run
    erased = shop(tmp_path / "lake", erasures=1)
    new = publish(erased, SETTINGS, RULES, tmp_path / "site", BUILT_AT + timedelta(days=1))
    indexes = {run: json.loads((tmp_path / "site/runs" / run / "site.json").read_text()) for run in (old, new.run)}
    assert "withdrawn" in indexes[old] and "withdrawn" not in indexes[new.run], "report withdraws what forget did not"
    assert withdraw(str(tmp_path / "site"), 1, ERASED_AT).runs == ()
    page = (tmp_path / "site" / "history.html").read_text()
    assert "The first report that is kept." in page and "a customer was erased" in page


def test_a_withdrawal_stopped_at_any_step_is_finished_by_the_next(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ReportSettings(window="7d", pages=("summary",))
    stopped_at = 0
    for day in range(2):
        publish(lake, settings, RULES, tmp_path / "site", BUILT_AT + timedelta(days=day))
    for steps in range(16):
        site = tmp_path / str(steps)
        shutil.copytree(tmp_path / "site", site)
        with monkeypatch.context() as patch:
            left = [steps]

            def stopping(name: str, patch: pytest.MonkeyPatch = patch, left: list[int] = left) -> None:
                real = getattr(Folder, name)

                def step(self: Folder, *arguments: Any) -> None:
                    if not left[0]:
                        raise OSError("killed")
                    left[0] -= 1
                    real(self, *arguments)

                patch.setattr(Folder, name, step)

            stopping("replace")
            stopping("discard")
            try:
                withdraw_from(Folder(site), 1, ERASED_AT)
            except OSError:
                stopped_at = steps
        withdraw(str(site), 1, ERASED_AT)
        left_over = [file for file in site.rglob("*") if file.is_file() and file.suffix not in (".html", ".json")]
        assert not left_over
        assert "33.3" not in "".join(file.read_text() for file in site.rglob("*.*") if file.is_file())
        assert (site / "history.html").read_text().count(WITHDRAWN) == 2
    assert stopped_at == 12, "13 steps: the list, two files of the site, and five steps for each run"


def test_what_a_stopped_report_left_is_removed_too(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", killed)
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            publish(lake, SETTINGS, RULES, tmp_path, BUILT_AT)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            publish(lake, SETTINGS, RULES, tmp_path, BUILT_AT)
    left = [file.name for file in (*tmp_path.iterdir(), *(tmp_path / "runs").iterdir()) if file.name.startswith(".")]
    assert len(left) == 2
    withdraw(str(tmp_path), 1, ERASED_AT)
    assert not list(tmp_path.rglob(".*"))


def test_a_customer_erased_while_a_report_is_made_is_in_no_published_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = shop(tmp_path / "lake")
    put = Folder.add

    def erased_meanwhile(self: Folder, *arguments: Any) -> None:
        put(self, *arguments)
        files.create(f"{lake.table('erasures')}/000001", b"\n")

    monkeypatch.setattr(Folder, "add", erased_meanwhile)
    with pytest.raises(ReportError, match="erased while the report was made"):
        publish(lake, SETTINGS, RULES, tmp_path / "site", BUILT_AT)
    assert "33.3" not in "".join(file.read_text() for file in (tmp_path / "site").rglob("*.html"))


def test_report_and_withdrawal_touch_nothing_that_no_report_wrote(lake: Lake, tmp_path: Path) -> None:
    theirs = {
        "runs/2020-experiment/site.json": "[1, 2]",
        "runs/0000/model.pkl": "weights",
        "runs/1999/site.json": '{"folder": "runs/2000", "built_at": "x"}',
        "runs/.new-idea/notes.txt": "a thought",
        "about.html": "<p>About us</p>",
    }
    for name, text in theirs.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    settings = SETTINGS.model_copy(update={"keep": 1, "pages": ("summary",)})
    for day in range(2):
        publish(lake, settings, RULES, tmp_path, BUILT_AT + timedelta(days=day))
    withdraw(str(tmp_path), 1, ERASED_AT)
    assert {name: (tmp_path / name).read_text() for name in theirs} == theirs


@pytest.mark.parametrize("name", ["site.json", "index.html", "history.html"])
def test_a_folder_with_the_files_of_another_site_is_refused_and_left_alone(
    name: str, lake: Lake, tmp_path: Path
) -> None:
    (tmp_path / name).write_text('{"name": "ours"}')
    with pytest.raises(StorageError, match="files of another site") as raised:
        publish(lake, SETTINGS, RULES, tmp_path, BUILT_AT)
    assert name in (raised.value.found or "")
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == '{"name": "ours"}'


def test_a_site_that_cannot_be_reached_is_reported_as_what_remains(tmp_path: Path) -> None:
    assert "not here" in withdraw(str(tmp_path / "nowhere"), 1, ERASED_AT).remains
    assert "nowhere" in withdraw("nowhere://bucket/site", 1, ERASED_AT).remains
    assert place_of(str(tmp_path)).runs() == []
