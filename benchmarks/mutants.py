"""Do the tests notice a single change of the code they are for? Makes changes, and counts those that a test fails on.

    python benchmarks/mutants.py [--changes 130] [--only statistics gate ...] [--seed 7] [--jobs 2]

A change is one of these, anywhere in the files of `ROOMS` but in annotations, decorators, f-strings and type checks:

| of | becomes |
| --- | --- |
| `<` `>` `==` `in` `is` | `<=` `>=` `!=` `not in` `is not`, and the other way round |
| `and` `+` `*` `&` | `or` `-` `/` the other set operation, and the other way round |
| `not x`, `-x`, `~x` | `x` |
| a number, `True` | the number and one, `False`, and the other way round |
| `a if x else b` | `b if x else a` |
| `min` `any` | `max` `all`, and the other way round |

Each is made alone in a copy of this folder, never in the folder itself; then the examples of the file and the tests of
its room run until one fails. All tests of the room can notice a change; a first run without a change says which are
quick, and these run first. A run whose process dies, or that takes five times as long as without a change, has noticed
it, too. Prints what nobody noticed: a gap in the tests, or a change that makes no difference, which no program can tell
apart; both count against the share. A room takes one to three minutes of one processor for its first run, as long for a
change that nobody notices, and ten seconds for any other; of kernels, which are compiled, a minute or two.
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
COPIED: Final = ("analytics", "benchmarks", "expectations", "ingest", "journeys", "reports", "tests", "pyproject.toml")
ROOMS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "statistics": (("analytics/statistics",), ("tests/analytics/statistics",)),
    "privacy": (("reports/privacy",), ("tests/reports/privacy",)),
    "headlines": (("reports/words/headlines.py", "reports/words/since.py"), ("tests/reports/words",)),
    "kernels": (
        ("analytics/engine/kernels/ordered.py", "analytics/engine/kernels/short_paths.py"),
        ("tests/analytics/engine/test_kernels.py", "tests/analytics/funnels/test_funnel.py"),
    ),
    "commit": (("ingest/landing/commit.py",), ("tests/ingest/landing/test_commit.py",)),
    "gate": (
        ("expectations/gate.py", "expectations/compile"),
        ("tests/expectations/test_gate.py", "tests/expectations/compile"),
    ),
    "stitching": (("analytics/stitching",), ("tests/analytics/stitching",)),
    "monitoring": (("analytics/monitoring",), ("tests/analytics/monitoring",)),
}
"""Per room the files that are changed, and the tests that should notice. Kernels are compiled after each change, for
without that they do not run; they are asked through funnels, so the comparison with every chain of touches is there."""

_SWAPPED: Final[dict[type[ast.AST], type[ast.AST]]] = {}
for _one, _other in (
    (ast.Lt, ast.LtE),
    (ast.Gt, ast.GtE),
    (ast.Eq, ast.NotEq),
    (ast.In, ast.NotIn),
    (ast.Is, ast.IsNot),
    (ast.And, ast.Or),
    (ast.Add, ast.Sub),
    (ast.Mult, ast.Div),
    (ast.BitAnd, ast.BitOr),
):
    _SWAPPED |= {_one: _other, _other: _one}
_NAMES: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
_UNCHANGED: Final = frozenset({"annotation", "returns", "decorator_list", "type_params"})


@dataclass(frozen=True)
class Change:
    """One change of one file: its place, the source before and after."""

    room: str
    file: str
    line: int
    before: str
    after: str
    source: bytes

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.before}  ->  {self.after}"


def changes(room: str, root: Path = ROOT) -> list[Change]:
    """Every change of the files of a room, in the order of the files and of the source."""
    found: list[Change] = []
    for given in ROOMS[room][0]:
        path = root / given
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            found += _of_file(room, file.relative_to(root).as_posix(), file.read_bytes())
    return found


def _of_file(room: str, name: str, source: bytes) -> Iterator[Change]:
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in _expressions(ast.parse(source)):
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        for changed in _changed(node):
            after = ast.unparse(changed)
            text = source[:begin] + b"(" + after.encode() + b")" + source[end:]
            yield Change(room, name, node.lineno, ast.unparse(node), after, text)


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions of a tree whose change could matter."""
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
        return
    if isinstance(node, ast.Call) and ast.unparse(node.func) in {"isinstance", "zip", "cast", "Field"}:
        return
    if isinstance(node, ast.expr):
        yield node
    for name, value in ast.iter_fields(node):
        if name not in _UNCHANGED:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _expressions(child)


def _changed(node: ast.expr) -> Iterator[ast.expr]:
    made = copy.deepcopy(node)
    match made:
        case ast.Compare(ops=[operator]) | ast.BoolOp(op=operator) | ast.BinOp(op=operator) if (
            type(operator) in _SWAPPED
        ):
            other = _SWAPPED[type(operator)]()
            setattr(made, *(("ops", [other]) if isinstance(made, ast.Compare) else ("op", other)))
            yield made
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=inner):
            yield inner
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield ast.Constant(value + 1)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.Call(func=ast.Name(id=name)) if name in _NAMES:
            made.func = ast.Name(_NAMES[name])
            yield made


def drawn(count: int, rooms: Sequence[str], seed: int) -> list[Change]:
    """`count` changes, as many of each room as of any other, drawn at random."""
    found = []
    for number, room in enumerate(rooms):
        here = changes(room)
        share = count * (number + 1) // len(rooms) - count * number // len(rooms)
        found += random.Random(f"{seed} {room}").sample(here, min(share, len(here)))
    return found


