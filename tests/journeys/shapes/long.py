"""The two largest shapes at full size, each verb in a process of its own: `python -m tests.journeys.shapes.long`.

Prints seconds of processor and of the clock, and the largest memory, of every verb. Fails when a verb ends with another
exit code than 0, or takes more than 3 GB.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.journeys.shapes.chain import Chain, write
from tests.journeys.shapes.generate import shapes

LARGE: Final = ("one_customer_of_many_touches", "many_customers_of_one_touch")
MOST: Final = 3 << 20
"""Kilobytes of memory that a verb may take."""


def timed(chain: Chain, *words: str) -> None:
    """Run a verb as a process, and print what it takes."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    script = (
        "import re, sys, journeys\n"
        "try:\n    journeys.main()\n"
        "finally:\n    status = open('/proc/self/status').read()\n"
        "    print('PEAK', re.search(r'VmHWM:\\s+(\\d+)', status)[1], file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", script, *words, "--config", str(chain.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = int(done.stderr.rsplit("PEAK", 1)[-1].split()[0])
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    verb = " ".join(word for word in words if "/" not in word)
    print(f"  {verb:<32}{used:8.1f} s CPU {time.monotonic() - began:8.1f} s {peak / 1024:8.0f} MB", flush=True)
    assert done.returncode == 0 and peak < MOST, done.stdout + done.stderr


def main() -> None:
    """All verbs on both shapes."""
    made = dict(shapes(full=True))
    for name in sys.argv[1:] or LARGE:
        shape = made[name]()
        print(f"{name}: {len(shape.events):,} events", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            chain = Chain(Path(folder), shape)
            for number, events in enumerate(shape.loads()):
                file = chain.folder / f"{number}.ndjson"
                write([event.written for event in events], file)
                timed(chain, "load", str(file))
                timed(chain, "stitch")
            timed(chain, "stitch", "--verify")
            timed(chain, "check")
            timed(chain, "funnel", "--by", "device")
            timed(chain, "funnel", *shape.steps)
            for question in ("variants", "transitions", "flow", "matrix", "effort", "channels", "handoffs"):
                timed(chain, "paths", question)
            timed(chain, "report")
            timed(chain, "forget", f"customer_id:{shape.events[0].who}", "--yes", "--large")
            timed(chain, "report")


if __name__ == "__main__":
    main()
