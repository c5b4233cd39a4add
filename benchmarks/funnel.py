"""The five-step, seven-day ordered funnel beside ClickHouse (chdb), DuckDB, plain polars, retentioneering, a bare read.

`python benchmarks/funnel.py 10_000_000 [FOLDER]`: events come from a seeded generator and are kept in FOLDER, if one is
named; the counts of all engines must be equal.
retentioneering knows no window and is asked of at most a million events, in its own reading, beside ours in the same;
RETENTIONEERING names the Python of an environment that has version 5, without which that peer is left out.
CPU and wall seconds are the best of three. Peak memory is that of a process of its own that opens the store and asks
one funnel. The ratios come last: how many times as long another takes, and how much longer a variant takes than plain.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analytics import Funnel, Paths, funnel, read_as

STEPS = ["home", "search", "product", "cart", "pay"]
OTHERS = ["checkout", "help", "account", "blog", "video", "offer", "review"]
SHARES = [0.20, 0.18, 0.17, 0.08, 0.03, 0.05, 0.06, 0.08, 0.05, 0.04, 0.04, 0.02]
WINDOW = 7 * 86_400
FEW = 1_000_000


def events(count: int) -> pl.DataFrame:
    """Events of ninety days, twenty a customer, sorted by customer, time to the second, and step, so that ties help."""
    rng = np.random.default_rng(7)
    customer = rng.integers(0, max(1, count // 20), count).astype(np.uint32)
    seconds = 1_704_067_200 + rng.integers(0, 90 * 86_400, count)
    codes = pl.Series(rng.choice(len(SHARES), count, p=SHARES).astype(np.uint8))
    device = pl.Series((customer % 3).astype(np.uint8)).cat.to(pl.Enum(["phone", "desk", "tablet"]))
    table = pl.DataFrame(
        {
            "customer": customer,
            "at": pl.Series(seconds * 1_000_000).cast(pl.Datetime("us", "UTC")),
            "touchpoint": codes.cat.to(pl.Enum(STEPS + OTHERS)).cast(pl.String),
            "device": device.cast(pl.String),
            "code": codes,
        }
    )
    return table.sort("customer", "at", "code").drop("code")


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
    return reached(Paths.open(store), asked)


def reached(paths: Paths, asked: Funnel) -> list[int]:
    """Customers that reach each step."""
    return funnel(paths, asked).filter("is_total")["reached"].to_list()


def peak_memory(store: Path) -> float:
    """Peak memory, in MB, of a process that opens the store and asks the funnel, with nothing else in it."""
    asked = f"from analytics import Funnel, Paths, funnel; funnel(Paths.open({str(store)!r}), Funnel({STEPS}, '7d'))"
    code = f"{asked}\nprint(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    home = Path(__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=home)
    return int(done.stdout) / 1024


def window_funnel(session: Any, source: str) -> list[int]:
    """ClickHouse's windowFunnel: its default mode, as no touch can be two of these steps."""
    conditions = ", ".join(f"touchpoint = '{step}'" for step in STEPS)
    level = f"windowFunnel({WINDOW})(toUInt64(toUnixTimestamp(at)), {conditions})"
    inner = f"SELECT {level} AS level FROM {source} GROUP BY customer"
    counts = ", ".join(f"countIf(level >= {k})" for k in range(1, 6))
    return [int(n) for n in str(session.query(f"SELECT {counts} FROM ({inner})", "CSV")).split(",")]


def tables(session: Any, file: Path) -> None:
    """The same events as tables of ClickHouse, in the order of customers: in memory, and as a MergeTree."""
    session.query("CREATE DATABASE IF NOT EXISTS bench ENGINE = Atomic")
    columns = "customer UInt32, at DateTime, touchpoint LowCardinality(String)"
    select = f"SELECT customer, toDateTime(at), touchpoint FROM file('{file}', Parquet) ORDER BY customer, at"
    session.query(f"CREATE TABLE bench.memory ({columns}) ENGINE = Memory")
    session.query(f"CREATE TABLE bench.tree ({columns}) ENGINE = MergeTree ORDER BY (customer, at)")
    for name in ("memory", "tree"):
        session.query(f"INSERT INTO bench.{name} {select}")


def with_duckdb(file: Path) -> list[int]:
    """For every touch the newest entry of a chain so long that ends there, by ASOF joins; then the last one counts."""
    import duckdb

    touches = "CREATE TEMP TABLE s{k} AS SELECT customer, epoch(\"at\")::BIGINT AS t{entry} FROM read_parquet('{file}')"
    touches += " WHERE touchpoint = '{step}'"
    with duckdb.connect() as db:
        db.execute(touches.format(k=1, entry=', epoch("at")::BIGINT AS entry', file=file, step=STEPS[0]))
        for k, step in enumerate(STEPS[1:], 2):
            db.execute(touches.format(k=f"{k}_all", entry="", file=file, step=step))
            db.execute(
                f"CREATE TEMP TABLE s{k} AS SELECT n.customer, n.t, b.entry FROM s{k}_all n "
                f"ASOF JOIN s{k - 1} b ON n.customer = b.customer AND n.t >= b.t WHERE n.t - b.entry <= {WINDOW}"
            )
        counts = [db.execute(f"SELECT count(DISTINCT customer) FROM s{k}").fetchone() for k in range(1, 6)]
    return [int(row[0]) for row in counts if row]


