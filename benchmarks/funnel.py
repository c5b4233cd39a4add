"""The five-step, seven-day ordered funnel beside ClickHouse (chdb), DuckDB, polars, retentioneering and a bare read.

`python benchmarks/funnel.py 10_000_000 [FOLDER [PART ...]]`: events come from a seeded generator and are kept in
FOLDER, if one is named; the counts of all engines must be equal. Parts, all of them when none is named:

    disk              from the parts on disk, its variants, a bare read, and ClickHouse on the events as sorted Parquet
    memory            from parts in memory, and ClickHouse on tables in the order of customers; a plain sum of the bytes
    memory-bound      peak memory of a process of its own that asks one question, of several kinds
    first             the first funnel of a process, from import on, over a million events
    others            DuckDB with ASOF joins, and expressions of polars
    retentioneering   version 5, in its own reading (it knows no window), beside ours in the same

ClickHouse is asked in the form that is quickest for it: named types, times as DateTime, words as LowCardinality, all
processors.
RETENTIONEERING names the Python of an environment that has version 5, without which that peer is left out; FEW is the
number of events that it is asked of, a million by default.
Seconds are those of the quickest of at least three runs, and of as many as five seconds hold. The ratios come last: how
many times as long another takes, and how much longer a variant takes than plain.
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
from typing import Any, NamedTuple

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analytics import Funnel, Paths, funnel, read_as
from benchmarks.peers.funnel import STEPS, clickhouse, parquet, tables, window_funnel, with_duckdb, with_polars

OTHERS = ["checkout", "help", "account", "blog", "video", "offer", "review"]
SHARES = [0.20, 0.18, 0.17, 0.08, 0.03, 0.05, 0.06, 0.08, 0.05, 0.04, 0.04, 0.02]
FEW = int(os.environ.get("FEW", "1_000_000"))


class Timing(NamedTuple):
    """Seconds of the quickest run, by the clock and of all processors, and what it gave."""

    wall: float
    cpu: float
    result: Any


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


def timed(name: str, work: Callable[[], Any]) -> Timing:
    """Wall and CPU seconds of the quickest run, and the result."""
    best, begun, runs = (float("inf"), float("inf")), time.perf_counter(), 0
    while runs < 3 or time.perf_counter() - begun < 5:
        before, start = cpu(), time.perf_counter()
        result = work()
        best = min(best, (time.perf_counter() - start, cpu() - before))
        runs += 1
    print(f"{name:44s} wall {best[0]:7.3f} s   cpu {best[1]:7.3f} s", flush=True)
    return Timing(*best, result)


def ratio(name: str, peer: Timing, own: Timing) -> str:
    """How many times as long a peer takes; the counts must be equal."""
    assert peer.result == own.result, (name, peer.result, own.result)
    return f"{name}: {peer.cpu / own.cpu:.1f} times our CPU, {peer.wall / own.wall:.1f} times our time"


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


def peak_memory(store: Path, question: str) -> float:
    """Peak memory, in MB, of a process that opens the store and asks one question, with nothing else in it."""
    asked = "import analytics; from analytics import Funnel; from datetime import date; "
    asked += f"paths, steps = analytics.Paths.open({str(store)!r}), {STEPS}; analytics.{question}"
    code = f"{asked}\nprint(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    return int(alone(code)) / 1024


def alone(code: str) -> str:
    """What a process of its own prints."""
    home = Path(__file__).resolve().parents[1]
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=home).stdout


def with_retentioneering(folder: Path) -> list[str]:
    """Retentioneering on its event stream, loaded already; ours with parts in memory, too, and from disk."""
    if "RETENTIONEERING" not in os.environ:
        return ["retentioneering: not asked, as RETENTIONEERING names no Python that has it"]
    file, store = made(FEW, folder / f"few-{FEW}")
    asked = read_as(Funnel(STEPS, "7d"), "retentioneering")
    disk = timed(f"from disk, as retentioneering, {FEW:,}", partial(opened, store, asked))
    memory = timed(f"in memory, as retentioneering, {FEW:,}", partial(reached, in_memory(store), asked))
    script = Path(__file__).parent / "peers" / "retentioneering_stream.py"
    quiet = {**os.environ, "RETENTIONEERING_NO_TRACK": "1"}
    command = [os.environ["RETENTIONEERING"], str(script), str(file), *STEPS]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=quiet)
    theirs = json.loads(done.stdout.splitlines()[-1])
    peer = Timing(theirs["wall"], theirs["cpu"], theirs["reached"])
    print(f"{f'retentioneering, {FEW:,}':44s} wall {peer.wall:7.3f} s   cpu {peer.cpu:7.3f} s", flush=True)
    load, peak = theirs["load_wall"], theirs["peak_mb"]
    print(f"  its event stream takes {load:.1f} s to load, its process {peak:,.0f} MB at its peak")
    lines = [ratio("retentioneering, ours from disk", peer, disk)]
    return [*lines, ratio("retentioneering, ours in memory", peer, memory)]


def made(count: int, folder: Path) -> tuple[Path, Path]:
    """The events as a sorted Parquet file, and as a path store; kept where they are there already."""
    file, store = folder / "events.parquet", folder / "paths"
    if not (store / "manifest.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        table = events(count)
        table.write_parquet(file)
        Paths.from_frame(table).save(store)
    return file, store


def in_memory(store: Path) -> Paths:
    """The parts of a store as frames."""
    held = Paths.open(store)
    parts = [replace(part, frames=part.physical()) for part in held.parts]
    return Paths(parts, held.schema, held.dictionaries, held.end_of_data)


def from_disk(file: Path, store: Path) -> list[str]:
    """Parts on disk: plain, variants, a bare read of the columns, and ClickHouse on the same events."""
    plain = Funnel(STEPS, "7d", maturity="clip")
    ours = timed("from disk", partial(opened, store, plain))
    variants = {
        "by 3 segments": Funnel(STEPS, "7d", maturity="clip", by="device"),
        "strict": Funnel(STEPS, "7d", maturity="clip", order="strict"),
        "with an exclusion": Funnel(STEPS, "7d", maturity="clip", exclude="help"),
    }
    lines = []
    for name, asked in variants.items():
        slower = timed(f"from disk, {name}", partial(opened, store, asked))
        cpu, wall = slower.cpu / ours.cpu, slower.wall / ours.wall
        lines.append(f"{name}: {cpu:.2f} times the CPU of plain, {wall:.2f} its time")
    wanted = ["customer", "at", "touchpoint"]
    bare = timed("bare polars read of three columns", lambda: pl.read_parquet(file, columns=wanted).height)
    lines.append(f"bare read: ours takes {ours.cpu / bare.cpu:.2f} times its CPU, {ours.wall / bare.wall:.2f} its time")
    with clickhouse() as session:
        peer = timed("ClickHouse, sorted Parquet", partial(window_funnel, session, parquet(file)))
    return [f"customers at each step {ours.result}", *lines, ratio("ClickHouse, sorted Parquet", peer, ours)]


def from_memory(file: Path, store: Path) -> list[str]:
    """Parts in memory beside tables of ClickHouse; and how much of that is reading the bytes at all."""
    held = in_memory(store)
    columns = [part.read([name])[name].to_numpy() for part in held.parts for name in ("touchpoint", "at")]
    size = sum(column.nbytes for column in columns) / 1e9
    ours = timed("in memory", partial(reached, held, Funnel(STEPS, "7d", maturity="clip")))
    bare = timed("a plain pass over the same bytes", partial(highest, columns))
    lines = [f"in memory: {size:.2f} GB, at {size / ours.wall:.1f} GB/s; a plain pass, {size / bare.wall:.1f} GB/s"]
    del columns
    with clickhouse() as session:
        tables(session, file)
        for name, table in (("ClickHouse, Memory table", "memory"), ("ClickHouse, MergeTree", "tree")):
            lines.append(ratio(name, timed(name, partial(window_funnel, session, f"bench.{table}")), ours))
    return [f"customers at each step {ours.result}", *lines]


def highest(columns: list[Any]) -> int:
    """The highest of all values, by numpy, in one thread: a pass that does next to nothing but read."""
    return max(int(column.max()) for column in columns)


def beside_others(file: Path, store: Path) -> list[str]:
    """The other engines, on the events as sorted Parquet."""
    ours = timed("from disk", partial(opened, store, Funnel(STEPS, "7d", maturity="clip")))
    engines = {"DuckDB, ASOF joins": with_duckdb, "polars expressions": with_polars}
    return [ratio(name, timed(name, partial(work, file)), ours) for name, work in engines.items()]


def bounds_of_memory(store: Path) -> list[str]:
    """Peak memory of a process that asks one question."""
    questions = {
        "a funnel": "funnel(paths, Funnel(steps, '7d'))",
        "a funnel by 3 segments": "funnel(paths, Funnel(steps, '7d', by='device'))",
        "a trend by weeks and 3 segments": "trend(paths, Funnel(steps, '7d', by='device'), period='week')",
        "the times to convert": "time_to_convert(paths, Funnel(steps, '7d'), to_step=2)",
    }
    return [f"peak memory, {name}: {peak_memory(store, question):,.0f} MB" for name, question in questions.items()]


def first_calls(folder: Path) -> list[str]:
    """The first funnel of a process that has imported nothing, three times: every scan is compiled already."""
    _, store = made(FEW, folder / f"few-{FEW}")
    code = f"""
