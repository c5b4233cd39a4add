"""How well does stitching find again who belongs together? Pairs of identities, planted and found, with default guards.

    python benchmarks/identities.py [--customers 20000]
    python benchmarks/identities.py --lake demo/lake --planted demo/data/identities.parquet

Simulates a shop, lands its messages through the gate and stitches them by the default settings; or takes the lake of
an earlier `journeys demo` with what was planted in it. A pair is two identities that landed; it is *planted* when both
are one person's, *found* when stitching made them one customer, *right* when both. precision = right / found, recall =
right / planted. The lines without a guard show what each is for: a kiosk and a tablet at home join strangers.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import polars as pl

from analytics.identity.resolution import identify
from analytics.identity.rules import IdentityRules
from analytics.stitching.verify import agreement
from analytics.touches.deduplication import deduplicate
from analytics.touches.rules import PathRules
from expectations.lake.layout import Lake
from expectations.lake.tables import landed
from ingest.samples.simulator import simulate
from journeys.commands import steps
from journeys.settings import Settings, template

NO_GUARD = 1_000_000_000


def shop(folder: Path, customers: int) -> tuple[Lake, pl.DataFrame]:
    """A lake with the events of a shop, and whose its identities are."""
    config = folder / "journeys.toml"
    config.write_text(template("shop"), encoding="utf-8")
    simulation, settings = simulate(customers=customers), Settings(config)
    simulation.write(folder)
    for stream in settings.ingest.streams:
        steps.land_files(settings, [str(folder / f"{stream.topic}.ndjson")], stream.kind)
    return settings.lake, simulation.identities


def measure(lake: Lake, planted: pl.DataFrame) -> None:
    """Print the agreement with default guards, and without those against shared values."""
    events = deduplicate(landed(lake)).collect().lazy()
    guards = {
        "neither": IdentityRules(max_degree=NO_GUARD, unique=[]),
        "max_degree alone": IdentityRules(unique=[]),
        "unique alone": IdentityRules(max_degree=NO_GUARD),
        "the default ones": IdentityRules(),
    }
    print(f"\n{'guards':<24}{'planted':>12}{'found':>14}{'right':>12}{'precision':>12}{'recall':>10}")
    for name, identities in guards.items():
        of = agreement(identify(events, PathRules(identities=identities)).nodes, planted)
        print(f"{name:<24}{of.planted:>12,}{of.found:>14,}{of.right:>12,}{of.precision:>12.4f}{of.recall:>10.4f}")
    print("goals: precision at least 0.9990, recall at least 0.9800, with the default ones")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--customers", type=int, default=20_000)
    asked.add_argument("--lake", help="the lake of a demo, instead of a shop made here")
    asked.add_argument("--planted", type=Path, help="its identities.parquet")
    given = asked.parse_args()
    if given.lake:
        measure(Lake(given.lake), pl.read_parquet(given.planted))
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(*shop(Path(folder), given.customers))


if __name__ == "__main__":
    main()
