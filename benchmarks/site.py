"""Measures how long a report takes to build, how large its pages are, and how long a browser takes to draw them.

    python benchmarks/site.py [FOLDER]

FOLDER holds a journeys.toml and a lake whose paths are stitched, as `journeys demo` leaves it; without one the demo
runs first. Its pages are built into a temporary folder and opened one by one in Chromium (CHROMIUM names it, default
/usr/bin/chromium), each in a fresh context without a network. Reported per page: its size, the time of its first paint,
and the drawing time of its slowest chart. The last lines compare the totals with their targets.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

MAX_SECONDS, MAX_BYTES, MAX_DRAWING = 20.0, 1_300_000, 700.0
ALL_DRAWN = "() => journeys.drawn + journeys.errors.length >= document.querySelectorAll('.chart').length"
PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"


def build(folder: Path, out: Path) -> list[str]:
    """Builds the site of a folder and returns its pages."""
    from journeys.settings import Settings
    from reports.questions.ask import answers_of
    from reports.site.site import build_site

    settings = Settings(folder / "journeys.toml")
    answers = answers_of(settings.lake, settings.report, settings.paths, settings.goals)
    built = build_site(answers, settings.report, datetime(2026, 1, 1, tzinfo=UTC), "runs/now")
    for name, content in built.files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(content)
    return [name for name in built.files if name.endswith(".html")]


def visit(browser: Any, file: Path) -> tuple[float, dict[str, float], list[str]]:
    """First paint and drawing times in milliseconds, and errors."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page = context.new_page()
    page.goto(file.as_uri())
    page.wait_for_function(ALL_DRAWN, timeout=60_000)
    found = page.evaluate(PAINTED), page.evaluate("() => journeys.times"), page.evaluate("() => journeys.errors")
    context.close()
    return found


def demo(folder: Path) -> Path:
    """Runs the demo in a folder."""
    from journeys.commands.demo import run_demo

    run_demo("shop", folder, 20_000)
    return folder


def main(argument: str | None) -> None:
    """Builds the pages, opens them and prints the figures."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as driver:
        folder, out = Path(argument) if argument else demo(Path(temporary) / "demo"), Path(temporary) / "site"
        started, used = time.perf_counter(), time.process_time()
        pages = build(folder, out)
        seconds, processor = time.perf_counter() - started, time.process_time() - used
        executable = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = driver.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        largest, slowest, latest = 0, (0.0, ""), 0.0
        for name in pages:
            size = (out / name).stat().st_size
            painted, times, errors = visit(browser, out / name)
            chart, took = max(times.items(), key=lambda item: item[1])
            print(f"{name:14} {size / 1e6:5.2f} MB  painted {painted:5.0f} ms  slowest {chart} {took:5.0f} ms", *errors)
            largest, slowest, latest = max(largest, size), max(slowest, (took, chart)), max(latest, painted)
        browser.close()
    print(f"built in {seconds:.1f} s, {processor:.1f} s of processor time (target: {MAX_SECONDS:.0f} s)")
    print(f"largest page {largest:,} bytes (target: {MAX_BYTES:,})")
    print(f"slowest chart {slowest[1]} {slowest[0]:.0f} ms (target: {MAX_DRAWING:.0f} ms)")
    print(f"latest first paint {latest:.0f} ms")


if __name__ == "__main__":
    if "--help" in sys.argv:
        print(__doc__)
        sys.exit()
    main(sys.argv[1] if len(sys.argv) > 1 else None)
