"""How much does it cost to load a file into the lake, against engines that read the same file and write Parquet?

    python benchmarks/loading.py [--rows 1000000] [--rounds 3]

A million events of a shop over thirty days, in order of time, with fourteen columns, two of which are no field of the
event and become `properties`; as Parquet and as lines of JSON, in which absent values are null. Each side is a process
of its own from start to end: `journeys load` by default settings (mapping, ids, the gate with its contract, quarantine,
a Delta table by day with its offsets), and DuckDB, polars and ClickHouse (chdb), each in its shortest form, which read
the file and write it as one file of Parquet with zstd; of lines of JSON, they infer the types, as `journeys load` does.
Counted are CPU seconds of all threads. Every side must have the same rows and sums. Prints CPU seconds, peak memory,
and the ratios last: 2.0 says that the peer costs twice as much as `journeys load`. A machine's speed changes with its
load, so a ratio is of sides that ran right after each other, and the median of the rounds counts.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.landing.commit import scan

START = 1_767_225_600_000_000
READS = {
    "DuckDB": {"parquet": "read_parquet('{file}')", "ndjson": "read_json('{file}', format='newline_delimited')"},
    "ClickHouse": {"parquet": "file('{file}', Parquet)", "ndjson": "file('{file}', JSONEachRow)"},
}
DUCKDB = "import duckdb; duckdb.sql(\"COPY (FROM {source}) TO '{out}' (FORMAT parquet, COMPRESSION zstd)\")"
POLARS = {
    "parquet": "import polars as pl; pl.scan_parquet('{file}').sink_parquet('{out}')",
    "ndjson": "import polars as pl; pl.read_ndjson('{file}').write_parquet('{out}')",
}
CLICKHOUSE = "import chdb; chdb.query(\"INSERT INTO FUNCTION file('{out}', Parquet) SELECT * FROM {source}\")"


class Side(NamedTuple):
    """CPU seconds and peak memory in MB of a process."""

    cpu: float
    memory: float


def events(count: int, seed: int = 7) -> pl.DataFrame:
    """Events of a shop."""
    draw = np.random.default_rng(seed)
    customer = draw.integers(0, max(1, count // 12), count)
    number = pl.int_range(count, eager=True)
    at = START + np.sort(draw.integers(0, 30 * 86_400 * 1_000, count)) * 1_000

    def some(share: float, value: pl.Expr | pl.Series) -> pl.Expr:
        return pl.when(pl.Series(draw.random(count) < share)).then(value)

    return pl.select(
        event_id=pl.Series(draw.integers(0, 2**63, count)).cast(pl.String) + "-" + number.cast(pl.String),
        event_name=pl.Series(draw.choice(["page_viewed", "product_viewed", "cart_viewed", "order_placed"], count)),
        occurred_at=pl.Series(at).cast(pl.Datetime("us", "UTC")),
        channel=pl.Series(draw.choice(["web", "app"], count)),
        customer_id=some(0.4, "c" + pl.Series(customer).cast(pl.String)),
        anonymous_id="a" + pl.Series(customer * 3 + draw.integers(0, 3, count)).cast(pl.String),
        session_id="s" + (number // 6).cast(pl.String),
        url="https://shop.example/p/" + pl.Series(draw.integers(0, 20_000, count)).cast(pl.String),
        referrer=some(0.1, pl.lit("https://search.example/")),
        device=pl.Series(draw.choice(["mobile", "desktop"], count)),
        country=pl.repeat("DE", count, eager=True),
        revenue=some(0.05, pl.Series(np.round(draw.gamma(2, 30, count), 2))),
        query=some(0.2, "shoes " + pl.Series(draw.integers(0, 500, count)).cast(pl.String)),
        position=pl.Series(draw.integers(0, 50, count)),
    )


def write(frame: pl.DataFrame, folder: Path) -> dict[str, Path]:
    """The events as files."""
    files = {kind: folder / f"events.{kind}" for kind in ("parquet", "ndjson")}
    frame.write_parquet(files["parquet"])
    frame.with_columns(pl.col("occurred_at").dt.strftime("%Y-%m-%dT%H:%M:%S.%3fZ")).write_ndjson(files["ndjson"])
    return files


def commands(kind: str, file: Path, folder: Path) -> dict[str, list[str]]:
    """How each side is started: it reads the file and writes to `folder`."""
    out = folder / "out.parquet"
    python = [sys.executable, "-c"]
    sides = {
        "journeys": [sys.executable, "-m", "journeys", "load", str(file)],
        "polars": [*python, POLARS[kind].format(file=file, out=out)],
    }
    for name, module, code in (("DuckDB", "duckdb", DUCKDB), ("ClickHouse", "chdb", CLICKHOUSE)):
        if importlib.util.find_spec(module):
            sides[name] = [*python, code.format(source=READS[name][kind].format(file=file), out=out)]
    return sides


def run(command: list[str], folder: Path) -> Side:
    """Run a side to its end in a folder."""
    root = str(Path(__file__).resolve().parents[1])
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": root})
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit((folder / "log").read_text())
    return Side(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def result(name: str, folder: Path) -> tuple[int, float, int]:
    """Rows, revenue and the sum of positions that a side has written."""
    if name != "journeys":
        written = pl.scan_parquet(folder / "out.parquet").select(pl.len(), pl.col("revenue", "position").sum())
    else:
        position = pl.col("properties").str.json_path_match("$.position").cast(pl.Int64)
        written = scan(Lake(str(folder / "lake")), layout.EVENTS).select(
            pl.len(), pl.col("revenue").cast(pl.Float64).sum(), position.sum().alias("position")
        )
    rows, revenue, positions = written.collect().row(0)
    return rows, round(float(revenue), 2), int(positions)


def main() -> None:
    """Measure all sides and print what they reach."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--rows", type=int, default=1_000_000)
    asked.add_argument("--rounds", type=int, default=3)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        frame = events(given.rows)
        expected = (frame.height, round(frame["revenue"].sum(), 2), int(frame["position"].sum()))
        files = write(frame, Path(scratch))
        ratios: list[str] = []
        for kind, file in files.items():
            rounds: list[dict[str, Side]] = []
            for number in range(given.rounds):
                rounds.append({})
                for name in commands(kind, file, Path()):
                    folder = Path(scratch) / f"{kind}-{number}-{name}"
                    folder.mkdir()
                    (folder / "journeys.toml").write_text('[lake]\naddress = "lake"\n')
                    side = rounds[-1][name] = run(commands(kind, file, folder)[name], folder)
                    if (found := result(name, folder)) != expected:
                        raise SystemExit(f"{name} has {found}, not {expected}")
                    print(f"{kind}, {name}: {side.cpu:.2f} CPU seconds, peak {side.memory:.0f} MB", flush=True)
            best = min(one["journeys"].cpu for one in rounds)
            ratios.append(f"{kind}, journeys: {best * 1e6 / given.rows:.2f} CPU seconds a million rows at best")
            for name in rounds[0]:
                if name != "journeys":
                    ratio = statistics.median(one[name].cpu / one["journeys"].cpu for one in rounds)
                    ratios.append(f"{kind}, {name} / journeys: {ratio:.2f}")
        print(*ratios, sep="\n")


if __name__ == "__main__":
    main()
