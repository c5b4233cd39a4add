"""What does a question cost on a cluster of Spark, beside this process, and is the answer the same?

    python benchmarks/cluster.py [TOUCHES] [MEASURE ...]

Makes a path store of TOUCHES (default 50 million) in parts of a million, in a temporary folder; ten parts differ, the
rest are copies of them. Starts a standalone cluster on loopback, of two workers with one core each. Asks every measure,
or those that are named, here and there, after each was asked of a small store, and last a question whose executor is
killed. Seconds are of the processor: here of this process, there of the driver, its JVM, the cluster and its Python
together. `partial` is the partial of one part with three groups, in kB, compressed as it is sent; `plan` is what the
driver sends. Fails where a digest differs. Needs the extra spark, the tests, and Java 17.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analytics import Paths, on_spark, spark_session, transitions
from analytics.engine import spark
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part
from tests.analytics.engine.test_analysis import CASES, shop
from tests.services.spark import SparkCluster, kill, spark_cluster

PART = 1_000_000
PER_CUSTOMER = 5
DIFFERENT = 10
GOAL = 1.3
TICKS = os.sysconf("SC_CLK_TCK")

Ask = Callable[[Paths], pl.DataFrame]


def stored(touches: int, folder: Path) -> Paths:
    """A store of about so many touches, in parts of about a million."""
    size, count = min(PART, touches), max(1, touches // PART)
    made = [shop(size // PER_CUSTOMER, 10**9, seed=seed) for seed in range(min(DIFFERENT, count))]
    parts = [replace(made[number % len(made)].parts[0], number=number) for number in range(count)]
    Paths(parts, made[0].schema, made[0].dictionaries, made[0].end_of_data).save(folder)
    return Paths.open(folder)


def digest(answer: pl.DataFrame) -> str:
    """The digest of the columns, their types and all values."""
    return hashlib.sha256(f"{answer.schema}{answer.rows()}".encode()).hexdigest()[:16]


def family(process: int) -> Iterator[int]:
    """A process and all that it has started."""
    yield process
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return
    for child in children:
        yield from family(child)


def processor_seconds() -> float:
    """Those of this process and of all that it has started, also of those that have ended."""
    total = 0
    for process in family(os.getpid()):
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(map(int, fields[11:15]))
    return total / TICKS


def took(clock: Callable[[], float], ask: Ask, paths: Paths) -> tuple[float, pl.DataFrame]:
    """How far the clock went, and the answer."""
    began = clock()
    answer = ask(paths)
    return clock() - began, answer


@dataclass
class Sizes:
    """Reads parts here, and notes the largest plan and partial."""

    plan: int = 0
    partial: int = 0

    def results(
        self,
        paths: Paths,
        task: Callable[[Part, Dictionaries], Any],
        gather: Callable[[Sequence[Any]], Any] | None = None,
    ) -> list[Any]:
        """The result of every part."""
        self.plan = max(self.plan, len(spark.plan_of(paths, task, gather)))
        found = [task(part, paths.dictionaries) for part in paths.parts]
        if gather is not None:
            self.partial = max([self.partial, *(len(spark.packed(partial)) for partial in found)])
        return found


def sizes_of(ask: Ask, paths: Paths) -> Sizes:
    """Those of a question about the first part."""
    sizes = Sizes()
    first = Paths(paths.parts[:1], paths.schema, paths.dictionaries, paths.end_of_data, home=paths.home)
    ask(first.read_by(sizes))
    return sizes


def compared(names: Sequence[str], small: Paths, large: Paths, session: Any) -> int:
    """Prints one row per measure and their sum; returns how many digests differ."""
    print(f"{'measure':16s}{'here':>9s}{'cluster':>9s}{'ratio':>7s}{'partial':>9s}{'plan':>7s}  digest")
    different, totals = 0, [0.0, 0.0]
    for name in names:
        for ask in CASES[name]:
            for paths in (small, on_spark(small, session)):
                ask(paths)
            here, answer = took(time.process_time, ask, large)
            there, found = took(processor_seconds, ask, on_spark(large, session))
            sizes, same = sizes_of(ask, large), digest(answer) == digest(found)
            different += not same
            totals = [totals[0] + here, totals[1] + there]
            cells = f"{here:9.2f}{there:9.2f}{there / here:7.2f}{sizes.partial / 1024:9.1f}{sizes.plan / 1024:7.1f}"
            print(f"{name:16s}{cells}  {digest(found)}{'' if same else f' differs: {digest(answer)}'}", flush=True)
    print(f"{'all':16s}{totals[0]:9.2f}{totals[1]:9.2f}{totals[1] / totals[0]:7.2f}  goal {GOAL}", flush=True)
    return different


def disturbed(cluster: SparkCluster, large: Paths, session: Any) -> int:
    """Prints what a killed executor costs; returns whether the answer differs."""
    paths = on_spark(large, session, tasks=8)
    alone, answer = took(time.monotonic, transitions, paths)
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(took, time.monotonic, transitions, paths)
        time.sleep(alone / 2)
        kill(cluster.executors()[0])
        longer, found = asked.result()
    died, same = "exited with code 137" in cluster.log(), digest(answer) == digest(found)
    print(f"transitions: {alone:.1f} s; with an executor killed {longer:.1f} s; died: {died}; equal: {same}")
    return not (died and same)


def main(touches: int, names: Sequence[str], folder: Path) -> int:
    """Prints the table; returns how many answers are wrong."""
    small, large = stored(20_000, folder / "small"), stored(touches, folder / "large")
    print(f"{len(large):,} touches of {large.customers:,} customers in {len(large.parts)} parts")
    with spark_cluster(folder / "cluster", {"PYTHONPATH": str(Path(__file__).parents[1])}) as cluster:
        os.environ.update(cluster.driver)
        with spark_session(cluster.address) as session:
            return compared(names, small, large, session) + disturbed(cluster, large, session)


if __name__ == "__main__":
    if "--help" in sys.argv:
        sys.exit(print(__doc__))
    asked = int(sys.argv[1].replace("_", "")) if len(sys.argv) > 1 else 50_000_000
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(main(asked, sys.argv[2:] or list(CASES), Path(temporary)))
