"""Rewrites files in two processes at once, while events land: `python -m tests.ingest.upkeep.overlaps 200`.

Each process is a worker: it reads the name of a step, does the step, and answers `done`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from expectations import contract
from expectations.lake import layout
from expectations.lake.erase import erase
from expectations.lake.layout import Lake
from ingest.decoding.decode import decode
from ingest.landing.commit import Table
from ingest.landing.offsets import Claim
from ingest.message import Partition
from ingest.settings.ingest import Limits, MaintenanceSettings, Stream
from ingest.upkeep.maintenance import compact_crowded_days, maintain
from tests.ingest.streams import RECEIVED, Sent, event, places

APPLICATION: Final = "ingest/test/topic/0"
EACH: Final = 40
CROWDED: Final = MaintenanceSettings(crowded_files=2, most_files=1)
CLOSED: Final = RECEIVED / 1000 + 30 * 86_400


def _erase_next(lake: Lake) -> None:
    """Erase the first event that is still there."""
    first = min(offset for _, _, offset in places(lake))
    erase(lake, layout.EVENTS, [f'"{contract.OFFSET}" = {first}'])


STEPS: Final[dict[str, Callable[[Lake], object]]] = {
    "compact": lambda lake: compact_crowded_days(lake, CROWDED),
    "order": lambda lake: maintain(lake, CROWDED, now=CLOSED),
    "erase": _erase_next,
}


def land(lake: Lake, commits: int) -> int:
    """Land so many more commits of one day, of `EACH` events each; return how many events have landed in total."""
    table = Table(lake, layout.EVENTS)
    first = table.decided(APPLICATION) or 0
    for begin in range(first, first + commits * EACH, EACH):
        sent = [Sent(offset, event(offset, customer_id=f"c{offset % 7}")) for offset in range(begin, begin + EACH)]
        rows = decode(sent, Partition("clicks", 0), Stream(topic="clicks", kind="clickstream"), Limits()).events
        assert table.append(rows, [Claim(APPLICATION, begin or None, begin + EACH)])
    return first + commits * EACH


@contextmanager
def worker(lake: Lake) -> Iterator[Callable[[str], str]]:
    """A process that does steps; yields a function that sends it the name of one, or waits for its answer if empty."""
    command = [sys.executable, "-m", "tests.ingest.upkeep.overlaps", lake.address, "worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        give, take = process.stdin, process.stdout

        def ask(word: str) -> str:
            if not word:
                return take.readline().strip()
            print(word, file=give, flush=True)
            return ""

        yield ask
        give.close()


def overlaps(folder: Path, times: int) -> str:
    """Do the steps of each pair at once so many times while events land; return what went wrong first, else nothing."""
    lake, erased = Lake(str(folder / "lake")), 0
    land(lake, 2)
    with worker(lake) as one, worker(lake) as other:
        one(""), other("")
        for pair in (pair for pair in PAIRS for _ in range(times)):
            land(lake, 3)
            one(pair[0])
            other(pair[1])
            total = land(lake, 2)
            answers = [one(""), other("")]
            found = places(lake)
            erased += pair.count("erase")
            if answers != ["done", "done"]:
                return f"{pair}: {answers}"
            if len(found) != len(set(found)) or not total - erased <= len(found) <= total:
                return f"{pair}: {total} landed, {len(found)} rows, {len(set(found))} different"
    return ""


def _work(lake: Lake) -> None:
    _say("ready")
    for word in sys.stdin:
        STEPS[word.strip()](lake)
        _say("done")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _many(times: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        found = overlaps(Path(folder), -(-times // len(PAIRS)))
    _say(found or f"{times} overlaps of two processes: nothing lost, nothing doubled")
    return bool(found)


PAIRS: Final = (
    ("compact", "compact"),
    ("order", "order"),
    ("compact", "order"),
    ("order", "erase"),
    ("erase", "erase"),
)

if __name__ == "__main__":
    sys.exit(_many(int(sys.argv[1])) if len(sys.argv) == 2 else _work(Lake(sys.argv[1])))
