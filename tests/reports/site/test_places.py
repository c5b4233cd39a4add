"""Where a site lies: whenever publishing stops, the front page leads to a report that is whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from reports.pages.cards import Page
from reports.settings import ReportSettings
from reports.site import places
from reports.site.places import INDEX, Folder, Place, Store, place_of
from reports.site.publish import _put_in_place
from reports.site.site import BuiltSite
from tests.services.object_store import BUCKET, object_store

PAGES = ("index.html", "stages.html", "data/funnel.csv", INDEX)
INDEXED = b'{"built_at": "2026-08-30T06:00:00+00:00", "headline": "So many", "pages": []}'


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, object_store() as environment:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield f"s3://{BUCKET}"


@pytest.fixture(params=["folder", "store"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return Folder(tmp_path)
    return Store(f"{request.getfixturevalue('store')}/{tmp_path.name}")


class Stopping:
    """A place that is lost after so many of its steps."""

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
            for name in [*(name for name in files if name != INDEX), INDEX]:
                self._step()
                self.place._put(f"runs/{run}/{name}", files[name])

    def replace(self, name: str, content: bytes) -> None:
        self._step()
        self.place.replace(name, content)

    def remove(self, run: str) -> None:
        self._step()
        self.place.remove(run)


def _published(place: Any, run: str, keep: int) -> None:
    files = {name: f"{run} {name}".encode() for name in PAGES} | {INDEX: INDEXED}
    front = f'<a href="runs/{run}/stages.html">'.encode()
    built = BuiltSite(files, front, (Page("overview", "Overview", "", ""),), "")
    _put_in_place(built, {}, place, run, ReportSettings(keep=keep))


def _read(place: Any, name: str) -> bytes | None:
    if isinstance(place, Folder):
        file = place.folder / name
        return file.read_bytes() if file.exists() else None
    try:
        with place._store.open_input_stream(f"{place._root}/{name}") as given:
            return bytes(given.read())
    except FileNotFoundError:
        return None


@pytest.mark.parametrize("keep", [1, 3])
def test_wherever_it_stops_the_front_page_leads_to_a_whole_report(place: Any, keep: int) -> None:
    _published(place, "run-00", keep)
    for steps in range(9):
        try:
            _published(Stopping(place, steps), f"run-{steps + 1:02}", keep)
        except OSError as error:
            assert "away" in str(error)
        front = _read(place, "index.html") or b""
        led = re.search(rb"runs/(run-\d\d)/", front)
        assert led
        assert all(_read(place, f"runs/{led[1].decode()}/{name}") is not None for name in PAGES), steps
    assert led[1] == b"run-09"
    for run in ("run-10", "run-11", "run-12"):
        _published(place, run, keep)
    assert place.runs() == ["run-10", "run-11", "run-12"][-keep:]


def test_a_store_whose_driver_is_missing_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Without:
        @staticmethod
        def from_uri(_: str) -> None:
            raise pa.ArrowNotImplementedError("Got GCS URI but Arrow compiled without GCS support")

    monkeypatch.setattr(places, "FileSystem", Without)
    with pytest.raises(OSError, match="without GCS support"):
        place_of("gs://bucket/site")


def test_what_a_store_fails_with_later_is_an_error_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def get_file_info(self, _: object) -> None:
            raise pa.ArrowException("Unknown error: no token")

        delete_dir = open_output_stream = open_input_stream = lambda *_, **__: Failing().get_file_info(None)

        @staticmethod
        def from_uri(address: str) -> tuple[Failing, str]:
            asked.append(address)
            return Failing(), "bucket/site"

    asked: list[str] = []
    monkeypatch.setattr(places, "FileSystem", Failing)
    place = place_of("gs://bucket/site/")
    assert asked == ["gs://bucket/site?retry_limit_seconds=30"]
    for ask in (place.runs, lambda: place.index("x"), lambda: place.replace("x", b""), lambda: place.remove("x")):
        with pytest.raises(OSError, match="no token"):
            ask()
