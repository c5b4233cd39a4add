"""Opens a built page in Chromium with the network cut, and tells what happened there."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

EXECUTABLE = Path("/usr/bin/chromium")
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
    """A page as it was visited: what it asked for, and what it complained about."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def draw_all(self) -> dict[str, Any]:
        self.page.evaluate("() => journeys.drawAll()")
        status: dict[str, Any] = self.page.evaluate(
            "() => ({errors: journeys.errors, pwned: window.pwned, "
            "wider: document.documentElement.scrollWidth - innerWidth, "
            "drawn: [...document.querySelectorAll('.chart')].filter((c) => c.querySelector('svg')).length, "
            "charts: document.querySelectorAll('.chart').length})"
        )
        return status


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
    """Open `file` without a network, as a visitor who has never been here."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "offline": True, **options})
    visit = Visit(context.new_page())
    visit.page.on("request", lambda request: _note(visit.requests, request.url))
    visit.page.on("console", lambda message: _complain(visit.complaints, message))
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.goto(file.as_uri(), wait_until="load")
    try:
        yield visit
    finally:
        context.close()


def differing(kept: bytes, seen: bytes, by: int = 48) -> float:
    """The share of a picture's pixels that differ clearly from another's; all of them where the sizes differ."""
    one, other = (Image.open(io.BytesIO(content)).convert("RGB") for content in (kept, seen))
    if abs(one.width - other.width) > 2 or abs(one.height - other.height) > 2:
        return 1.0
    size = (min(one.width, other.width), min(one.height, other.height))
    gap = ImageChops.difference(one.crop((0, 0, *size)), other.crop((0, 0, *size))).convert("L")
    return sum(gap.histogram()[by:]) / (size[0] * size[1])


def _note(requests: list[str], url: str) -> None:
    if not url.startswith(("data:", "blob:")):
        requests.append(url)


def _complain(complaints: list[str], message: Any) -> None:
    if message.type in ("error", "warning"):
        complaints.append(message.text)
