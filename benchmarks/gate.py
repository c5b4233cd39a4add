"""How fast does the gate judge, against Great Expectations' own pandas run of the same rules on the same frame?

    python benchmarks/gate.py [--rows 1000000] [--peer-rows 100000]

Both judge the row-level expectations of the default suites on simulated events, one in a hundred of them broken. CPU
seconds of the process, best of three; Great Expectations gets the frame converted to pandas already, and fewer rows
(its time is proportional to them). Prints the ratio last.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import polars as pl

from expectations import contract
from expectations.compile.compile import compile_suites, narrowed
from expectations.gate import judge
from expectations.suites.columns import Columns
from expectations.suites.defaults import default_suites

NAMES = ("page_viewed", "product_viewed", "cart_viewed", "order_placed", "feedback_given")


def events(rows: int, seed: int = 7) -> pl.DataFrame:
    """Events of the three kinds, one in a hundred without a name."""
    draw = np.random.default_rng(seed)
    number = pl.int_range(rows, eager=True)
    text = number.cast(pl.String)
    name = pl.Series(draw.choice(NAMES, rows)).set(pl.Series(draw.random(rows) < 0.01), None)
    kind = name.replace_strict(
        {"order_placed": "order", "feedback_given": "feedback"}, default="clickstream", return_dtype=pl.String
    )
    start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1e6)
    occurred = pl.Series(start + np.sort(draw.integers(0, 86_400 * 10**6, rows))).cast(contract.TIME)
    is_order, is_feedback = kind == "order", kind == "feedback"
    given = {
        "event_id": "e-0000-0000-" + text,
        "event_name": name,
        "kind": kind,
        "channel": pl.Series(draw.choice(["web", "app", "store"], rows)),
        "occurred_at": occurred,
        "received_at": occurred + pl.duration(seconds=2),
        "event_date": occurred.dt.date(),
        "customer_id": "c-" + (number // 20).cast(pl.String),
        "session_id": "s-" + (number // 5).cast(pl.String),
        "order_id": "o-" + text,
        "revenue": pl.Series(np.round(draw.gamma(2, 30, rows), 2)).cast(contract.MONEY),
        "currency": pl.repeat("EUR", rows, eager=True),
        "survey": pl.repeat("nps", rows, eager=True),
        "score": pl.Series(draw.integers(0, 11, rows)).cast(pl.Float64),
        "schema_version": pl.repeat(1, rows, dtype=pl.Int32, eager=True),
        "topic": pl.repeat("events", rows, eager=True),
        "partition": (number % 4).cast(pl.Int32),
        "offset": number,
    }
    only = {
        "order_id": is_order,
        "revenue": is_order,
        "currency": is_order,
        "survey": is_feedback,
        "score": is_feedback,
    }
    frame = pl.select(**given).with_columns(pl.when(held).then(pl.col(column)) for column, held in only.items())
    absent = [pl.lit(None, dtype).alias(column) for column, dtype in contract.EVENTS.items() if column not in given]
    return frame.with_columns(absent).select(list(contract.EVENTS)).rechunk()


def cpu(work: Callable[[], object], times: int = 3) -> float:
    """CPU seconds of the process, the best of a few runs."""
    found = []
    for _ in range(times):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--peer-rows", type=int, default=100_000)
    asked = parser.parse_args()
    suites = [suite for suite in default_suites() if suite.table == "events"]
    compiled = compile_suites(suites, contract.EVENTS)
    frame = events(asked.rows)
    ours = asked.rows / cpu(lambda: judge(frame, compiled.rules))
    verdict = judge(frame, compiled.rules)
    print(f"gate: {len(compiled.rules)} rules, {asked.rows:,} rows, {verdict.refused.height:,} of them refused")
    print(f"gate: {ours:,.0f} rows per CPU second")

    from expectations.audit.great_expectations import evaluate

    left_out = [expectation for expectation, _ in compiled.audited]
    expectations = [
        narrowed(each, suite.kind) for suite in suites for each in suite.expectations if each not in left_out
    ]
    columns = Columns(contract.EVENTS)
    named = sorted({name for each in expectations for name in [*each.columns, *each.condition_columns]})
    pandas = columns.frame(frame.head(asked.peer_rows).lazy(), named).to_pandas()
    counts = {"result_format": "SUMMARY", "partial_unexpected_count": 0}
    evaluate(pandas.head(10), expectations, counts)
    theirs = asked.peer_rows / cpu(lambda: evaluate(pandas, expectations, counts), 1)
    print(f"Great Expectations on pandas: {len(expectations)} expectations: {theirs:,.0f} rows per CPU second")
    print(f"ratio: {ours / theirs:.0f}")


if __name__ == "__main__":
    main()
