"""The five-step, seven-day ordered funnel beside ClickHouse (chdb) and a bare read.

`python benchmarks/funnel.py 10_000_000`: events come from a seeded generator; the counts of both engines must be equal.
CPU and wall seconds are the best of three; the last line is the ratio of ClickHouse on the same events as sorted
Parquet to this engine from its parts on disk.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analytics import Funnel, Paths, funnel

STEPS = ["home", "search", "product", "cart", "pay"]
OTHERS = ["checkout", "help", "account", "blog", "video", "offer", "review"]
SHARES = [0.20, 0.18, 0.17, 0.08, 0.03, 0.05, 0.06, 0.08, 0.05, 0.04, 0.04, 0.02]
WINDOW = 7 * 86_400


def events(count: int) -> pl.DataFrame:
    """Events of ninety days, twenty a customer, sorted by customer and time, to the second."""
    rng = np.random.default_rng(7)
    customer = rng.integers(0, max(1, count // 20), count).astype(np.uint32)
    seconds = 1_704_067_200 + rng.integers(0, 90 * 86_400, count)
    codes = pl.Series(rng.choice(len(SHARES), count, p=SHARES).astype(np.uint8))
    device = pl.Series((customer % 3).astype(np.uint8)).cat.to(pl.Enum(["phone", "desk", "tablet"]))
    return pl.DataFrame(
        {
            "customer": customer,
            "at": pl.Series(seconds * 1_000_000).cast(pl.Datetime("us", "UTC")),
            "touchpoint": codes.cat.to(pl.Enum(STEPS + OTHERS)).cast(pl.String),
            "device": device.cast(pl.String),
        }
    ).sort("customer", "at")


def timed(name: str, work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Best wall and CPU seconds of three runs, and the result."""
    best = (float("inf"), float("inf"))
    for _ in range(3):
        before, start = cpu(), time.perf_counter()
        result = work()
        best = min(best, (time.perf_counter() - start, cpu() - before))
    print(f"{name:44s} wall {best[0]:7.3f} s   cpu {best[1]:7.3f} s")
    return *best, result


def cpu() -> float:
    """CPU seconds of this process so far, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def opened(store: Path, asked: Funnel) -> list[int]:
    """Customers that reach each step, from the parts on disk."""
    return funnel(Paths.open(store), asked).filter("is_total")["reached"].to_list()


def clickhouse(file: Path) -> list[int]:
    """Customers that reach each step, by windowFunnel: its default mode, as no touch can be two of these steps."""
    import chdb

    conditions = ", ".join(f"touchpoint = '{step}'" for step in STEPS)
    level = f"windowFunnel({WINDOW})(toUInt64(toUnixTimestamp(at)), {conditions})"
    inner = f"SELECT {level} AS level FROM file('{file}', Parquet) GROUP BY customer"
    counts = ", ".join(f"countIf(level >= {k})" for k in range(1, 6))
    return [int(n) for n in str(chdb.query(f"SELECT {counts} FROM ({inner})", "CSV")).split(",")]


def main(count: int) -> None:
    """Print every row of the table, and the ratio last."""
    with tempfile.TemporaryDirectory() as folder:
        file, store = Path(folder) / "events.parquet", Path(folder) / "paths"
        table = events(count)
        table.write_parquet(file)
        Paths.from_frame(table).save(store)
        del table
        plain = Funnel(STEPS, "7d", maturity="clip")
        funnel(Paths.open(store), plain)
        ours = timed("from disk", partial(opened, store, plain))
        variants = {
            "from disk, by device": Funnel(STEPS, "7d", maturity="clip", by="device"),
            "from disk, strict": Funnel(STEPS, "7d", maturity="clip", order="strict"),
            "from disk, with an exclusion": Funnel(STEPS, "7d", maturity="clip", exclude="help"),
        }
        for name, variant in variants.items():
            timed(name, partial(opened, store, variant))
        timed(
            "bare polars read of three columns", lambda: pl.read_parquet(file, columns=["customer", "at", "touchpoint"])
        )
        peer = timed("ClickHouse windowFunnel, sorted Parquet", lambda: clickhouse(file))
        assert ours[2] == peer[2], (ours[2], peer[2])
        print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB, customers {peer[2]}")
        print(f"ratio wall {peer[0] / ours[0]:.1f} cpu {peer[1] / ours[1]:.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1].replace("_", "")) if len(sys.argv) > 1 else 10_000_000)
