"""How long does stitching take, beside polars' plain sort of the same events by (customer, time)?

    python benchmarks/stitch.py [EVENTS] [FOLDER] [DAYS]

Builds a lake of EVENTS (default 10 million) with identities, duplicates and a kiosk in FOLDER (default: a temporary
one), 50 events a second or spread over DAYS. Then measures, each in a process of its own: the sort, the build of the
path store, opening the store and counting its touches against the bare read of the same columns, a refresh after 1 %
more events in two ways: from customers who come for a visit, and one by one from customers all over; and that one
customer and then a thousand are forgotten, with the proof. The last lines are the ratios.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from analytics.stitching.build import build
from analytics.stitching.privacy.forget import forget
from analytics.stitching.refresh import refresh
from analytics.store.paths import Paths
from analytics.touches.rules import PathRules
from expectations.lake.layout import EVENTS, PARTITION_COLUMNS, Lake
from expectations.lake.tables import conform, landed

START = datetime(2024, 1, 1, tzinfo=UTC)
EVENTS_PER_FILE = 500_000
EVENTS_PER_CUSTOMER = 40
VISIT = 8
RATE = 50.0
NAMES = ["ad_click", "page_view", "product_viewed", "cart_viewed", "checkout_started", "order_placed", "email_opened"]


def events(first: int, count: int, customers: int, *, seed: int, visit: int = 1, rate: float = RATE) -> pl.DataFrame:
    """Events of customers with three devices each, a third of them logged in, one in a thousand at the kiosk.

    `visit` neighbouring events are of one customer; there are `rate` events a second.
    """
    dice = np.random.default_rng([seed, first])
    customer = np.repeat(dice.integers(0, customers, count // visit + 1), visit)[:count]
    device = customer * 3 + dice.integers(0, 3, count)
    seconds = (first + np.sort(dice.random(count)) * count) / rate
    kiosk = dice.random(count) < 0.001
    logged_in = dice.random(count) < 0.33
    columns = pl.DataFrame({"c": customer, "d": device, "kiosk": kiosk, "login": logged_in, "s": seconds})
    at = pl.lit(START) + pl.duration(microseconds=(pl.col("s") * 1_000).cast(pl.Int64) * 1_000)
    frame = columns.select(
        event_id=pl.format("{}-4b1d-9c0e-{}", pl.int_range(first, first + count), "d"),
        event_name=pl.Series(dice.choice(NAMES, count)),
        kind=pl.lit("clickstream"),
        channel=pl.Series(dice.choice(["web", "app", "store"], count)),
        occurred_at=at,
        received_at=at,
        event_date=at.dt.date(),
        customer_id=pl.when("login").then(pl.format("customer-{}", "c")),
        anonymous_id=pl.when(~pl.col("kiosk")).then(pl.format("{}-7f3a-41c2-8d5e-anonymous", "d")),
        identities=pl.when("kiosk").then(pl.lit("kiosk-1")).otherwise(pl.format("device-{}", "d")),
        device=pl.Series(dice.choice(["mobile", "desktop", "tablet"], count)),
        country=pl.Series(dice.choice(["DE", "FR", "PL"], count)),
        topic=pl.lit("clickstream"),
        partition=pl.lit(0),
        offset=pl.int_range(first, first + count),
    )
    pairs = pl.concat_list(pl.struct(key=pl.lit("device_id"), value=pl.col("identities")))
    frame = frame.with_columns(pairs.list.to_map().alias("identities"))
    again = frame.sample(count // 500, seed=seed).with_columns(pl.col("offset") + 10**12)
    return conform(pl.concat([frame, again])).collect()


def make(lake: Lake, count: int, rate: float = RATE) -> None:
    """Land the events."""
    for first in range(0, count, EVENTS_PER_FILE):
        size = min(EVENTS_PER_FILE, count - first)
        frame = events(first, size, max(1, count // EVENTS_PER_CUSTOMER), seed=7, rate=rate)
        land(lake, frame)


def land(lake: Lake, frame: pl.DataFrame) -> None:
    """Append events as landing does: a file a day."""
    frame.write_delta(
        lake.table(EVENTS), mode="append", delta_write_options={"partition_by": PARTITION_COLUMNS[EVENTS]}
    )


def plain_sort(lake: Lake) -> dict[str, Any]:
    """Sort the events in memory by the customer that a plain reader would see, and by time; without empty columns."""
    few = landed(lake).head(1000).collect()
    columns = [column.name for column in few if column.null_count() < len(few)]
    frame = landed(lake).select(*columns, customer=pl.coalesce("customer_id", "anonymous_id")).collect()
    started, cpu = time.perf_counter(), time.process_time()
    frame.sort("customer", "occurred_at")
    return {"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu}


def stitching(lake: Lake) -> dict[str, Any]:
    """Build the path store."""
    started, cpu = time.perf_counter(), time.process_time()
    summary = build(lake, PathRules())
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "cpu": time.process_time() - cpu, "linked": summary.linked}


def refreshing(lake: Lake) -> dict[str, Any]:
    """Bring the path store up to date."""
    started, cpu = time.perf_counter(), time.process_time()
    summary = refresh(lake, PathRules())
    seconds = time.perf_counter() - started
    assert summary is not None
    return {"seconds": seconds, "cpu": time.process_time() - cpu, "linked": summary.linked}


def opening(lake: Lake) -> dict[str, Any]:
    """Open the store, count its touches by touchpoint, and read the same columns bare."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        paths = Paths.open(lake)
        sum(len(paths.read(part, ["at", "touchpoint"])) for part in paths.parts)
        between = time.perf_counter()
        for part in paths.parts:
            pl.read_parquet(f"{part.address}.touches.parquet", columns=["at", "touchpoint"])
        times.append((between - started, time.perf_counter() - between))
    return {"seconds": min(ours for ours, _ in times), "bare": min(bare for _, bare in times)}


