"""How near are pains to what trouble cost? `python -m tests.analytics.segments.pains_twin --customers 20000`.

The shop is simulated with its incident, and its twin without: payment on phones fails for some days, with an error at
checkout. Printed are the goals at stake of the error, with their interval, and what it cost: the people whom it
touched that ordered in the twin within 30 days, less those that did in the world, and all their orders.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from typing import Final

import polars as pl

from analytics import Paths, pains
from ingest.samples.shop.catalogue import DAY
from ingest.samples.shop.lives import Shop, live
from ingest.samples.shop.people import person_of
from ingest.samples.shop.stories import Stories, planted_stories
from ingest.samples.shop.visits import Fact
from ingest.samples.simulator import START, simulate
from tests.reports.questions.stories import stitched

DAYS: Final = 90
WINDOW: Final = 30 * DAY


def lost(customers: int, seed: int, incident: tuple[int, int]) -> tuple[int, int]:
    """The people who ordered within 30 days of their first error in the twin only, and the orders missing in all."""
    first = int(START.timestamp()) * 1000
    planted = planted_stories(first, incident)
    shop = Shop(seed, first, first + DAYS * DAY, Stories(seed, planted), None)
    twin = replace(shop, stories=Stories(seed, planted[1:]))
    people = orders = 0
    for number in range(customers):
        touched = len(shop.stories.touched[1])
        world = live(shop, person_of(seed, number, first, DAYS))
        if len(shop.stories.touched[1]) > touched:
            other = live(twin, person_of(seed, number, first, DAYS))
            since = next(fact.at for fact in world if fact.name == "error_shown")
            people += _ordered(other, since) - _ordered(world, since)
            orders += sum(_is_order(fact) for fact in other) - sum(_is_order(fact) for fact in world)
    return people, orders


def _ordered(facts: list[Fact], since: int) -> bool:
    return any(_is_order(fact) and since - DAY // 24 <= fact.at <= since + WINDOW for fact in facts)


def _is_order(fact: Fact) -> bool:
    return fact.name == "order_placed"


def main() -> None:
    """Prints what is at stake, and what was lost, for each seed."""
    parser = argparse.ArgumentParser(description="How near are pains to what trouble cost?")
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    for seed in range(7, 7 + options.seeds):
        simulation = simulate(customers=options.customers, seed=seed)
        story = simulation.truths.incident
        people, orders = lost(
            options.customers, seed, (int(story.start.timestamp()) * 1000, int(story.end.timestamp()) * 1000)
        )
        with tempfile.TemporaryDirectory() as folder:
            settings = stitched(folder, simulation)
            found = pains(Paths.open(settings.lake), "Error shown", window=settings.report.window)
            (row,) = found.filter(pl.col("kind") == "trouble").to_dicts()
        sys.stdout.write(
            f"seed {seed}: {row['with_it']} journeys met the error; at stake {row['at_stake']:.0f} "
            f"({row['at_stake_low']:.0f} to {row['at_stake_high']:.0f}); {people} people would have ordered within "
            f"30 days, {orders} orders are missing in all\n"
        )


if __name__ == "__main__":
    main()
