"""Finds the records that end every process which decodes them, by decoding them in processes that may die.

Such a *trial process* decodes its records in steps, and reports each step before it begins. If it dies, the step it was
in is divided among the steps of the next one, until it is one record. That record is a *culprit* if another process,
which decodes this record alone, dies of it as well. A process that dies before its first step accuses no record: then
the trial ends. A process is killed when a step takes longer than its patience; it fails alone where memory is short.

Records, rules and the login to the registry reach a trial process through a pipe.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from expectations.errors import JourneysError
from ingest.decoding.formats.registry import FindSchema, Schema, SchemaId
from ingest.decoding.schemas import schema_finder
from ingest.landing.prepare import Task, prepare
from ingest.logs import log_fields
from ingest.message import Record
from ingest.settings.ingest import SchemaSettings

log = logging.getLogger(__name__)

_STEPS: Final = 256
_STEP: Final = b"."
_GAVE_UP: Final = 75  # EX_TEMPFAIL: the registry does not answer, or nobody reads the report
_COMMAND: Final = ("-P", "-c", "from ingest.landing.trial import run_trial; run_trial()")
_SPARE_BYTES: Final = 256 << 20
"""Memory that a trial process may take in any case, so that an ordinary record is not accused."""


class Suspect(NamedTuple):
    """A record as a trial process gets it."""

    offset: int
    timestamp: int
    value: bytes | None
    key: bytes | None
    headers: Sequence[tuple[str, bytes]]

    @classmethod
    def of(cls, record: Record) -> Suspect:
        """A copy of any record."""
        return cls(record.offset, record.timestamp, record.value, record.key, record.headers)


class Outcome(NamedTuple):
    """`culprits` are offsets, each with a sentence on how the processes died. Records from `untried` on were not tried
    before the time was over; None if all were, or if they cannot be tried."""

    culprits: dict[int, str]
    untried: int | None = None


class _Work(NamedTuple):
    """What a trial process gets: records in steps of `size`, each of which may take `patience` seconds."""

    task: Task
    schemas: SchemaSettings
    records: Sequence[Suspect]
    size: int
    patience: float


def try_records(
    task: Task, records: Sequence[Record], schemas: SchemaSettings, *, until: float, patience: float
) -> Outcome:
    """Find the culprits among records of one partition. `until` is when the time is over, in seconds of
    `time.monotonic`; a step may take `patience` seconds, and as long as the registry may take for each look-up."""
    suspects = [Suspect.of(record) for record in records]
    culprits: dict[int, str] = {}
    begin, count, accused = 0, len(suspects), -1
    while begin < len(suspects):
        part = suspects[begin : begin + count]
        size = -(-len(part) // _STEPS)
        code, begun = _run(_Work(task, schemas, part, size, patience), until)
        if code == 0:
            begin, count = begin + len(part), len(suspects)
            continue
        is_over = time.monotonic() >= until
        if not is_over and (code == _GAVE_UP or not begun):
            log.warning("records cannot be tried in another process", extra=log_fields(exit_code=code))
            return Outcome(culprits)
        begin, count = begin + max(begun - 1, 0) * size, size
        if is_over:
            return Outcome(culprits, suspects[begin].offset)
        if begin == accused:
            how = f"2 processes died of this message; the second, which decoded it alone, {_how(code)}"
            culprits[suspects[begin].offset] = how
            begin, count = begin + 1, len(suspects)
        elif size == 1:
            accused = begin
    return Outcome(culprits)


def _run(work: _Work, until: float) -> tuple[int, int]:
    """Run a trial process: its exit code, or minus the signal that ended it; and the number of steps it began."""
    path = os.pathsep.join(folder or str(Path.cwd()) for folder in sys.path)
    try:
        ended = subprocess.run(
            [sys.executable, *_COMMAND],
            input=pickle.dumps(work),
            stdout=subprocess.PIPE,
            timeout=max(until - time.monotonic(), 0),
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,  # a signal from the terminal is for the consumer alone
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return -signal.SIGKILL, (late.stdout or b"").count(_STEP)
    except OSError:
        return _GAVE_UP, 0
    return ended.returncode, ended.stdout.count(_STEP)


def _how(code: int) -> str:
    if code == -signal.SIGALRM:
        return "took too long"
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"


def run_trial() -> None:
    """Decode the records that come through standard input; the whole life of a trial process."""
    report = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no report
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # which ends the process, even one that never returns to Python
    work: _Work = pickle.load(sys.stdin.buffer)
    find = _patient(schema_finder(work.schemas), work.patience + work.schemas.timeout.total_seconds())
    prepare(work.task, [], find)
    _confine_memory()
    try:
        for begin in range(0, len(work.records), work.size):
            os.write(report, _STEP)
            signal.setitimer(signal.ITIMER_REAL, work.patience)
            prepare(work.task, work.records[begin : begin + work.size], find)
    except (JourneysError, BrokenPipeError):
        os._exit(_GAVE_UP)
    os._exit(0)


def _patient(find: FindSchema | None, seconds: float) -> FindSchema | None:
    """The look-up of schemas, which gives a step time for each request."""
    if find is None:
        return None

    def look_up(number: SchemaId) -> Schema | None:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        return find(number)

    return look_up


def _confine_memory() -> None:
    """Make this process fail before another one does for want of memory (Linux only).

    A container, or a service with a limit, may be ended as a whole if one of its processes exceeds the memory, so
    allocations beyond what is free fail; the kernel chooses this process first in any case.
    """
    with suppress(OSError, ImportError, ValueError):
        import resource

        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
        group = Path("/sys/fs/cgroup" + Path("/proc/self/cgroup").read_text("ascii").rpartition("::")[2].strip())
        free = _field("/proc/meminfo", "MemAvailable:")
        with suppress(OSError, ValueError):  # the root has no limit, and a limit may be "max"
            limit, used = ((group / name).read_text("ascii") for name in ("memory.max", "memory.current"))
            free = min(free, int(limit) - int(used))
        most = _field("/proc/self/status", "VmData:") + max(free, _SPARE_BYTES)
        resource.setrlimit(resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def _field(file: str, name: str) -> int:
    """A number of kB in a file of /proc, in bytes."""
    return int(Path(file).read_text("ascii").partition(name)[2].split(maxsplit=1)[0]) << 10
