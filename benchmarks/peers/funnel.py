"""The five-step, seven-day ordered funnel as other engines are asked it: each gives the customers at each step."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

STEPS = ["home", "search", "product", "cart", "pay"]
WINDOW = 7 * 86_400


def window_funnel(session: Any, source: str) -> list[int]:
    """ClickHouse's windowFunnel: its default mode, as no touch can be two of these steps."""
    conditions = ", ".join(f"touchpoint = '{step}'" for step in STEPS)
    level = f"windowFunnel({WINDOW})(at, {conditions})"
    inner = f"SELECT {level} AS level FROM {source} GROUP BY customer"
    counts = ", ".join(f"countIf(level >= {k})" for k in range(1, 6))
    return [int(n) for n in str(session.query(f"SELECT {counts} FROM ({inner})", "CSV")).split(",")]


@contextmanager
def clickhouse() -> Iterator[Any]:
    """A session with a folder of its own."""
    from chdb import session as chdb_session

    with tempfile.TemporaryDirectory() as scratch:
        session = chdb_session.Session(f"{scratch}/clickhouse")
        yield session
        session.close()


def parquet(file: Path) -> str:
    """A file as a source of ClickHouse, times in whole seconds. It would infer nullable types, which are slower."""
    types = "customer UInt32, at DateTime64(6), touchpoint LowCardinality(String)"
    return f"(SELECT customer, toDateTime(at) AS at, touchpoint FROM file('{file}', Parquet, '{types}'))"


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
