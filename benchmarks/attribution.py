"""How long does credit for goals take, beside ChannelAttribution's Markov model on ready paths?

    python benchmarks/attribution.py [TOUCHES] [FOLDER]

Makes TOUCHES touches (default 10 million; 10 a customer, 20 channels, one touch in twenty a goal) in FOLDER (default: a
temporary one), and saves them as paths. Ours reads the store from disk and shares credit by four rules and the Markov
chain, with intervals and null paths. CHANNEL_ATTRIBUTION names the Python of an environment that has that package (GPL;
it is no dependency of ours): it is given the same paths as text, distinct ones with their counts, made by us, so that
neither reading nor cutting counts for it; its credits are simulated, and so differ from ours by its own noise, which is
printed. Each runs in a process of its own; of three runs the best is taken.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CHANNELS = 20
MODELS = ("first", "last", "linear", "time_decay", "markov")


def make(folder: Path, count: int) -> None:
    """The touches as a path store, and the paths as text."""
    import numpy as np
    import polars as pl

    from analytics import Paths

    dice = np.random.default_rng(11)
    customer = np.sort(dice.integers(0, max(1, count // 10), count))
    seconds = 1_704_067_200 + dice.integers(0, 120 * 86_400, count)
    weights = 1 / np.arange(1, CHANNELS + 1)
    channel = dice.choice(CHANNELS, count, p=weights / weights.sum())
    goal = dice.random(count) < 0.05
    frame = pl.DataFrame(
        {
            "customer": customer,
            "at": pl.Series(seconds * 1_000_000).cast(pl.Datetime("us")),
            "touchpoint": pl.Series(["look", "pay"]).gather(goal.astype(np.int64)),
            "channel": pl.Series([f"channel {n}" for n in range(CHANNELS)]).gather(channel),
        }
    ).sort("customer", "at")
    Paths.from_frame(frame).save(folder / "paths")


def as_text(folder: Path) -> None:
    """The paths that our chain reads, repeats joined, as the peer takes them."""
    import numpy as np
    import polars as pl

    from analytics import Attribution, Paths
    from analytics.goals.credit.attribution import CreditCounts
    from analytics.goals.credit.credit_paths import credit_paths
    from analytics.store.columns import AT
    from analytics.store.encoding import as_time

    paths = Paths.open(folder / "paths")
    asked = CreditCounts.of(paths, Attribution("pay"))
    tables = []
    for part in paths.parts:
        frame = part.read([AT, "touchpoint", "channel"])
        times = as_time(frame[AT]).to_physical().to_numpy()
        codes = frame["channel"].cast(pl.Int64).to_numpy()
        goal = asked.goal.marked(part)  # type: ignore[union-attr]
        lookback = 30 * 86_400_000_000
        found = credit_paths(
            times, part.bounds(), codes >= 0, goal, lookback=lookback, end_of_data=asked.data[1], reset=True
        )
        rows, path = found.rows()
        names = pl.Series(asked.names).gather(codes[rows])
        texts = pl.DataFrame({"path": path, "name": names}).group_by("path", maintain_order=True)
        joined = texts.agg(
            pl.col("name").filter(pl.col("name") != pl.col("name").shift(1, fill_value="")).str.join(" > ")
        )
        won = pl.Series("won", np.arange(len(found)) < found.converted)
        tables.append(joined.select(pl.col("name").alias("path"), won.gather(joined["path"])))
    counted = (
        pl.concat(tables)
        .group_by("path")
        .agg(pl.col("won").sum().alias("total_conversions"), (~pl.col("won")).sum().alias("total_null"))
    )
    counted.sort("path").write_csv(folder / "paths.csv")


def ours(folder: str) -> dict[str, Any]:
    """Credits from the store on disk."""
    import resource

    from analytics import Attribution, Paths, attribution

    wall, cpu = time.perf_counter(), time.process_time()
    found = attribution(Paths.open(f"{folder}/paths"), Attribution("pay", models=MODELS))
    times = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    credits = dict(found.filter(model="markov").drop_nulls("credited").select("credited", "credit").iter_rows())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {**times, "peak_mb": peak, "credits": credits}


def best(command: list[str]) -> dict[str, Any]:
    """The quickest of three runs in processes of their own."""
    runs = []
    for _ in range(3):
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        runs.append(json.loads(done.stdout.strip().splitlines()[-1]))
    return min(runs, key=lambda run: run["wall"])


def main(count: int, folder: Path) -> None:
    """Makes the touches where they are missing, times both, and prints the ratio."""
    if not (folder / "paths").exists():
        make(folder, count)
        as_text(folder)
    own = best([sys.executable, __file__, "--ours", str(folder)])
    print(f"{count:,} touches to five models with intervals, from disk: {_times(own)}", flush=True)
    peer_python = os.environ.get("CHANNEL_ATTRIBUTION")
    if peer_python is None:
        print("ChannelAttribution: not asked, as CHANNEL_ATTRIBUTION names no Python that has it")
        return
    peer = best(
        [peer_python, str(Path(__file__).parent / "peers" / "channel_attribution.py"), str(folder / "paths.csv")]
    )
    noise = max(abs(peer["credits"][name] / credit - 1) for name, credit in own["credits"].items())
    print(
        f"ChannelAttribution, Markov alone, ready paths:         {_times(peer)}, credits differ by {noise:.1%} at most"
    )
    print(f"ratio: wall {peer['wall'] / own['wall']:.1f}, cpu {peer['cpu'] / own['cpu']:.1f}")


def _times(run: dict[str, Any]) -> str:
    return f"wall {run['wall']:.2f} s, cpu {run['cpu']:.2f} s, peak {run['peak_mb']:,} MB"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--ours"]:
        print(json.dumps(ours(sys.argv[2])))
    elif len(sys.argv) > 2:
        main(int(sys.argv[1]), Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as made:
            main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000, Path(made))
