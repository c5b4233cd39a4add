"""The funnel of retentioneering 5, in an environment that has it: `python retentioneering_stream.py FILE STEP ...`.

FILE holds touches as Parquet (customer, at, touchpoint), sorted. Prints, as JSON, the best wall and processor
seconds of three runs on an event stream that is loaded already, how many customers reach each step, how many seconds
the loading took, and the peak memory of the process.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path


def main(file: Path, steps: list[str]) -> None:
    import pandas as pd
    from retentioneering import Eventstream
    from retentioneering.tools.funnel import Funnel

    schema = {"path_cols": ["customer"], "event_col": "touchpoint", "timestamp_col": "at"}
    loading = time.perf_counter()
    touches = pd.read_parquet(file, columns=["customer", "at", "touchpoint"])
    stream = Eventstream(touches, schema=schema)
    loaded = time.perf_counter() - loading
    best = [float("inf"), float("inf")]
    reached: list[int] = []
    for _ in range(3):
        used, begun = time.process_time(), time.perf_counter()
        reached = [int(step["unique_paths"]) for step in Funnel(stream).fit(steps)["steps"]]
        best = [min(best[0], time.perf_counter() - begun), min(best[1], time.process_time() - used)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {"wall": best[0], "cpu": best[1], "reached": reached, "load_wall": loaded, "peak_mb": peak}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
