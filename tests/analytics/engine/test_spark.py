"""Parts counted by a cluster give the local answer, each once, or one error; here a task runs without a cluster.

What runs on a real one, with workers that are killed, is in test_spark_cluster.py.
"""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import analytics
from analytics import Did, DidNot, Funnel, Paths, Segment, on_spark, spark_session
from analytics.engine.analysis import MEASURES
from analytics.engine.run import on_parts, run
from analytics.engine.spark import failed_job, plan_of, product_digest, shipped, versions
from analytics.experience.usage import Usage
from expectations.errors import ClusterError, ConfigurationError, DefinitionError, JourneysError, StorageError
from expectations.lake import files
from tests.analytics.engine.test_analysis import ALL, CASES, FUNNEL, shop

pyarrow = pytest.importorskip("pyarrow", reason="tasks send their results as batches of pyarrow")
pytest.importorskip("pyspark", reason="pyspark is not installed: pip install '.[spark]'")


@dataclass
class Session:
    """Stands for a session of Spark: runs the tasks of a job here, one after the other, and pickles what is sent."""

    tasks: int = 3
    change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = lambda rows: rows
    plans: list[bytes] = field(default_factory=list)

    def range(self, start: int, end: int | None = None, step: int = 1, tasks: int | None = None) -> Session.Job:
        return self.Job(self, list(range(start) if end is None else range(start, end, step)), tasks or self.tasks)

    @dataclass
    class Job:
        session: Session
        numbers: list[int]
        tasks: int

        def mapInArrow(self, task: Any, _: str) -> Session.Job:
            self.task = task
            return self

        def collect(self) -> list[dict[str, Any]]:
            from pyspark.cloudpickle import dumps

            self.session.plans.append(dumps(self.task))
            rows = []
            for number in reversed(range(self.tasks)):
                own = self.numbers[number :: self.tasks]
                batches = [pyarrow.RecordBatch.from_pydict({"id": own})] if own else []
                rows += [row for batch in self.task(iter(batches)) for row in batch.to_pylist()]
            return self.session.change(rows)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    folder = tmp_path_factory.mktemp("store")
    shop(900, 700).save(folder)
    return Paths.open(folder)


def on(paths: Paths, session: Any, **options: Any) -> Paths:
    return on_spark(paths, session, **options)


@pytest.mark.parametrize(("name", "number"), ALL)
def test_every_measure_has_the_local_answer(name: str, number: int, stored: Paths) -> None:
    session = Session()
    assert len(stored.parts) > session.tasks
    assert_frame_equal(CASES[name][number](on(stored, session)), CASES[name][number](stored), check_exact=True)
    assert session.plans


def test_exact_waits_are_those_of_a_second_pass(stored: Paths) -> None:
    session = Session()
    answer = analytics.funnel(on(stored, session), FUNNEL, exact=True)
    assert_frame_equal(answer, analytics.funnel(stored, FUNNEL, exact=True), check_exact=True)
    assert len(session.plans) == 2


def test_run_takes_a_session(stored: Paths) -> None:
    session: Any = Session()
    usage = Usage.of(stored, by=["stage", "device"])
    assert_frame_equal(run(stored, usage, on=session), run(stored, usage), check_exact=True)
    assert len(session.plans) == 1