def forgetting(lake: Lake, first: int, count: int) -> dict[str, Any]:
    """Forget customers."""
    people = [f"customer_id:customer-{number}" for number in range(first, first + count)]
    started, cpu = time.perf_counter(), time.process_time()
    proof = forget(lake, people, PathRules())
    assert proof["named"].sum() == 0, proof
    return {
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - cpu,
        "linked": f"{count:,} customers",
    }


MEASURES: dict[str, Callable[[Lake], dict[str, Any]]] = {
    "sort": plain_sort,
    "stitch": stitching,
    "open": opening,
    "refresh": refreshing,
    "forget 1": lambda lake: forgetting(lake, 5, 1),
    "forget 1000": lambda lake: forgetting(lake, 1000, 1000),
}


def measured(name: str, folder: str) -> dict[str, Any]:
    """A measure in a process of its own, with its peak memory."""
    run = subprocess.run([sys.executable, __file__, name, folder], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    times = f"{found['seconds']:8.2f} s   {found.get('cpu', 0):8.2f} CPU-s"
    print(f"{name:11} {times}   peak {found['peak_mb']:6,} MB   {found.get('linked', '')}", flush=True)
    return found


def main(count: int, folder: str, rate: float) -> None:
    lake = Lake(folder)
    started = time.perf_counter()
    make(lake, count, rate)
    print(f"{count:,} events landed in {time.perf_counter() - started:.1f} s", flush=True)
    sort, stitch, opened = (measured(name, folder) for name in ("sort", "stitch", "open"))
    more, customers = max(1, count // 100), max(1, count // EVENTS_PER_CUSTOMER)
    refreshed = []
    for number, visit in enumerate((VISIT, 1)):
        new = events(count + number * more, more, customers, seed=7, visit=visit, rate=rate)
        land(lake, new)
        refreshed.append(measured("refresh", folder))
    measured("forget 1", folder)
    measured("forget 1000", folder)
    print(f"open: {opened['seconds'] / opened['bare']:.2f} times the bare read of the same columns (goal: 1.5)")
    print(f"stitch: {stitch['cpu'] / sort['cpu']:.2f} times the processor time of polars' plain sort")
    print(f"stitch: {stitch['seconds'] / sort['seconds']:.2f} times polars' plain sort (goal: 3)")
    for kind, took in zip(("one by one", "in visits"), reversed(refreshed), strict=True):
        wall, cpu = took["seconds"] / stitch["seconds"], took["cpu"] / stitch["cpu"]
        print(f"refresh, 1 % new events {kind}: {wall:.1%} of the build's time, {cpu:.1%} of its CPU (goal: 10 %)")


if __name__ == "__main__":
    if "--help" in sys.argv:
        print(__doc__)
        sys.exit()
    if len(sys.argv) == 3 and sys.argv[1] in MEASURES:
        result = MEASURES[sys.argv[1]](Lake(sys.argv[2]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(json.dumps(result | {"peak_mb": peak}))
    else:
        size = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
        per_second = size / (int(sys.argv[3]) * 86_400) if len(sys.argv) > 3 else RATE
        if len(sys.argv) > 2:
            main(size, sys.argv[2], per_second)
        else:
            with tempfile.TemporaryDirectory() as temporary:
                main(size, str(Path(temporary) / "lake"), per_second)
