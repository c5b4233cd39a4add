"""How long do measures of paths take, beside DuckDB, retentioneering, ClickHouse and plain polars?

    python benchmarks/paths.py [EVENTS] [FOLDER] [PEER ...]

Makes EVENTS touches (default 10 million; 20 a customer, 40 touchpoints, whole seconds, no two at one instant) in FOLDER
(default: a temporary one). We read the path store from disk; the peers (default: all of duckdb, clickhouse, polars,
retentioneering) have the same events in tables of their own, in memory, sorted; loading them is not counted. Sessions
are cut from a frame in memory, the same rows in the same order as the peer's table: sorted, and shuffled. Each tool has
a process of its own; of three runs the best is taken, of fewer where they take longer than half a minute. Equal results
are asserted. RETENTIONEERING names the Python of an environment that has retentioneering 5; without it that peer is
left out. The last lines are the ratios, of wall time and of processor time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

GAP = 1800
DEPTH = 20
DAYS = 12
ENOUGH = 30
FIVE = "t0 .* t1 (?!t2)* t3 t4"


def make(folder: Path, count: int) -> None:
    """Touches of customers, sorted, as a Parquet file and as a path store."""
    import numpy as np
    import polars as pl

    from analytics import Paths, sessions

    dice = np.random.default_rng(7)
    customers = max(1, count // 20)
    customer = np.sort(dice.integers(0, customers, count))
    first = np.append(True, customer[1:] != customer[:-1])
    gaps = np.where(dice.random(count) < 0.15, dice.integers(1801, 500_000, count), dice.integers(1, 1200, count))
    elapsed = np.cumsum(gaps)
    start = np.maximum.accumulate(np.where(first, elapsed, 0))
    seconds = 1_704_067_200 + elapsed - start
    weights = 1 / np.arange(1, 41)
    event = dice.choice(40, count, p=weights / weights.sum())
    frame = pl.DataFrame({"customer": customer, "at": seconds * 1_000_000, "event": event.astype(np.uint8)}).select(
        "customer",
        pl.col("at").cast(pl.Datetime("us")),
        pl.Series("touchpoint", [f"t{i}" for i in range(40)], dtype=pl.String).gather(event),
    )
    frame = sessions(frame, f"{GAP}s")
    frame.write_parquet(folder / "touches.parquet")
    frame.sample(fraction=1.0, shuffle=True, seed=7).write_parquet(folder / "shuffled.parquet")
    Paths.from_frame(frame).save(folder / "paths")


def ours(folder: Path) -> dict[str, Callable[[], Any]]:
    """The measures by the public functions, from disk."""
    import polars as pl

    from analytics import Paths, match, retention, sessions, step_matrix, transitions, variants

    ordered, shuffled = (
        pl.read_parquet(folder / f"{name}.parquet").drop("session") for name in ("touches", "shuffled")
    )

    def moved() -> Any:
        table = transitions(Paths.open(folder / "paths"), unit="customer", exact=True)
        return sorted(
            table.filter(~pl.col("source").eq("START") & ~pl.col("target").str.starts_with("END_"))
            .select(
                "source",
                "target",
                "transitions",
                "customers",
                pl.col("median_wait").dt.total_microseconds() / 1e6,
                pl.col("p95_wait").dt.total_microseconds() / 1e6,
            )
            .rows()
        )

    def numbered(frame: pl.DataFrame) -> Any:
        numbers = sessions(frame, f"{GAP}s")["session"]
        return [int(numbers.sum()), int(numbers.max())]

    def cells() -> Any:
        table = step_matrix(Paths.open(folder / "paths"), DEPTH, unit="customer")
        return sorted(table.filter(~pl.col("node").str.starts_with("END_")).select("position", "node", "units").rows())

    def whole(unit: str) -> Any:
        table = variants(Paths.open(folder / "paths"), unit=unit, top=20, exact=True)
        lasts = pl.col("median_duration").dt.total_microseconds() / 1e6
        return [list(row) for row in table.select("path", "units", lasts).rows()]

    def five() -> Any:
        return match(Paths.open(folder / "paths"), FIVE, unit="customer")["matching"].item()

    def returned() -> Any:
        table = retention(Paths.open(folder / "paths"), period="day", periods=DAYS).filter(~pl.col("is_total"))
        return sorted(table.select(pl.col("cohort").dt.epoch("d"), "after", "size", "returned").rows())

    return {
        "transitions": moved,
        "retention": returned,
        "sessions": lambda: numbered(ordered),
        "sessions, shuffled": lambda: numbered(shuffled),
        "step matrix": cells,
        "variants": lambda: whole("customer"),
        "variants of sessions": lambda: whole("session"),
        "pattern": five,
    }


def duckdb_measures(folder: Path) -> dict[str, Callable[[], Any]]:
    """The same in SQL, on a table in memory."""
    import duckdb

    data = duckdb.connect()
    data.execute(
        f"""create type name as enum (select distinct touchpoint from '{folder}/touches.parquet');
        create table t as select customer, "at", touchpoint::name as touchpoint from '{folder}/touches.parquet';
        create table shuffled as select customer, "at" from '{folder}/shuffled.parquet'"""
    )
    pairs = """select customer, touchpoint as source, lead(touchpoint) over w as target,
        epoch(lead("at") over w) - epoch("at") as wait from t window w as (partition by customer order by "at")"""

    def moved() -> Any:
        return sorted(
            data.execute(
                f"""select source::varchar, target::varchar, count(*), count(distinct customer),
            quantile_cont(wait, 0.5), quantile_cont(wait, 0.95) from ({pairs})
            where target is not null group by source, target"""
            ).fetchall()
        )

    def numbered(table: str) -> Any:
        return list(
            map(
                int,
                data.execute(
                    f"""with g as (select customer, "at", epoch("at") - epoch(lag("at") over w) > {GAP} as late
            from {table} window w as (partition by customer order by "at")),
            s as (select 1 + sum(coalesce(late, false)::int) over (partition by customer order by "at") as session
            from g)
            select sum(session), max(session) from s"""
                ).fetchone(),
            )
        )

    def cells() -> Any:
        return sorted(
            data.execute(
                f"""select position, touchpoint::varchar, count(*) from (select touchpoint,
            row_number() over (partition by customer order by "at") as position from t)
            where position <= {DEPTH} group by 1, 2"""
            ).fetchall()
        )

    return {
        "transitions": moved,
        "sessions": lambda: numbered("t"),
        "sessions, shuffled": lambda: numbered("shuffled"),
        "step matrix": cells,
    }


def chdb_measures(folder: Path) -> dict[str, Callable[[], Any]]:
    """Variants by ClickHouse, on a table ordered by customer and time."""
    from chdb.session import Session

    data = Session()
    data.query("create database if not exists d")
    data.query(
        f"""create table d.t engine = MergeTree order by (customer, at) as
        select customer, at, session, toLowCardinality(touchpoint) as touchpoint from file('{folder}/touches.parquet',
        Parquet, 'customer Int64, at DateTime64(6), session UInt32, touchpoint String')"""
    )

    def whole(unit: str) -> Any:
        rows = str(
            data.query(
                f"""select path, n, lasts from (select path, toUInt32(count()) as n,
            quantileExactInclusive(0.5)(lasts) as lasts from (
            select groupArray(touchpoint) as path, dateDiff('second', min(at), max(at)) as lasts
            from (select * from d.t order by customer, at) group by {unit} settings optimize_aggregation_in_order = 1)
            group by path) order by n desc limit 20""",
                "JSONCompactEachRow",
            )
        )
        return [json.loads(line) for line in rows.splitlines()]

    return {"variants": lambda: whole("customer"), "variants of sessions": lambda: whole("customer, session")}


def polars_measures(folder: Path) -> dict[str, Callable[[], Any]]:
    """Retention by group-bys of polars, on a frame in memory."""
    import polars as pl

    touches = pl.read_parquet(folder / "touches.parquet", columns=["customer", "at"])

    def returned() -> Any:
        days = touches.lazy().select("customer", pl.col("at").dt.epoch("d").alias("day")).unique().collect()
        first = days.group_by("customer").agg(pl.col("day").min().alias("cohort"))
        sizes = first.group_by("cohort").agg(pl.len().alias("size"))
        after = (pl.col("day") - pl.col("cohort")).alias("after")
        back = days.join(first, on="customer").with_columns(after).group_by("cohort", "after").agg(pl.len())
        cells = sizes.join(pl.DataFrame({"after": range(1, DAYS + 1)}, schema={"after": pl.Int32}), how="cross")
        over = cells.filter(pl.col("cohort") + pl.col("after") < touches["at"].max().toordinal() - 719_163)
        counts = over.join(back, on=["cohort", "after"], how="left").with_columns(pl.col("len").fill_null(0))
        return sorted(counts.select("cohort", "after", "size", "len").rows())

    return {"retention": returned}


def retentioneering_measures(folder: Path) -> dict[str, Callable[[], Any]]:
    """The same by retentioneering, on its own event stream."""
    import pandas as pd
    from retentioneering import Eventstream
    from retentioneering.tools.transition_matrix import TransitionMatrix

    frame = pd.read_parquet(folder / "touches.parquet")
    schema = {"path_cols": ["customer"], "event_col": "touchpoint", "timestamp_col": "at"}
    stream = Eventstream(frame, schema=schema)

    def moved() -> Any:
        table = TransitionMatrix(stream).fit("count").stack()
        return sorted([s, t, int(n)] for (s, t), n in table.items() if n and s[0] == "t" and t[0] == "t")

    def numbered() -> Any:
        column = stream.split_sessions(timeout=f"{GAP}s").df["session_index"].astype("int64")
        return [int(column.sum()), int(column.max())]

    customers = frame["customer"].nunique()

    def cells() -> Any:
        table = stream.step_matrix_data(max_steps=DEPTH).stack()
        return sorted([int(p), n, round(share * customers)] for (n, p), share in table.items() if share and n[0] == "t")

    return {"transitions": moved, "sessions": numbered, "step matrix": cells}


TOOLS = {
    "journeys": ours,
    "duckdb": duckdb_measures,
    "clickhouse": chdb_measures,
    "polars": polars_measures,
    "retentioneering": retentioneering_measures,
}


def measure(tool: str, folder: Path) -> dict[str, Any]:
    """Each measure of a tool: the best wall and processor time of three, and its result."""
    found = {}
    for name, work in TOOLS[tool](folder).items():
        times: list[tuple[float, float]] = []
        while len(times) < 3 and sum(wall for wall, _ in times) < ENOUGH:
            started, cpu = time.perf_counter(), time.process_time()
            result = work()
            times.append((time.perf_counter() - started, time.process_time() - cpu))
        found[name] = {"wall": min(w for w, _ in times), "cpu": min(c for _, c in times), "result": result}
    return found


def measured(tool: str, folder: Path) -> dict[str, Any]:
    """A tool in a process of its own."""
    python = os.environ["RETENTIONEERING"] if tool == "retentioneering" else sys.executable
    quiet = {**os.environ, "RETENTIONEERING_NO_TRACK": "1"}
    run = subprocess.run([python, __file__, tool, str(folder)], capture_output=True, text=True, check=False, env=quiet)
    if run.returncode:
        sys.exit(run.stderr)
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    for name, figures in found.items():
        print(f"{tool:16} {name:20} {figures['wall']:8.2f} s {figures['cpu']:8.2f} CPU-s", flush=True)
    return found


def alike(name: str, one: Any, two: Any) -> bool:
    """Whether two results are equal, as far as both tell."""
    if two is None:
        return True
    if name == "transitions":
        width = len(two[0])
        return len(one) == len(two) and all(
            a[:width][:4] == b[:4] and all(abs(x - y) < 1e-6 for x, y in zip(a[4:width], b[4:], strict=True))
            for a, b in zip(one, two, strict=True)
        )
    if name.startswith("variants"):  # of equally frequent ones any may be the last
        sure = [sorted(row for row in rows if row[1] > rows[-1][1]) for rows in (one, two)]
        return sure[0] == sure[1] and [row[1] for row in one] == [row[1] for row in two]
    return bool(one == two)


def main(count: int, folder: Path, peers: list[str]) -> None:
    make(folder, count)
    asked = ["journeys", *(peers or [tool for tool in TOOLS if tool != "journeys"])]
    tools = [tool for tool in asked if tool != "retentioneering" or "RETENTIONEERING" in os.environ]
    print(f"{count:,} events")
    found = {tool: measured(tool, folder) for tool in tools}
    mine = found.pop("journeys")
    for tool, measures in found.items():
        for name, figures in measures.items():
            assert alike(name, mine[name]["result"], figures["result"]), f"{name} of {tool} differs"
    five, moved = mine["pattern"], mine["transitions"]
    print(f"pattern of five: {five['wall'] / moved['wall']:.2f} times the transitions (goal: 3)")
    for tool, measures in found.items():
        for name, figures in measures.items():
            wall, cpu = (figures[kind] / mine[name][kind] for kind in ("wall", "cpu"))
            goal = "not slower" if name.startswith(("variants", "retention")) else "5 times"
            print(f"{name}: {wall:.1f} times {tool} by wall time, {cpu:.1f} by processor time (goal: {goal})")


if __name__ == "__main__":
    if "--help" in sys.argv:
        print(__doc__)
        sys.exit()
    if len(sys.argv) == 3 and sys.argv[1] in TOOLS:
        print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
    else:
        size = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
        with tempfile.TemporaryDirectory() as temporary:
            place = Path(sys.argv[2] if len(sys.argv) > 2 else temporary)
            place.mkdir(parents=True, exist_ok=True)
            main(size, place, sys.argv[3:])