SEGMENT = Segment("Browsers", Did("look"), DidNot("buy", within="1d"))
QUESTIONS: dict[str, Callable[[Paths], pl.DataFrame]] = {
    "summary": analytics.summary,
    "members": lambda paths: analytics.members(paths, FUNNEL),
    "matches": lambda paths: analytics.matches(paths, "look .* buy"),
    "returns": lambda paths: analytics.returns(paths, period="day"),
    "responses": analytics.responses,
    "compare": lambda paths: analytics.compare(paths, Funnel(["look", "buy"]), group=pl.col("device") == "d1"),
    "trend": lambda paths: analytics.trend(paths, Funnel(["look", "buy"]), period="week"),
    "numbers as names": lambda paths: analytics.transitions(paths, on="session"),
    "segments": lambda paths: analytics.transitions(paths.with_segments(SEGMENT), by="Browsers"),
    "begun in a segment": lambda paths: analytics.summary(
        paths.with_segments(SEGMENT).begun_with("Browsers", "in", unit="session")
    ),
    "membership": lambda paths: analytics.membership(paths, SEGMENT),
    "sizes": lambda paths: analytics.segment_sizes(paths, SEGMENT),
    "overlaps": lambda paths: analytics.overlaps(paths, [SEGMENT, Segment("Buyers", Did("buy"))]),
    "scores": lambda paths: analytics.rfm(paths, "buy", value="price"),
    "journeys": lambda paths: analytics.summary(paths.begun_between(end=paths.end_of_data)),
    "between": lambda paths: analytics.transitions(paths.between(end=analytics.summary(paths)["last_at"][0])),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_other_questions_read_no_part_on_the_driver(name: str, stored: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    local, session = QUESTIONS[name](stored), Session()
    read, inside = files.read_rows, False

    def only_in_tasks(address: str, columns: Any = None) -> pl.DataFrame:
        assert inside, f"{address} is read on the driver"
        return read(address, columns)

    collect = Session.Job.collect

    def job(self: Session.Job) -> list[dict[str, Any]]:
        nonlocal inside
        inside = True
        try:
            return collect(self)
        finally:
            inside = False

    monkeypatch.setattr(files, "read_rows", only_in_tasks)
    monkeypatch.setattr(Session.Job, "collect", job)
    assert_frame_equal(QUESTIONS[name](on(stored, session)), local, check_exact=True)
    assert session.plans


@pytest.fixture(scope="module")
def small_and_large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A store, and the same with 20,000 more words."""
    folder = tmp_path_factory.mktemp("dictionaries")
    shop(60, 50).save(folder / "small")
    small = Paths.open(folder / "small")
    frame = small.touches.collect()
    words = [f"a rare touchpoint {n * 7919 % 20_011}" for n in range(20_000)]
    rare = frame.head(1).join(pl.DataFrame({"touchpoint": words}), how="cross").drop("touchpoint")
    rare = rare.rename({"touchpoint_right": "touchpoint"}).select(frame.columns)
    Paths.from_frame(pl.concat([frame, rare]), end_of_data=small.end_of_data).save(folder / "large")
    return folder / "small", folder / "large"


@pytest.mark.parametrize(("name", "number"), ALL)
def test_a_plan_does_not_grow_with_the_dictionaries(name: str, number: int, small_and_large: tuple[Path, Path]) -> None:
    sizes = []
    for store in small_and_large:
        session = Session()
        CASES[name][number](on(Paths.open(store), session))
        sizes.append(max(map(len, session.plans)))
    assert sizes[1] < 16_000
    assert sizes[1] < sizes[0] + 4_000


@pytest.mark.parametrize("size", [1, 16, 17, 40])
def test_a_task_adds_up_any_number_of_parts(size: int, tmp_path: Path) -> None:
    shop(size * 30, 150).save(tmp_path)
    paths = Paths.open(tmp_path)
    for tasks in (1, 2):
        answer = analytics.transitions(on(paths, Session(tasks)))
        assert_frame_equal(answer, analytics.transitions(paths), check_exact=True)


def test_results_of_single_parts_are_in_order(stored: Paths) -> None:
    numbers = on_parts(on(stored, Session()), number_of)
    assert numbers == list(range(len(stored.parts)))


def number_of(part: Any, words: Any) -> int:
    return int(part.number)


def test_no_parts_are_no_job(tmp_path: Path) -> None:
    shop(60, 50).save(tmp_path)
    stored, session = Paths.open(tmp_path), Session()
    empty = Paths((), stored.schema, stored.dictionaries, stored.end_of_data, home=stored.home)
    assert analytics.summary(on(empty, session))["touches"].to_list() == [0]
    assert session.plans == []


def test_a_part_that_is_missing_or_doubled_is_an_error(stored: Paths) -> None:
    for change, found in (
        (lambda rows: rows[1:], "missing: "),
        (lambda rows: [*rows, rows[0]], "more than once: "),
        (lambda rows: rows[:0], "missing: 0, 1, 2, 3, 4"),
    ):
        with pytest.raises(ClusterError, match="exactly once") as raised:
            analytics.transitions(on(stored, Session(change=change)))
        assert raised.value.found.startswith(found)


def test_paths_in_memory_are_refused() -> None:
    with pytest.raises(DefinitionError, match="in the memory of this process"):
        on(shop(60, 50), Session())


def test_a_part_that_vanished_is_one_error(tmp_path: Path) -> None:
    shop(200, 150).save(tmp_path)
    paths = on(Paths.open(tmp_path), Session())
    Path(f"{paths.parts[2].address}.touches.parquet").unlink()
    with pytest.raises(StorageError, match="Parts of the paths have gone") as raised:
        analytics.transitions(paths)
    assert raised.value.do == "ask again; nothing was counted"


def test_a_generation_that_was_replaced_is_one_error(tmp_path: Path) -> None:
    shop(200, 150).save(tmp_path)
    paths = on(Paths.open(tmp_path), Session())
    for seed in (6, 7):
        shop(200, 150, seed=seed).save(tmp_path)
    shutil.rmtree(paths.home, ignore_errors=True)
    with pytest.raises(StorageError, match="Parts of the paths have gone"):
        analytics.transitions(paths)


def test_a_store_that_workers_do_not_see_is_one_error(tmp_path: Path) -> None:
    shop(200, 150).save(tmp_path / "store")
    paths = on(Paths.open(tmp_path / "store"), Session())
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="cannot read the paths") as raised:
        analytics.transitions(paths)
    assert str(tmp_path / "store") in raised.value.where
    assert "every worker" in raised.value.expected


def test_a_damaged_part_is_one_error(tmp_path: Path) -> None:
    shop(200, 150).save(tmp_path)
    paths = on(Paths.open(tmp_path), Session())
    Path(f"{paths.parts[1].address}.touches.parquet").write_bytes(b"not Parquet")
    with pytest.raises(StorageError, match="cannot read a part"):
        analytics.transitions(paths)


def test_keys_are_sent_by_name_and_never_by_value(stored: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden-value")
    elsewhere = Paths(
        stored.parts, stored.schema, stored.dictionaries, stored.end_of_data, home="s3://shop/lake/paths/generation-1"
    )
    plan = pickle.loads(zlib.decompress(plan_of(elsewhere, number_of)))
    assert "AWS_SECRET_ACCESS_KEY" in plan.variables
    assert b"hidden-value" not in pickle.dumps(plan)


def test_an_error_of_an_object_store_names_the_variables_that_a_worker_lacks(
    stored: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = "s3://shop/lake/paths/generation-1"
    elsewhere = Paths(stored.parts, stored.schema, stored.dictionaries, stored.end_of_data, home=home)

    def refuse(*_: Any) -> None:
        raise StorageError("The object store request failed.", found="403 Forbidden")

    class WithoutKeys(Session.Job):
        def collect(self) -> list[dict[str, Any]]:
            with pytest.MonkeyPatch.context() as worker:
                worker.delenv("AWS_SECRET_ACCESS_KEY")
                worker.setattr(files, "read", refuse)
                worker.setattr(files, "read_rows", lambda *_: (_ for _ in ()).throw(OSError("403 Forbidden")))
                return super().collect()

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden-value")
    monkeypatch.setattr(Session, "Job", WithoutKeys)
    with pytest.raises(StorageError, match="cannot read the paths") as raised:
        analytics.transitions(on(elsewhere, Session()))
    assert raised.value.found == "403 Forbidden; not set there: AWS_SECRET_ACCESS_KEY"
    assert "hidden-value" not in raised.value.message


def run_elsewhere(task: Any, path: list[str]) -> list[str]:
    """The failures that a task reports in another process, with these folders first where it looks for packages."""
    from pyspark.cloudpickle import dumps

    code = """
import pickle, pyarrow, sys
rows = pickle.load(sys.stdin.buffer)(iter([pyarrow.RecordBatch.from_pydict({"id": [0]})]))
print("\\n".join(row["failure"] for batch in rows for row in batch.to_pylist()))
"""
    found = subprocess.run(
        [sys.executable, "-c", code],
        input=dumps(task),
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*path, *sys.path])},
        capture_output=True,
        check=True,
    )
    return found.stdout.decode().splitlines()


@pytest.mark.parametrize("name", ["polars", "journeys"])
def test_a_worker_with_another_version_reports_it(name: str, stored: Paths, tmp_path: Path) -> None:
    (tmp_path / f"{name}-0.0.1.dist-info").mkdir()
    (tmp_path / f"{name}-0.0.1.dist-info" / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.0.1\n"
    )
    (failure,) = run_elsewhere(shipped(plan_of(stored, number_of), versions()), [str(tmp_path)])
    assert f'"expected": "{name} {versions()[name]}"' in failure
    assert f'"found": "{name} 0.0.1"' in failure
    reported: Any = Session(change=lambda _: [{"parts": [], "failure": failure, "body": b""}])
    with pytest.raises(ClusterError, match="other versions"):
        analytics.transitions(on(stored, reported))


def test_a_worker_with_other_code_of_the_same_version_reports_it(
    stored: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = product_digest()
    monkeypatch.setattr("analytics.engine.spark.product_digest", lambda: "of the driver")
    plan = plan_of(stored, number_of)
    monkeypatch.undo()
    (failure,) = [
        row["failure"]
        for batch in shipped(plan, versions())(iter([pyarrow.RecordBatch.from_pydict({"id": [0]})]))
        for row in batch.to_pylist()
    ]
    assert "another version of the product" in failure
    assert digest in failure


def test_a_worker_without_the_product_reports_it(stored: Paths) -> None:
    expected = {**versions(), "no-such-package": "1"}
    (failure,) = run_elsewhere(shipped(plan_of(stored, number_of), expected), [])
    assert '"found": "no-such-package not installed"' in failure


@pytest.mark.parametrize(
    ("text", "what", "found"),
    [
        (
            "[PYTHON_VERSION_MISMATCH] Python in worker has different version: 3.12 than that in driver: 3.11, ..",
            "another version of Python",
            "3.12",
        ),
        (
            "File ..\nModuleNotFoundError: No module named 'pyarrow'\n",
            "lacks a package",
            "no module pyarrow",
        ),
        (
            "Job aborted due to stage failure: ..\nTraceback ..\n  File ..\nValueError: ann@example.org\n\n\tat org",
            "gave the question up",
            "ValueError",
        ),
        (
            "Job aborted: Lost task 0.3: ExecutorLostFailure (executor 1 exited: 137)\nDriver stacktrace:",
            "gave the question up",
            "ExecutorLostFailure (executor 1 exited: 137)",
        ),
    ],
)
def test_a_job_that_fails_is_explained_without_values_of_the_data(text: str, what: str, found: str) -> None:
    error = failed_job(RuntimeError(text))
    assert what in error.what
    assert error.found == found


def test_an_error_of_a_definition_stays_what_it_is(stored: Paths) -> None:
    with pytest.raises(DefinitionError, match="cannot be meant") as raised:
        on_parts(on(stored, Session()), refused)
    assert raised.value.do == "write another"


def refused(part: Any, words: Any) -> None:
    raise DefinitionError("This cannot be meant.", do="write another")


@pytest.mark.parametrize(
    ("address", "error", "what"),
    [
        ("spark:7077", ConfigurationError, "is invalid"),
        ("http://shop", ConfigurationError, "is invalid"),
        ("sc://shop:15002/;token=secret-value", ConfigurationError, "contains a credential"),
        ("sc://ann:secret-value@shop", ConfigurationError, "contains a credential"),
        ("spark://127.0.0.1:1", ClusterError, "does not answer"),
        ("sc://127.0.0.1:1", ClusterError, "does not answer"),
        ("spark://127.0.0.1:x", ClusterError, "does not answer"),
    ],
)
def test_an_address_that_is_wrong_or_does_not_answer_is_one_error(
    address: str, error: type[JourneysError], what: str
) -> None:
    with pytest.raises(error, match=what) as raised, spark_session(address):
        pass
    assert "secret-value" not in raised.value.message
    assert raised.value.expected or raised.value.found
    assert raised.value.do or raised.value.expected


def test_every_measure_is_tried_here() -> None:
    assert CASES.keys() == MEASURES.keys()
