"""A test may give one module another clock, never the whole process: servers of other tests sleep by it."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
OF_THE_PROCESS = re.compile(r"""setattr\(\s*(time,|\w+(\.\w+)*\.time,|["'](\w+\.)*time\.)""")


def test_no_test_changes_the_clock_of_the_process() -> None:
    own = Path(__file__)
    files = [file for file in TESTS.rglob("*.py") if file != own]
    assert [str(file) for file in files if OF_THE_PROCESS.search(file.read_text(encoding="utf-8"))] == []
    patched = ("setattr(time, 'monotonic', x)", "setattr(module.time, 'time', x)", "setattr('time.sleep', x)")
    assert all(OF_THE_PROCESS.search(text) for text in patched)
