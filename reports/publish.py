"""From a lake to a site that readers can open: asked once, built in memory, put in place in one step.

Every report is a complete folder `runs/<id>/`, written aside and moved into place as a whole. Readers come in through
`index.html` of the site, one self-contained file that points into that folder and is replaced last, in one step: a
reader sees the old report or the new one, never half of either.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from expectations.errors import StorageError
from expectations.layout import Lake

if TYPE_CHECKING:
    from analytics.rules import PathRules
    from reports.settings import ReportSettings
    from reports.site import BuiltSite


@dataclass(frozen=True)
class Published:
    """A report in place: the address of its front page, its pages, what it says, and whether there was anything."""

    address: str
    pages: tuple[str, ...]
    headline: str
    run: str
    size: int
    is_empty: bool


def publish(
    lake: Lake, settings: ReportSettings, rules: PathRules, folder: str | Path, built_at: datetime
) -> Published:
    """Build the report of a lake's path store and put it in place at `folder`.

    `built_at` is shown at the foot of every page and names the run; with the same lake, settings, rules and `built_at`
    the bytes are the same. An empty lake gives a page that says so.

    Raises `StorageError` when the folder cannot be written, `DefinitionError` when a breakdown or stage is unknown.
    """
    from reports.build import answers_of
    from reports.site import build_site

    answers = answers_of(lake, settings, rules)
    at = built_at.astimezone(UTC)
    run = f"{at:%Y%m%dT%H%M%SZ}-{answers.origin.definitions[:8] if answers else 'empty'}"
    docs = _data_docs(lake) if answers else {}
    built = build_site(answers, settings, at, f"runs/{run}")
    site = Path(folder)
    try:
        _put_in_place(built, docs, site, run, settings.title)
        _forget_old_runs(site, settings.keep, run)
    except OSError as error:
        raise StorageError(
            "The report cannot be written.",
            where=str(site),
            found=error.strerror or type(error).__name__,
            do="choose a folder that can be written, with room for about 10 MB",
        ) from error
    return Published(
        address=str(site / "index.html"),
        pages=tuple(page.name for page in built.pages),
        headline=built.headline,
        run=run,
        size=len(built.front),
        is_empty=answers is None,
    )


def _data_docs(lake: Lake) -> dict[str, bytes]:
    """The pages of the lake's checks by their address within the report; none where nothing was checked."""
    from expectations import checks, datadocs

    found = checks.results(lake)
    if found.is_empty():
        return {}
    return {f"data_docs/{name}": text.encode() for name, text in datadocs.pages(found).items()}


def _put_in_place(built: BuiltSite, docs: dict[str, bytes], site: Path, run: str, title: str) -> None:
    from reports.history import history_page
    from reports.history import runs as kept

    runs = site / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".new-", dir=runs))
    try:
        for address, content in (built.files | docs).items():
            file = aside / address
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        aside.chmod(0o755)
        target = runs / run
        if target.exists():
            shutil.rmtree(target)
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    _replace(site / "history.html", history_page(kept(runs), title).encode())
    _replace(site / "site.json", built.files["site.json"])
    _replace(site / "index.html", built.front)


def _replace(file: Path, content: bytes) -> None:
    new = file.with_name(f".{file.name}-{hashlib.sha256(content).hexdigest()[:12]}")
    with new.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)


def _forget_old_runs(site: Path, keep: int, current: str) -> None:
    """Runs are named by their time, so the oldest sort first; the one that readers see is never removed."""
    runs = sorted(path.name for path in (site / "runs").iterdir() if not path.name.startswith("."))
    for name in [name for name in runs if name != current][: max(0, len(runs) - keep)]:
        shutil.rmtree(site / "runs" / name, ignore_errors=True)
