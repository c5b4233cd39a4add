"""Counts the parts of stored paths on a cluster of Spark, whose workers open the parts themselves.

A question becomes `spark.range(parts).mapInArrow(task)`. The driver sends the numbers of the parts and one **plan**:
the address of the store, the names of its parts, and the frozen measure. No touch, key or dictionary travels to a
worker; what a measure takes from a dictionary is sent as the name of its column. A task counts its parts one after the
other, adds them up, and sends back one partial. The driver checks that each part was counted exactly once.

Workers need this version of the product, of polars and of Python, and must be able to read the store: a shared folder,
or an object store with endpoint and keys in their own environment. Keys are never sent; where a worker cannot read, the
error lists the names of the variables that it lacks.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import platform
import re
import socket
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import polars as pl

from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part
from analytics.store.paths import Paths, stored_dictionaries
from expectations.errors import ClusterError, ConfigurationError, DefinitionError, JourneysError, StorageError, said
from expectations.lake import files
from expectations.lake.manifest import MANIFEST

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Row = tuple[list[int], str, bytes]
"""What a task sends back: the numbers of the parts it counted, an error as JSON or nothing, the packed result."""

_T = TypeVar("_T")
_COLUMNS: Final = "parts array<bigint>, failure string, body binary"
_GATHERED: Final = 16
"""A task adds up its partials whenever it holds so many."""
_KEYS: Final = ("AWS_", "AZURE_", "GOOGLE_")
"""Variables that an object store is read with begin like this."""
_ADDRESS: Final = re.compile(r"(spark|sc)://([^/;]+)(.*)")
_OTHER_MASTERS: Final = re.compile(r"local(\[[\d*]+\])?|yarn|k8s://.+")
_CONNECT_PORT: Final = 15002
_ANSWER_SECONDS: Final = 10.0
_WORKER_SECONDS: Final = 300.0
"""How long a master may take to answer, and a cluster to run a first task."""
_LONGEST: Final = 500


def on_spark(paths: Paths, session: SparkSession, *, tasks: int | None = None) -> Paths:
    """The same paths, whose parts the cluster of a Spark session reads; every measure takes them and answers the same.

    The session may be classic or of Spark Connect. A question is one job of `tasks` tasks, by default as many as the
    cluster runs at once. The paths must be stored where workers read them, too: `Paths.open`, not `from_frame`. Raises
    `DefinitionError` for paths in memory. A question raises `ClusterError` when the cluster does not answer, has other
    versions, or does not count each part exactly once, and `StorageError` when its workers cannot read the store.

        from analytics import Paths, funnel, on_spark
        funnel(on_spark(Paths.open("s3://shop/lake"), spark), Funnel(["visit", "pay"]))

    >>> on_spark(Paths.from_text({"ann": "visit@0m"}), None)
    Traceback (most recent call last):
    expectations.errors.DefinitionError: These paths are in the memory of this process.
      expected: paths that workers can open
      do: write them to a folder or an object store with `save`, and open them with Paths.open
    """
    if paths.parts and not all(part.address for part in paths.parts):
        raise DefinitionError(
            "These paths are in the memory of this process.",
            expected="paths that workers can open",
            do="write them to a folder or an object store with `save`, and open them with Paths.open",
        )
    return paths.read_by(SparkRunner(session, tasks))


@dataclass(frozen=True)
class SparkRunner:
    """Reads the parts of stored paths on the workers of a session."""

    session: SparkSession
    tasks: int | None = None

    def results(
        self,
        paths: Paths,
        task: Callable[[Part, Dictionaries], _T],
        gather: Callable[[Sequence[_T]], _T] | None = None,
    ) -> list[_T]:
        """The result of the task for every part, in order; with `gather`, one result per task of Spark."""
        count = len(paths.parts)
        if not count:
            return []
        rows = collected(self.session, count, self.tasks, plan_of(paths, task, gather))
        check_complete([number for numbers, _, _ in rows for number in numbers], count)
        return [_unpacked(body) for _, _, body in sorted(rows, key=lambda row: row[0][0])]


def collected(session: SparkSession, count: int, tasks: int | None, plan: bytes) -> list[Row]:
    """What the tasks of one job send back. Raises the first error that one of them reports, or `ClusterError`."""
    numbers = session.range(0, count, 1, tasks) if tasks else session.range(count)
    try:
        rows = numbers.mapInArrow(shipped(plan, versions()), _COLUMNS).collect()
    except _spark_errors() as error:
        raise failed_job(error) from error
    for row in rows:
        if row["failure"]:
            raise _reported(row["failure"])
    return [(list(row["parts"]), "", bytes(row["body"])) for row in rows]


def check_complete(numbers: Iterable[int], count: int) -> None:
    """Raises `ClusterError` unless each of the numbers below `count` is there exactly once.

    >>> check_complete([1, 0], 2)
    >>> check_complete([1, 1], 2)
    Traceback (most recent call last):
    expectations.errors.ClusterError: The cluster did not count each part of the paths exactly once.
      expected: parts 0 to 1, each once
      found: missing: 0; more than once: 1
      do: ask again; if it happens again, report it
    """
    found = list(numbers)
    if sorted(found) == list(range(count)):
        return
    missing = sorted(set(range(count)) - set(found))
    doubled = sorted({number for number in found if found.count(number) > 1 or not 0 <= number < count})
    kinds = {"missing": missing, "more than once": doubled}
    raise ClusterError(
        "The cluster did not count each part of the paths exactly once.",
        expected=f"parts 0 to {count - 1}, each once",
        found="; ".join(f"{kind}: {', '.join(map(str, own[:5]))}" for kind, own in kinds.items() if own),
        do="ask again; if it happens again, report it",
    )


@dataclass(frozen=True)
class Plan:
    """What every task of a job is given: where the parts lie, and what is asked of them, pickled.

    `text` are the columns with a dictionary; `asked` holds the task, how its results are gathered, and the columns that
    are worked out of each part. `product` is the digest of the code; `variables` are the names of the variables that
    the driver reads the store with.
    """

    home: str
    text: tuple[str, ...]
    parts: tuple[Part, ...]
    asked: bytes
    product: str
    variables: tuple[str, ...]

    def part(self, number: int) -> Part:
        """A part, with its whole address."""
        part = self.parts[number]
        return replace(part, address=f"{self.home}/{part.address}")


def plan_of(paths: Paths, task: Callable[..., Any], gather: Callable[..., Any] | None = None) -> bytes:
    """The plan of a job, as it is sent: without dictionaries, and with names of variables instead of values."""
    here, stored = files.local(paths.home), paths.stored.dictionaries
    plan = Plan(
        str(here.absolute()) if here is not None else paths.home,
        tuple(stored),
        tuple(replace(part, address=part.address.rpartition("/")[2], derived=()) for part in paths.parts),
        _asked((task, gather, tuple(paths.derived.values())), stored),
        product_digest(),
        () if here is not None else tuple(sorted(name for name in os.environ if name.startswith(_KEYS))),
    )
    return sent_plan(plan)


def sent_plan(plan: Plan) -> bytes:
    """A plan as it is sent."""
    return zlib.compress(pickle.dumps(plan))


def _asked(asked: Any, dictionaries: Dictionaries) -> bytes:
    columns = {id(words): name for name, words in dictionaries.items()}

    class WithoutDictionaries(pickle.Pickler):
        """Writes a dictionary of the store as the name of its column."""

        def persistent_id(self, value: Any) -> str | None:
            return columns.get(id(value))

    buffer = io.BytesIO()
    WithoutDictionaries(buffer, pickle.HIGHEST_PROTOCOL).dump(asked)
    return buffer.getvalue()


class _WithDictionaries(pickle.Unpickler):
    """Reads what is asked, with the dictionaries that this process has opened."""

    def __init__(self, content: bytes, dictionaries: Dictionaries) -> None:
        super().__init__(io.BytesIO(content))
        self.dictionaries = dictionaries

    def persistent_load(self, column: str) -> pl.Series:
        return self.dictionaries[column]


def versions() -> dict[str, str]:
    """What must be the same on a worker: Python but for its last number, polars, the product."""
    return {
        "Python": ".".join(platform.python_version_tuple()[:2]),
        **{name: version(name) for name in ("polars", "journeys")},
    }


@cache
def product_digest() -> str:
    """The digest of all code that counts: two installations of one version may still differ."""
    digest = hashlib.sha256()
    for folder in (Path(__file__).parents[1], Path(files.__file__).parents[1]):  # analytics and expectations
        for file in sorted(folder.rglob("*.py")):
            digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def shipped(plan: bytes, expected: Mapping[str, str]) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """The function that workers run. It is sent by value and imports what it needs there: where versions differ, or
    the product is missing, it says so.
    """

    def task(batches: Iterator[Any]) -> Iterator[Any]:
        import json
        import os
        import platform
        import socket
        from importlib.metadata import PackageNotFoundError, version

        import pyarrow

        os.environ.setdefault("POLARS_MAX_THREADS", "1")  # a task has one core
        found = {"Python": ".".join(platform.python_version_tuple()[:2])}
        for name in expected:
            if name != "Python":
                try:
                    found[name] = version(name)
                except PackageNotFoundError:
                    found[name] = "not installed"
        numbers = [number for batch in batches for number in batch.column(0).to_pylist()]
        rows: Any = []
        if found != expected and numbers:
            failure = {
                "code": "CLUSTER",
                "what": "A worker of the cluster has other versions.",
                "where": socket.gethostname(),
                "expected": ", ".join(f"{name} {expected[name]}" for name in expected if found[name] != expected[name]),
                "found": ", ".join(f"{name} {found[name]}" for name in expected if found[name] != expected[name]),
                "do": "install the same on every worker, and name its Python with PYSPARK_PYTHON",
            }
            rows = [([], json.dumps(failure), b"")]
        elif numbers:
            from analytics.engine.spark import counted_parts

            rows = counted_parts(plan, numbers)
        kinds = (pyarrow.list_(pyarrow.int64()), pyarrow.string(), pyarrow.binary())
        for row in rows:
            columns = [pyarrow.array([value], kind) for value, kind in zip(row, kinds, strict=True)]
            yield pyarrow.RecordBatch.from_arrays(columns, names=["parts", "failure", "body"])

    return task


def counted_parts(content: bytes, numbers: Iterable[int]) -> Iterator[Row]:
    """What one task sends back for its parts. A worker that cannot go on reports why, and counts nothing."""
    plan: Plan = pickle.loads(zlib.decompress(content))
    try:
        _check_product(plan)
        if plan.parts:
            yield from _counted(plan, numbers)
    except JourneysError as error:
        yield [], _as_json(error), b""
    except (OSError, pl.exceptions.ComputeError) as error:
        yield [], _as_json(_unreadable(plan, error)), b""


def _counted(plan: Plan, numbers: Iterable[int]) -> Iterator[Row]:
    words = _dictionaries(plan.home, plan.text)
    task, gather, derived = _WithDictionaries(plan.asked, words).load()
    words = {**words, **{column.name: column.words for column in derived}}
    done: list[int] = []
    held: list[Any] = []
    for number in numbers:
        result = task(replace(plan.part(number), derived=derived), words)
        if gather is None:
            yield [number], "", packed(result)
            continue
        done.append(number)
        held.append(result)
        if len(held) == _GATHERED:
            held = [gather(held)]
    if done and gather is not None:
        yield done, "", packed(gather(held))


@lru_cache(maxsize=2)
def _dictionaries(home: str, text: tuple[str, ...]) -> Dictionaries:
    """The dictionaries of a generation, which never changes; a worker keeps them for the next question."""
    return stored_dictionaries(home, text)


def _check_product(plan: Plan) -> None:
    if plan.product != product_digest():
        raise ClusterError(
            "A worker of the cluster has another version of the product.",
            where=socket.gethostname(),
            expected=f"the code with digest {plan.product}",
            found=f"{product_digest()}, of the same version",
            do="install the same on every worker",
        )


def _unreadable(plan: Plan, error: Exception) -> JourneysError:
    """Why a worker could not read: it does not see the store, or the parts have gone since the driver opened them."""
    folder, host = plan.home.rpartition("/")[0], socket.gethostname()
    try:
        is_seen, found = files.read(f"{folder}/{MANIFEST}") is not None, "nothing there"
    except StorageError as refused:
        is_seen, found = False, refused.found
    if not is_seen:
        lacking = [name for name in plan.variables if name not in os.environ]
        return StorageError(
            "A worker of the cluster cannot read the paths.",
            where=f"{folder}, on {host}",
            expected="the same folder, or the same object store, for the driver and every worker",
            found=found + (f"; not set there: {', '.join(lacking)}" if lacking else ""),
            do="mount the folder, or set endpoint and keys in the environment of the workers",
        )
    there = set(files.names(plan.home))
    if any(f"{part.address}.{kind}.parquet" not in there for part in plan.parts for kind in ("touches", "customers")):
        return StorageError(
            "Parts of the paths have gone since they were opened.",
            where=f"{plan.home}, on {host}",
            expected="the generation that the question began with",
            found="it was removed: the paths were stitched again",
            do="ask again; nothing was counted",
        )
    return StorageError(
        "A worker of the cluster cannot read a part of the paths.",
        where=f"{plan.home}, on {host}",
        found=said(error)[:_LONGEST] if isinstance(error, OSError) else type(error).__name__,
        do="check who may read the files, then that they are whole: `journeys stitch --rebuild` makes them again",
    )


def packed(result: Any) -> bytes:
    """A result as it is sent: a table compressed, anything else pickled."""
    if not isinstance(result, pl.DataFrame):
        return b"P" + pickle.dumps(result)
    buffer = io.BytesIO(b"T")
    buffer.seek(1)
    result.write_ipc(buffer, compression="zstd")
    return buffer.getvalue()


def _unpacked(content: bytes) -> Any:
    return pl.read_ipc(content[1:]) if content[:1] == b"T" else pickle.loads(content[1:])


def _as_json(error: JourneysError) -> str:
    facts = {name: getattr(error, name) for name in ("what", "where", "expected", "found", "do")}
    return json.dumps({"code": error.code, **facts})


def _reported(failure: str) -> JourneysError:
    """The error that a worker reported."""
    facts = json.loads(failure)
    kinds = {kind.code: kind for kind in JourneysError.__subclasses__()}
    return kinds.get(facts.pop("code"), JourneysError)(**facts)


def failed_job(error: Exception) -> ClusterError:
    """Why Spark gave a job up, as far as it says so; values of the data, which its message may have, are left out."""
    text = str(error)
    if "PYTHON_VERSION_MISMATCH" in text:
        return ClusterError(
            "A worker of the cluster has another version of Python.",
            expected=f"Python {versions()['Python']}, as the driver has",
            found=", ".join(sorted(set(re.findall(r"version:? (\d+\.\d+)", text)) - {versions()["Python"]})),
            do="name the same Python on every worker with PYSPARK_PYTHON, or spark.pyspark.python",
        )
    if missing := re.search(r"ModuleNotFoundError: No module named '([\w.]+)'", text):
        return ClusterError(
            "A worker of the cluster lacks a package.",
            found=f"no module {missing[1]}",
            do="install the product with the extra spark on every worker, and name its Python with PYSPARK_PYTHON",
        )
    lost = re.search(r"ExecutorLostFailure[^\n]*", text)
    raised = re.findall(r"^(?!org\.|java\.)([\w.]*(?:Error|Exception))\b", text, re.MULTILINE)
    found = lost[0] if lost else raised[-1] if raised else said(error)
    return ClusterError(
        "The cluster gave the question up.",
        found=found[:_LONGEST],
        do="look into the log of the executors; JOURNEYS_TRACEBACK=1 shows the trace, which may contain values",
    )


def _spark_errors() -> tuple[type[Exception], ...]:
    """What Spark raises; a classic session also what it says of its JVM, which Spark Connect alone does not have."""
    from pyspark.errors import PySparkException

    try:
        from py4j.protocol import Py4JError
    except ImportError:
        return (PySparkException,)
    return PySparkException, Py4JError


@contextmanager
def spark_session(address: str) -> Iterator[SparkSession]:
    """A session on the cluster at `address`, stopped at the end.

    `spark://HOST:PORT` is a standalone cluster, `sc://HOST:PORT` a server of Spark Connect; `yarn`, `k8s://..` and
    `local[N]` are taken, too. Settings come from where Spark reads them (`spark-defaults.conf`, `PYSPARK_PYTHON`), the
    token of a server from `SPARK_CONNECT_AUTHENTICATE_TOKEN`. Raises `ConfigurationError` for another address or a
    token in it, `ClusterError` when nothing answers, no worker takes a task, or a worker has other versions.

    >>> with spark_session("shop:7077"):
    ...     pass
    Traceback (most recent call last):
    expectations.errors.ConfigurationError: The address of the cluster is invalid.
      expected: spark://HOST:PORT, sc://HOST:PORT, yarn, k8s://ADDRESS or local[N]
      found: shop:7077
    """
    _check_address(address)
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    if address.startswith("local"):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    try:
        if address.startswith("sc://"):
            session = builder.remote(address).getOrCreate()
        else:
            quiet = {"spark.ui.showConsoleProgress": "false", "spark.ui.enabled": "false", "spark.log.level": "ERROR"}
            session = builder.master(address).appName("journeys").config(map=quiet).getOrCreate()
    except _spark_errors() as error:
        raise _unanswered(address, said(error)[:_LONGEST]) from error
    try:
        _check_workers(session, address)
        yield session
    finally:
        session.stop()


def _check_address(address: str) -> None:
    """Refuses an address of another form or with a token in it; raises `ClusterError` where nothing listens."""
    named = _ADDRESS.fullmatch(address)
    if named is None:
        if _OTHER_MASTERS.fullmatch(address):
            return
        expected = "spark://HOST:PORT, sc://HOST:PORT, yarn, k8s://ADDRESS or local[N]"
        raise ConfigurationError("The address of the cluster is invalid.", expected=expected, found=address)
    scheme, hosts, options = named.groups()
    if "token=" in options or "@" in hosts:
        raise ConfigurationError(
            "The address of the cluster contains a credential.",
            expected="the token in the environment, as SPARK_CONNECT_AUTHENTICATE_TOKEN",
            do="leave it out of the address: other users of the machine can read a command line",
        )
    reasons = []
    for place in hosts.split(","):
        host, _, port = place.rpartition(":") if ":" in place else (place, "", str(_CONNECT_PORT))
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_SECONDS).close()
            return
        except (OSError, ValueError) as error:
            reasons.append(said(OSError(getattr(error, "strerror", None) or str(error))))
    raise _unanswered(f"{scheme}://{hosts}", reasons[0])


def _unanswered(address: str, found: str) -> ClusterError:
    return ClusterError(
        "The cluster does not answer.",
        where=address,
        found=found,
        do="check the address and that the cluster runs; a classic session needs Java 17 on this machine, too",
    )


def _check_workers(session: SparkSession, address: str) -> None:
    """Runs one empty task, so that a cluster without a free worker, or with other versions, is an error at once."""
    tag = "journeys-first-task"
    session.addTag(tag)
    done, late = threading.Event(), threading.Event()

    def give_up() -> None:
        if done.wait(_WORKER_SECONDS):
            return
        late.set()
        while not done.wait(1.0):  # again, since the job may not have been submitted yet
            if address.startswith("sc://"):
                session.interruptTag(tag)
            else:
                session.sparkContext.cancelAllJobs()  # a session that was made for this command has no other

    waiting = threading.Thread(target=give_up, daemon=True)
    waiting.start()
    try:
        collected(session, 1, 1, sent_plan(Plan("", (), (), b"", product_digest(), ())))
    except ClusterError as error:
        if not late.is_set():
            raise
        raise ClusterError(
            "No worker of the cluster took a task.",
            where=address,
            found=f"none within {_WORKER_SECONDS:.0f} s",
            do="check that workers are registered, and have cores and memory to spare",
        ) from error
    finally:
        done.set()
        waiting.join()
        session.removeTag(tag)
