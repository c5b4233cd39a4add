"""On a real cluster of Spark every measure, and the report, is what this process makes, whoever is killed meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

import analytics
import journeys.commands.funnel
import journeys.commands.paths  # noqa: F401 - the verbs are added on import
from analytics import Paths, on_spark, spark_session
from analytics.engine.analysis import Additive
from analytics.engine.run import counted
from analytics.paths.transitions import Transitions
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part
from expectations.errors import ClusterError, StorageError
from expectations.lake.layout import Lake
from journeys.app import app
from reports.site.publish import publish
from tests.analytics.engine.test_analysis import ALL, CASES, shop
from tests.reports.site.test_publish import BUILT_AT, RULES, SETTINGS, lake
from tests.services.spark import SparkCluster, kill, spark_cluster, wait_for

__all__ = ["lake"]

pytestmark = pytest.mark.spark
ROOT = Path(__file__).parents[2]
RUN = "from journeys import main; main()"
CONFIG = """
[lake]
address = "lake"
[paths]
goal = ["buy"]
stages = [{ name = "Awareness", touchpoints = ["look"] }, { name = "Desire", touchpoints = ["cart"] }]
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkCluster]:
    folder = tmp_path_factory.mktemp("spark")
    with spark_cluster(folder, {"PYTHONPATH": str(ROOT)}) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.driver.items():
            patch.setenv(name, value)
        yield running


@pytest.fixture(scope="module")
def session(cluster: SparkCluster) -> Iterator[Any]:
    with spark_session(cluster.address) as running:
        yield running


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    folder = tmp_path_factory.mktemp("shop")
    shop(900, 700).save(folder / "lake" / "paths")
    (folder / "journeys.toml").write_text(CONFIG)
    return Paths.open(folder / "lake")


@pytest.mark.parametrize(("name", "number"), ALL)
def test_every_measure_has_the_local_answer(name: str, number: int, stored: Paths, session: Any) -> None:
    call = CASES[name][number]
    assert_frame_equal(call(on_spark(stored, session)), call(stored), check_exact=True)


@dataclass(frozen=True)
class Slow:
    """A measure whose parts take a while; each leaves a file when it is begun."""

    analysis: Additive
    folder: str

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        Path(self.folder, f"{part.number}-{os.getpid()}").touch()
        time.sleep(1.5)
        return self.analysis.partial(part, words)

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        return self.analysis.merge(partials)


def counted_while(disturb: Callable[[], None], stored: Paths, session: Any, folder: Path) -> tuple[Any, Any, int]:
    """The local answer, that of the cluster while it is disturbed, and how many times parts were begun."""
    analysis = Transitions.of(stored)
    slow = Slow(analysis, str(folder))
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(counted, on_spark(stored, session, tasks=4), slow)
        wait_for(lambda: len(list(folder.iterdir())) >= 2, "no task has begun", lambda: "")
        disturb()
        merged = running.result(timeout=300)
    return analysis.finish(counted(stored, analysis)), analysis.finish(merged), len(list(folder.iterdir()))


def test_an_executor_that_is_killed_costs_time_only(
    cluster: SparkCluster, stored: Paths, session: Any, tmp_path: Path
) -> None:
    def disturb() -> None:
        kill(cluster.executors()[0])

    assert "exited with code 137" not in cluster.log()
    local, found, begun = counted_while(disturb, stored, session, tmp_path)
    wait_for(lambda: "exited with code 137" in cluster.log(), "no executor has died", cluster.log)
    assert begun > len(stored.parts)
    assert_frame_equal(found, local, check_exact=True)


def test_a_python_worker_that_is_killed_costs_time_only(
    cluster: SparkCluster, stored: Paths, session: Any, tmp_path: Path
) -> None:
    def disturb() -> None:
        begun = {int(file.name.partition("-")[2]) for file in tmp_path.iterdir()}
        kill(next(worker for worker in cluster.python_workers() if worker in begun))

    crashed = "Python worker exited unexpectedly (crashed)"
    before = cluster.executor_logs().count(crashed)
    local, found, begun = counted_while(disturb, stored, session, tmp_path)
    assert cluster.executor_logs().count(crashed) > before
    assert begun > len(stored.parts)
    assert_frame_equal(found, local, check_exact=True)


def test_the_report_is_that_of_this_process_byte_for_byte(lake: Lake, session: Any, tmp_path: Path) -> None:
    local = publish(lake, SETTINGS, RULES, tmp_path / "local", BUILT_AT)
    publish(lake, SETTINGS, RULES, tmp_path / "cluster", BUILT_AT, session=session)
    assert not local.is_empty
    files = {file.relative_to(tmp_path / "local") for file in (tmp_path / "local").rglob("*") if file.is_file()}
    assert files == {f.relative_to(tmp_path / "cluster") for f in (tmp_path / "cluster").rglob("*") if f.is_file()}
    for file in files:
        assert (tmp_path / "local" / file).read_bytes() == (tmp_path / "cluster" / file).read_bytes(), file


def test_a_part_that_vanished_and_a_store_that_is_not_there_are_one_error(session: Any, tmp_path: Path) -> None:
    shop(200, 150).save(tmp_path / "store")
    paths = on_spark(Paths.open(tmp_path / "store"), session)
    Path(f"{paths.parts[2].address}.touches.parquet").unlink()
    with pytest.raises(StorageError, match="Parts of the paths have gone"):
        analytics.transitions(paths)
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="cannot read the paths"):
        analytics.summary(paths)


def test_a_mistake_in_a_task_is_one_error_without_values(stored: Paths, session: Any) -> None:
    with pytest.raises(ClusterError, match="gave the question up") as raised:
        counted(on_spark(stored, session), Wrong())
    assert raised.value.found == "ZeroDivisionError"


@dataclass(frozen=True)
class Wrong:
    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        raise ZeroDivisionError(f"ann@example.org, {part.number}, {len(words)}")

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        return pl.concat(partials)


def test_a_worker_with_another_python_is_one_error(
    stored: Paths, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = f"{sys.version_info.major}.{sys.version_info.minor}."
    kept = sorted(Path.home().glob(".pyenv/versions/3.1[0-9].*/bin/python"))
    others = [python for python in kept if not python.parts[-3].startswith(own)]
    if not others:
        pytest.skip("no other version of Python is on this machine")
    monkeypatch.setattr(session.sparkContext, "pythonExec", str(others[0]))
    with pytest.raises(ClusterError, match="another version of Python") as raised:
        analytics.summary(on_spark(stored, session))
    assert others[0].parts[-3].startswith(raised.value.found)


def test_the_command_asks_the_cluster(cluster: SparkCluster, stored: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(stored.home).parents[2])
    command = ["paths", "transitions", "--on", "stage", "--json"]
    local = CliRunner().invoke(app, command)
    found = CliRunner().invoke(app, [*command, "--on", cluster.address])
    assert local.exit_code == found.exit_code == 0, found.exception
    assert found.stdout == local.stdout


def in_own_process(stored: Paths, code: str, command: list[str], **environment: str) -> Any:
    """What the command answers in a process of its own, as JSON; pyspark has one kind of session in each."""
    return subprocess.run(
        [sys.executable, "-c", code, *command, "--json"],
        cwd=Path(stored.home).parents[2],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_server_of_spark_connect_counts_the_same(cluster: SparkCluster, stored: Paths) -> None:
    address = cluster.start_connect()
    command = ["funnel", "look", "cart", "buy", "--by", "device"]
    local = in_own_process(stored, RUN, command)
    found = in_own_process(stored, RUN, [*command, "--on", address])
    assert found.returncode == 0, found.stderr
    assert found.stdout == local.stdout
