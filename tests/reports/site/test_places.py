"""Places of a site: whenever publishing is interrupted, the front page links to a complete report."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from expectations.lake import files
from reports.pages.cards import Page
from reports.settings import ReportSettings
from reports.site.places import INDEX, Folder, Place, place_of
from reports.site.publish import _put_in_place
from reports.site.site import BuiltSite
from tests.services.object_store import BUCKET, azure_store, object_store

PAGES = ("index.html", "customers.html", "data/funnel.csv", INDEX)
INDEXED = '{"folder": "runs/%s", "built_at": "2026-08-30T06:00:00+00:00", "headline": "So many", "pages": []}'


STORES = {"store": (object_store, f"s3://{BUCKET}"), "azure": (azure_store, f"az://{BUCKET}")}


@pytest.fixture(scope="module", params=["folder", "store", pytest.param("azure", marks=pytest.mark.azure)])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "folder":
        yield str(tmp_path_factory.mktemp("sites"))
        return
    opened, address = STORES[request.param]
    with pytest.MonkeyPatch.context() as patch, opened() as environment:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield address


@pytest.fixture
def place(root: str, tmp_path: Path) -> Place:
    return place_of(f"{root}/{tmp_path.name}")


class Stopping:
    """A place that fails after a given number of steps."""

    def __init__(self, place: Any, steps: int) -> None:
        self.place, self.left = place, steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self.place, name)

    def _step(self) -> None:
        if not self.left:
            raise OSError("the store is away")
        self.left -= 1

    def add(self, run: str, files: Mapping[str, bytes]) -> None:
        if isinstance(self.place, Folder):
            self._step()
            self.place.add(run, files)
        else:
            real = self.place._put

            def put(*arguments: Any) -> None:
                self._step()
                real(*arguments)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(self.place, "_put", put)
                self.place.add(run, files)

    def replace(self, name: str, content: bytes) -> None:
        self._step()
        self.place.replace(name, content)

    def remove(self, run: str) -> None:
        self._step()
        self.place.remove(run)


def _published(place: Any, run: str, keep: int) -> None:
    files = {name: f"{run} {name}".encode() for name in PAGES} | {INDEX: (INDEXED % run).encode()}
    front = f'<a href="runs/{run}/customers.html">'.encode()
    built = BuiltSite(files, front, (Page("summary", "Summary", "", ""),), "")
    _put_in_place(built, {}, place, run, ReportSettings(keep=keep))


def _read(place: Any, name: str) -> bytes | None:
    address = place.folder if isinstance(place, Folder) else place._address
    return files.read(f"{address}/{name}")


@pytest.mark.parametrize("keep", [1, 3])
def test_after_an_interruption_at_any_step_the_front_page_links_to_a_complete_report(place: Any, keep: int) -> None:
    _published(place, "run-00", keep)
    for steps in range(10):
        try:
            _published(Stopping(place, steps), f"run-{steps + 1:02}", keep)
        except OSError as error:
            assert "away" in str(error)
        front = _read(place, "index.html") or b""
        led = re.search(rb"runs/(run-\d\d)/", front)
        assert led
        assert all(_read(place, f"runs/{led[1].decode()}/{name}") is not None for name in PAGES), steps
    assert led[1] == b"run-10"
    for run in ("run-11", "run-12", "run-13"):
        _published(place, run, keep)
    assert place.runs() == ["run-11", "run-12", "run-13"][-keep:]


def test_failures_of_a_store_raise_OSError(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ENDPOINT": "http://127.0.0.1:9", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "x"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setattr(files, "RETRY_TIMEOUT", timedelta(milliseconds=1))
    files._client.cache_clear()
    place = place_of("s3://bucket/site/")
    for ask in (place.runs, lambda: place.read("x"), lambda: place.replace("x", b""), lambda: place.remove("x")):
        with pytest.raises(OSError, match="error sending request"):
            ask()
    with pytest.raises(OSError, match="nowhere"):
        place_of("nowhere://bucket/site").runs()


@pytest.mark.parametrize("root", ["store", pytest.param("azure", marks=pytest.mark.azure)], indirect=True)
def test_files_in_a_store_have_content_types(root: str) -> None:
    place_of(f"{root}/site").replace("index.html", b"<p>")
    with files._store(f"{root}/site/index.html") as (store, name):
        attributes = store.get(name).attributes
    assert attributes["Content-Type"] == "text/html; charset=utf-8"
    assert attributes["Cache-Control"] == "no-cache"
