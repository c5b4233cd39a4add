"""Opens built pages in Chromium without a network, and records requests and console messages."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from reports.questions.answers import Answers
from reports.settings import ReportSettings
from reports.site.site import build_site
from tests.reports import fixtures

EXECUTABLE = Path("/usr/bin/chromium")
PATIENCE = 120_000
"""Milliseconds until a condition counts as missed: a machine with other work to do may be slow."""
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Visit:
    """An open page, its requests, and its errors and warnings."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def until(self, condition: str, *arguments: Any) -> None:
        """Wait until a function of the page returns something true."""
        self.page.wait_for_function(condition, arg=list(arguments))

    def draw_all(self) -> dict[str, Any]:
        self.page.evaluate("() => journeys.drawAll()")
        status: dict[str, Any] = self.page.evaluate(
            "() => ({errors: journeys.errors, pwned: window.pwned, "
            "wider: document.documentElement.scrollWidth - innerWidth, "
            "drawn: [...document.querySelectorAll('.chart')].filter((c) => c.querySelector('svg')).length, "
            "charts: document.querySelectorAll('.chart').length})"
        )
        return status


def written(folder: Path, answers: Answers, title: str = "Shop") -> Path:
    """Writes the site of these answers; returns the file of its first page."""
    built = build_site(answers, ReportSettings(title=title, segments=("device",)), fixtures.BUILT_AT, "runs/x")
    for name, content in built.files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder / "index.html"


@contextmanager
def chromium() -> Iterator[Any]:
    """A running browser; skips the test where there is none."""
    if not EXECUTABLE.exists():
        pytest.skip(f"no Chromium at {EXECUTABLE}")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(EXECUTABLE), headless=True, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def visited(browser: Any, file: Path, **options: Any) -> Iterator[Visit]:
    """Opens `file` without a network, in a fresh browser profile."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "offline": True, **options})
    context.set_default_timeout(PATIENCE)
    visit = Visit(context.new_page())
    visit.page.on("request", lambda request: _note(visit.requests, request.url))
    visit.page.on("console", lambda message: _complain(visit.complaints, message))
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.goto(file.as_uri(), wait_until="load")
    try:
        yield visit
    finally:
        context.close()


SHIFT = 2
SHIFTS = sorted(product(range(-SHIFT, SHIFT + 1), repeat=2), key=lambda shift: abs(shift[0]) + abs(shift[1]))


def differing(golden: bytes, drawn: bytes, tolerance: float = 0.0) -> float:
    """The share of pixels that differ clearly between two pictures; 1 where their sizes differ.

    A shift by a pixel or two is no difference: the smallest share over small shifts counts. No further shift is tried
    once at most `tolerance` of the pixels differ.
    """
    one, other = (Image.open(io.BytesIO(content)).convert("RGB") for content in (golden, drawn))
    if abs(one.width - other.width) > SHIFT or abs(one.height - other.height) > SHIFT:
        return 1.0
    right, bottom = min(one.width, other.width) - SHIFT, min(one.height, other.height) - SHIFT
    middle, smallest = one.crop((SHIFT, SHIFT, right, bottom)), 1.0
    for across, down in SHIFTS:
        moved = other.crop((SHIFT + across, SHIFT + down, right + across, bottom + down))
        smallest = min(smallest, _clear_gaps(middle, moved))
        if smallest <= tolerance:
            break
    return smallest


def _clear_gaps(one: Image.Image, other: Image.Image, by: int = 48) -> float:
    return sum(ImageChops.difference(one, other).convert("L").histogram()[by:]) / (one.width * one.height)


def repainted(picture: bytes, move: tuple[int, int] = (0, 0), bar: tuple[int, int, int, int] = (0, 0, 0, 0)) -> bytes:
    """The picture moved by some pixels and with a black bar, to test `differing`."""
    image = ImageChops.offset(Image.open(io.BytesIO(picture)).convert("RGB"), *move)
    image.paste((0, 0, 0), bar)
    out = io.BytesIO()
    image.save(out, "png")
    return out.getvalue()


def _note(requests: list[str], url: str) -> None:
    if not url.startswith(("data:", "blob:")):
        requests.append(url)


def _complain(complaints: list[str], message: Any) -> None:
    if message.type in ("error", "warning"):
        complaints.append(message.text)