class Copy:
    """A copy of this folder, in which the tests of a room run with one file changed."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder / "copy"
        self.temporary: Final = folder / "temporary"
        self.limits: Final[dict[str, float]] = {}
        for name in COPIED:
            whole, target = ROOT / name, self.folder / name
            if whole.is_dir():
                shutil.copytree(whole, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(whole, target)

    def is_noticed(self, change: Change) -> bool:
        """Whether the tests of its room fail with a change, or do not end."""
        self._check(change.room)
        file = self.folder / change.file
        original = file.read_bytes()
        try:
            self._put(file, change.source)
            code = self._code(change.room, change.file, limit=self.limits[change.room])
        finally:
            self._put(file, original)
        if code is not None and code > 2:
            raise RuntimeError(f"the tests of {change.room} ended with {code} after {change}")
        return code != 0

    def _check(self, room: str) -> None:
        """The tests pass without a change; how long they may take is five times as long."""
        if room not in self.limits:
            began = time.monotonic()
            if self._code(room, *ROOMS[room][0], limit=None) != 0:
                printed = (self.temporary / "printed").read_text(encoding="utf-8")
                raise RuntimeError(f"the tests of {room} fail without a change:\n{printed}")
            self.limits[room] = 5 * (time.monotonic() - began) + 30

    def _put(self, file: Path, source: bytes) -> None:
        file.write_bytes(source)
        for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
            compiled.unlink()  # its time and size may be those of the changed file

    def _code(self, room: str, *examples: str, limit: float | None) -> int | None:
        """The exit code of pytest; None if it did not end in time."""
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir()
        words = ["--doctest-modules", *examples, *ROOMS[room][1]]
        tests = _CONTEXT.Process(target=_pytest, args=(self.folder, self.temporary, room, words))
        tests.start()
        tests.join(limit)
        if tests.is_alive():
            os.killpg(tests.pid or 0, signal.SIGKILL)
            tests.join()
            return None
        return tests.exitcode


_CONTEXT: Final = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["altair", "deltalake", "great_expectations", "hypothesis", "polars", "pytest", "scipy.stats", "statsmodels.api"]
)
"""Third parties are imported once, and each run is a fork of the process that has them; none of our code is in it."""


def _pytest(folder: Path, temporary: Path, room: str, words: list[str]) -> None:
    """Runs pytest in this process, quietly, and exits with its code."""
    os.setsid()
    os.chdir(folder)
    printed = os.open(temporary / "printed", os.O_WRONLY | os.O_CREAT)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    sys.path[:] = [str(folder), *(each for each in sys.path if Path(each).resolve() not in {ROOT, ROOT / "benchmarks"})]
    os.environ |= {"PYTHONPATH": str(folder), "TMPDIR": str(temporary), SECONDS: str(folder / f"{room}.json")}
    tempfile.tempdir = None
    import pytest

    plugins = ["-p", "no:cacheprovider", "-p", "no:xdist", "-p", "benchmarks.mutants"]
    imported = ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
    code = pytest.main(["-q", "-x", *imported, *plugins, *words])
    os._exit(code)


SECONDS: Final = "MUTANTS_SECONDS"
"""Names the file of the seconds that each test took without a change, to the plug-in of pytest that follows."""
QUICK: Final = 1.0
"""Tests that take fewer seconds run first."""

_taken: Final[Counter[str]] = Counter()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests run first; those of a file stay together, for what they share is made once."""
    known = _known()
    items.sort(key=lambda item: known.get(item.nodeid, 0.0) >= QUICK)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Adds up what a test takes, with its set-up."""
    _taken[report.nodeid] += report.duration


def pytest_sessionfinish() -> None:
    """Keeps what the tests took, if nothing is known of it yet: those of the first run, without a change."""
    file = Path(os.environ[SECONDS])
    if not file.exists():
        file.write_text(json.dumps(_taken), encoding="utf-8")


def _known() -> dict[str, float]:
    file = Path(os.environ[SECONDS])
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def _of_room(given: Sequence[Change]) -> list[bool]:
    """Makes the changes of one room in a copy of its own, and prints what came of each."""
    with tempfile.TemporaryDirectory() as folder:
        place, found = Copy(Path(folder)), []
        for change in given:
            found.append(place.is_noticed(change))
            print("noticed " if found[-1] else "SURVIVED", change, flush=True)
        return found


def main() -> None:
    """Make the changes and print the table."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--changes", type=int, default=130)
    asked.add_argument("--only", nargs="+", choices=ROOMS, default=list(ROOMS))
    asked.add_argument("--seed", type=int, default=7)
    asked.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="rooms at a time")
    given = asked.parse_args()
    found = drawn(given.changes, given.only, given.seed)
    with ThreadPoolExecutor(given.jobs) as rooms:
        each = [[change for change in found if change.room == room] for room in given.only]
        table = dict(zip(given.only, rooms.map(_of_room, each), strict=True))
    print("| room | changes | noticed |\n| --- | --- | --- |")
    table["all"] = [noticed for row in table.values() for noticed in row]
    for room, row in table.items():
        print(f"| {room} | {len(row)} | {sum(row)} ({sum(row) / max(len(row), 1):.0%}) |")


if __name__ == "__main__":
    main()
