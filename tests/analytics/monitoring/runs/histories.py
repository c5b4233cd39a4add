"""Random histories of a lake, with late events, merges, un-merges, deletions, new days, changed definitions.

The causes of every difference must add up to the digit. `python -m tests.analytics.monitoring.runs.histories 200` tries
as many histories; the tests a few.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

import polars as pl

from analytics import (
    DIFF_CAUSES,
    CellQuestion,
    Goal,
    PathRules,
    Paths,
    build_paths,
    diff,
    erasures,
    forget_customer,
    keep_run,
    kept_run,
    refresh_paths,
    run_of,
    split_identities,
)
from expectations import contract
from expectations.lake.layout import Lake
from expectations.lake.tables import conform
from ingest.landing.commit import Table

START = datetime(2026, 1, 5, tzinfo=UTC)
STAGES = [{"name": name, "touchpoints": [name.lower()]} for name in ("Look", "Cart", "Buy")]
RULES = PathRules.model_validate({"goal": ["buy"], "stages": STAGES, "identities": {"unique": ["customer_id"]}})


def question(days: int = 7) -> CellQuestion:
    goals = Goal(name="Order", steps=("buy",)), Goal(name="In the cart", steps=("stage:Cart",))
    return CellQuestion(goals, timedelta(days=days))


class History:
    """A lake to which things happen, and a report after some of them."""

    def __init__(self, folder: Path) -> None:
        self.lake, self.offset, self.reports = Lake(str(folder)), 0, 0

    def land(self, *events: tuple[str, float, str | None, str | None], topic: str = "web") -> None:
        """Lands events: what, on which day, the login, the browser."""
        rows = []
        for name, day, login, browser in events:
            at = START + timedelta(days=day)
            rows.append(
                {
                    "event_id": f"e{self.offset}",
                    "event_name": name,
                    "kind": "clickstream",
                    "channel": "web",
                    "occurred_at": at,
                    "received_at": at,
                    "event_date": at.date(),
                    "customer_id": login,
                    "anonymous_id": browser,
                    "topic": topic,
                    "partition": 0,
                    "offset": self.offset,
                    "part": 0,
                }
            )
            self.offset += 1
        types = {name: contract.EVENTS[name] for name in ("customer_id", "anonymous_id", "partition", "part")}
        frame = conform(pl.DataFrame(rows, schema_overrides=types)).collect()
        assert Table(self.lake, "events").append(frame, [])

    def report(self, rules: PathRules = RULES, asked: CellQuestion | None = None, k: int = 10) -> str:
        """Makes the paths anew and keeps what a report tells; returns its name."""
        erased = erasures(self.lake)
        refresh_paths(self.lake, rules)
        self.reports += 1
        name, at = f"report-{self.reports}", START + timedelta(days=100 + self.reports)
        paths = Paths.open(self.lake)
        told = run_of(self.lake, paths, rules, asked or question(), run=name, at=at, k=k, erased=erased)
        keep_run(self.lake, told)
        return name


def random_history(seed: int, folder: Path) -> History:
    """Two reports, of every fifth seed three, with something of everything between them."""
    random, history = Random(seed), History(folder)
    people = [(f"c{number}", f"b{number}") for number in range(8)]
    end = 25.0

    def some(count: int, first: float, last: float, topic: str = "web") -> None:
        events = []
        for _ in range(count):
            login, browser = random.choice(people)
            if random.random() < 0.1:
                browser = random.choice(people)[1]  # of somebody else: a merge, or a shared device
            carries = random.choice(((login, None), (None, browser), (None, browser), (login, browser)))
            name = random.choice(("look", "look", "cart", "buy", "login"))
            events.append((name, round(random.uniform(first, last), 3), *carries))
        history.land(*events, topic=topic)

    some(40, 0, end)
    rules, asked = RULES, question()
    history.report(rules, asked)
    for _ in range(1 if seed % 5 else 2):
        for happened in random.sample(("late", "late file", "time", "split", "forget", "rules", "question"), 4):
            if happened in ("late", "late file"):
                some(random.randint(1, 12), 0, end, topic="web" if happened == "late" else f"file:{history.offset}")
            elif happened == "time":
                some(random.randint(1, 20), end, end + 10)
                end += 10
            elif happened == "split":
                login, browser = random.choice(people)
                at = START + timedelta(days=100 + history.reports, hours=random.randint(1, 20))
                apart = random.random() < 0.7
                pair = f"customer_id:{login}", f"anonymous_id:{browser}"
                split_identities(history.lake, *pair, decided_at=at, removed=apart)
            elif happened == "forget":
                _forget(history, random.choice(people)[0], rules)
            elif happened == "rules":
                first = random.choice(("look", "cart"))
                rules = RULES.model_copy(update={"goal": ["buy"] if first == "look" else ["buy", "cart"]})
            else:
                asked = question(random.choice((2, 7, 14)))
        history.report(rules, asked)
    return history


def _forget(history: History, login: str, rules: PathRules) -> None:
    known = pl.scan_delta(history.lake.table("events")).filter(pl.col("customer_id") == login).head(1).collect()
    if len(known):
        build_paths(history.lake, rules)
        forget_customer(history.lake, [f"customer_id:{login}"], rules)


def check(seed: int, folder: Path) -> dict[str, int]:
    """Raises `AssertionError` where causes do not add up; returns how many cells each cause moved."""
    history = random_history(seed, folder)
    names = [f"report-{number}" for number in range(1, history.reports + 1)]
    moved = dict.fromkeys(DIFF_CAUSES, 0)
    for one, two in combinations(names, 2):
        found = diff(history.lake, one, two)
        cells = [_values(kept_run(history.lake, name).cells) for name in (one, two)]
        for row in found.iter_rows(named=True):
            key = tuple(row[name] for name in ("part", "name", "week", "measure"))
            assert (row["then"], row["now"]) == tuple(each.pop(key, 0) for each in cells), (seed, row)
            assert row["then"] + sum(row[cause] for cause in DIFF_CAUSES) == row["now"], (seed, row)
            customers = sum(row[f"customers_{cause}"] for cause in DIFF_CAUSES)
            assert row["customers_then"] + customers == row["customers_now"], (seed, row)
        assert cells[0] == cells[1], (seed, "a cell that moved is no row")
        for cause in DIFF_CAUSES:
            moved[cause] += found.filter(pl.col(cause) != 0).height
    assert diff(history.lake, names[-1], names[-1]).is_empty(), seed
    if seed % 10 == 9:
        forth, back = (diff(history.lake, *pair) for pair in (names[:2], names[1::-1]))
        assert (back["difference"] == -forth["difference"]).all(), seed
    return moved


def _values(cells: pl.DataFrame) -> dict[Any, int]:
    return {tuple(row[:4]): row[4] for row in cells.select("part", "name", "week", "measure", "value").rows()}


def main(count: int) -> None:
    moved = dict.fromkeys(DIFF_CAUSES, 0)
    for seed in range(count):
        with tempfile.TemporaryDirectory() as folder:
            for cause, cells in check(seed, Path(folder)).items():
                moved[cause] += cells
    told = ", ".join(f"{cause} {cells:,}" for cause, cells in moved.items())
    sys.stdout.write(f"{count} histories: all causes add up. Cells moved: {told}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
