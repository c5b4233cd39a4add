"""Times a prediction of the main goal of a journeys.toml: from nothing, and again when nothing has landed since.

    python benchmarks/prediction.py demo/journeys.toml

Prints seconds, and the quality of each model within the longest horizon on held-back time. What was kept of an earlier
prediction is removed first.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import analytics
from expectations.lake import files
from journeys.settings import Settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    settings = Settings(parser.parse_args().config)
    asked, folder = settings.prediction(), settings.lake.table("snapshots")
    files.discard(folder, files.listing(folder))
    for what in ("from nothing", "again"):
        began = time.monotonic()
        found = analytics.forecast(settings.lake, asked, settings.paths)
        print(f"{what}: {time.monotonic() - began:.1f} s")
    print(f"used: {found.model} ({found.reason}); tested at {found.tested:%Y-%m-%d}, {len(found.learned)} learned from")
    numbers = ("model", "customers", "goals", "expected", "auc", "skill", "gain_low", "calibration_error")
    print(found.quality.filter(horizon=asked.longest).select(numbers))


if __name__ == "__main__":
    main()