def with_polars(file: Path) -> list[int]:
    """The same by expressions over sorted rows: the newest entry of each length, carried forward within customers."""
    seconds, name = pl.col("at").dt.epoch("s"), pl.col("touchpoint")
    table = pl.scan_parquet(file).select("customer", seconds.alias("t"), "touchpoint")
    table = table.with_columns(pl.when(name == STEPS[0]).then("t").alias("entry"))
    reach = [pl.col("customer").filter(pl.col("entry").is_not_null()).n_unique().alias("1")]
    for k, step in enumerate(STEPS[1:], 2):
        before = "entry" if k == 2 else f"entry_{k - 1}"
        carried = pl.col(before).forward_fill().over("customer")
        hit = (name == step) & (pl.col("t") - carried <= WINDOW)
        table = table.with_columns(pl.when(hit).then(carried).alias(f"entry_{k}"))
        reach.append(pl.col("customer").filter(pl.col(f"entry_{k}").is_not_null()).n_unique().alias(str(k)))
    return list(table.select(reach).collect().row(0))


def with_retentioneering(count: int, folder: Path) -> str:
    """How many times as long retentioneering takes, its event stream loaded and our store on disk; equal counts."""
    folder.mkdir(exist_ok=True)
    file, store = made(count, folder)
    asked = read_as(Funnel(STEPS, "7d"), "retentioneering")
    opened(store, asked)
    wall, used, found = timed(f"from disk, as retentioneering, {count:,}", partial(opened, store, asked))
    script = Path(__file__).with_name("retentioneering_funnel.py")
    quiet = {**os.environ, "RETENTIONEERING_NO_TRACK": "1"}
    command = [os.environ["RETENTIONEERING"], str(script), str(file), *STEPS]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=quiet)
    theirs = json.loads(done.stdout.splitlines()[-1])
    print(f"{f'retentioneering, {count:,}':44s} wall {theirs['wall']:7.3f} s   cpu {theirs['cpu']:7.3f} s")
    assert theirs["reached"] == found, (theirs["reached"], found)
    return f"retentioneering: {theirs['cpu'] / used:.1f} times our CPU, {theirs['wall'] / wall:.1f} times our time"


def made(count: int, folder: Path) -> tuple[Path, Path]:
    """The events as a sorted Parquet file, and as a path store; kept where they are there already."""
    file, store = folder / "events.parquet", folder / "paths"
    if not (store / "manifest.json").exists():
        table = events(count)
        table.write_parquet(file)
        Paths.from_frame(table).save(store)
    return file, store


def in_memory(store: Path) -> Paths:
    """The parts of a store as frames."""
    held = Paths.open(store)
    parts = [replace(part, frames=part.physical()) for part in held.parts]
    return Paths(parts, held.schema, held.dictionaries, held.end_of_data)


def main(count: int, folder: Path) -> None:
    """Print every row of the table, and the ratios last."""
    from chdb import session as chdb_session

    file, store = made(count, folder)
    plain = Funnel(STEPS, "7d", maturity="clip")
    opened(store, plain)
    print(f"{count:,} events\npeak memory of a process that asks one funnel: {peak_memory(store):.0f} MB")
    ours = timed("from disk", partial(opened, store, plain))
    variants = {
        "by 3 segments": Funnel(STEPS, "7d", maturity="clip", by="device"),
        "strict": Funnel(STEPS, "7d", maturity="clip", order="strict"),
        "with an exclusion": Funnel(STEPS, "7d", maturity="clip", exclude="help"),
    }
    slower = {name: timed(f"from disk, {name}", partial(opened, store, asked))[:2] for name, asked in variants.items()}
    wanted = ["customer", "at", "touchpoint"]
    bare = timed("bare polars read of three columns", lambda: pl.read_parquet(file, columns=wanted))[:2]
    held = in_memory(store)
    memory = timed("in memory", partial(reached, held, plain))
    del held
    with tempfile.TemporaryDirectory() as scratch:
        session = chdb_session.Session(f"{scratch}/clickhouse")
        tables(session, file)
        peers = {
            "ClickHouse, sorted Parquet": (ours, partial(window_funnel, session, f"file('{file}', Parquet)")),
            "ClickHouse, Memory table": (memory, partial(window_funnel, session, "bench.memory")),
            "ClickHouse, MergeTree": (memory, partial(window_funnel, session, "bench.tree")),
            "DuckDB, ASOF joins": (ours, partial(with_duckdb, file)),
            "polars expressions": (ours, partial(with_polars, file)),
        }
        lines = [f"bare read: ours takes {ours[1] / bare[1]:.2f} times its CPU, {ours[0] / bare[0]:.2f} its time"]
        lines += [
            f"{name}: {used / ours[1]:.2f} times the CPU of plain, {wall / ours[0]:.2f} its time"
            for name, (wall, used) in slower.items()
        ]
        for name, (own, work) in peers.items():
            wall, used, found = timed(name, work)
            assert found == ours[2] == memory[2], (name, found, ours[2])
            lines.append(f"{name}: {used / own[1]:.1f} times our CPU, {wall / own[0]:.1f} times our time")
        session.close()
    if "RETENTIONEERING" in os.environ:
        lines.append(with_retentioneering(min(count, FEW), folder / "few"))
    print(f"customers at each step {ours[2]}", *lines, sep="\n")


if __name__ == "__main__":
    asked = int(sys.argv[1].replace("_", "")) if len(sys.argv) > 1 else 10_000_000
    if len(sys.argv) > 2:
        main(asked, Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(asked, Path(temporary))