import time; begun = time.perf_counter()
from analytics import Funnel, Paths, funnel
imported = time.perf_counter(); paths = Paths.open({str(store)!r})
funnel(paths, Funnel({STEPS}, "7d")); done = time.perf_counter()
funnel(paths, Funnel({STEPS}, "7d")); again = time.perf_counter()
print(f"import {{imported - begun:.2f}} s, first call {{done - imported:.2f}} s, the same again {{again - done:.2f}} s")
"""
    alone(code)
    return [alone(code).strip() for _ in range(3)]


def main(count: int, folder: Path, parts: list[str]) -> None:
    """Print every row of the table, and the ratios last."""
    file, store = made(count, folder)
    opened(store, Funnel(STEPS, "7d"))
    work: dict[str, Callable[[], list[str]]] = {
        "disk": partial(from_disk, file, store),
        "memory": partial(from_memory, file, store),
        "memory-bound": partial(bounds_of_memory, store),
        "first": partial(first_calls, folder),
        "others": partial(beside_others, file, store),
        "retentioneering": partial(with_retentioneering, folder),
    }
    if unknown := set(parts) - set(work):
        sys.exit(f"There is no part {unknown.pop()!r}: {', '.join(work)}")
    print(f"{count:,} events, {os.cpu_count()} processors", flush=True)
    lines = [line for name in parts or work for line in work[name]()]
    print(*lines, sep="\n")


if __name__ == "__main__":
    if "--help" in sys.argv:
        print(__doc__)
        sys.exit()
    asked = int(sys.argv[1].replace("_", "")) if len(sys.argv) > 1 else 10_000_000
    if len(sys.argv) > 2:
        main(asked, Path(sys.argv[2]), sys.argv[3:])
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(asked, Path(temporary), [])
