"""Which pairs of touchpoints are watched where nobody has configured any?

A pair A -> B is watched when B follows A within the pair's window in 20 % of journeys with A. The window is the 80 %
point of the wait from the first A, of waits up to 7 days, rounded up to an hour, a day or 7 days. Where touches have
stages only touchpoints of a stage and the goal are of pairs: a login comes more often the longer the data are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import numpy as np
import polars as pl

from analytics.engine.partials import add_up
from analytics.engine.run import counted
from analytics.monitoring.watching.watch_counts import CHANNEL, FirstTouches, Pair
from analytics.paths.sequences import sequences_of
from analytics.paths.view import View
from analytics.store.columns import STAGE, TOUCHPOINT
from analytics.store.encoding import Dictionaries
from analytics.store.frames import micros
from analytics.store.parts import Part
from analytics.store.paths import Paths

WINDOWS: Final = (timedelta(hours=1), timedelta(days=1), timedelta(days=7))
MIN_FOLLOWED: Final = 0.2
WITHIN: Final = 0.8
MAX_PAIRS: Final = 200
MAX_TOUCHPOINTS: Final = 50
"""Pairs are looked for among the touchpoints of most touches."""


@dataclass(frozen=True, eq=False)
class PairWaits:
    """Counts, for every pair of touchpoints, journeys with the first, and those that the other follows, by wait.

    Rows with a null `target` are touches of a touchpoint by channel.
    """

    view: View
    touchpoints: tuple[int, ...]

    SCHEMA = pl.Schema(
        {
            "source": pl.Int64,
            "target": pl.Int64,
            "channel": pl.Int64,
            "journeys": pl.Int64,
            **{f"within {n}": pl.Int64 for n in range(len(WINDOWS))},
        }
    )

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """Counts one part."""
        rows: list[tuple[Any, ...]] = []
        none = (0,) * len(WINDOWS)
        if CHANNEL in self.view.schema:
            for source, channel, count in part.read([TOUCHPOINT, CHANNEL]).group_by(TOUCHPOINT, CHANNEL).len().rows():
                rows.append((source, None, channel, count, *none))
        sequences = sequences_of(part, self.view, words)
        if len(sequences):
            found = FirstTouches(sequences)
            for source in self.touchpoints:
                units, since, _ = found.of(source)
                for target in self.touchpoints if len(units) else ():
                    if target != source:
                        wait = found.waits(units, since, target)
                        within = (int((wait <= micros(window)).sum()) for window in WINDOWS)
                        rows.append((source, target, None, len(units), *within))
        return pl.DataFrame(rows, schema=self.SCHEMA, orient="row")

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts."""
        return add_up(partials, ["source", "target", "channel"], self.SCHEMA)


@dataclass(frozen=True)
class WatchedPairs:
    """What customers do after what: the pairs to watch, and what else is known of touchpoints.

    `follows` has, by (source, target), the share of journeys with the source that the target follows within 7 days.
    `channels` has the touches of every touchpoint by channel, `stages` the stage of most of its touches.
    """

    pairs: tuple[Pair, ...]
    follows: dict[tuple[str, str], float]
    channels: dict[str, dict[str, int]]
    stages: dict[str, str]


def watched_pairs(paths: Paths) -> WatchedPairs:
    """The pairs that are watched without configuration: at most 200, those of most journeys first.

    >>> found = watched_pairs(Paths.from_text({"ann": "look@0d buy@1d", "bo": "look@0d"}, end="9d"))
    >>> [(pair.name, pair.window.days) for pair in found.pairs]
    [('look -> buy', 1)]
    """
    words = paths.values_of(TOUCHPOINT).to_list()
    sizes = np.zeros(len(words), np.int64)
    known, has_stages = paths.definition, STAGE in paths.schema and len(paths.values_of(STAGE)) > 0
    staged = np.array([not has_stages or (known is not None and word in known.goal) for word in words], np.bool_)
    staged_touches = [pl.DataFrame(schema={TOUCHPOINT: pl.Int64, STAGE: pl.Int64, "len": pl.Int64})]
    for part in paths.parts:
        frame = part.read([TOUCHPOINT, *([STAGE] if has_stages else [])])
        for code, count in frame[TOUCHPOINT].value_counts().iter_rows():
            sizes[code] += count
        if has_stages:
            of_stage = frame.filter(pl.col(STAGE).is_not_null()).group_by(TOUCHPOINT, STAGE).len()
            staged_touches.append(of_stage.select(pl.all().cast(pl.Int64)))
            staged[of_stage[TOUCHPOINT].unique().to_numpy()] = True
    sizes[~staged] = 0
    largest = tuple(int(code) for code in np.argsort(-sizes, kind="stable")[:MAX_TOUCHPOINTS] if sizes[code])
    view = View("journey").checked(paths, [])
    table = counted(paths, PairWaits(view, largest))
    channels: dict[str, dict[str, int]] = {}
    names = paths.values_of(CHANNEL).to_list() if CHANNEL in paths.dictionaries else []
    for row in table.filter(pl.col("target").is_null()).sort("source", "channel").iter_rows(named=True):
        if row["channel"] is not None:
            channels.setdefault(words[row["source"]], {})[names[row["channel"]]] = row["journeys"]
    last = f"within {len(WINDOWS) - 1}"
    found, follows = [], {}
    for row in (
        table.drop_nulls("target")
        .sort("journeys", "source", "target", descending=[True, False, False])
        .rows(named=True)
    ):
        source, target = words[row["source"]], words[row["target"]]
        follows[source, target] = row[last] / row["journeys"]
        number = next(n for n in range(len(WINDOWS)) if row[f"within {n}"] >= WITHIN * row[last])
        if row[last] and row[f"within {number}"] >= MIN_FOLLOWED * row["journeys"]:
            found.append(Pair(source, target, WINDOWS[number]))
    stages = _stages(pl.concat(staged_touches), words, paths.values_of(STAGE).to_list() if has_stages else [])
    return WatchedPairs(tuple(found[:MAX_PAIRS]), follows, channels, stages)


def _stages(touches: pl.DataFrame, words: Sequence[str], stages: Sequence[str]) -> dict[str, str]:
    """The stage of most touches of every touchpoint."""
    most = touches.group_by(TOUCHPOINT, STAGE).agg(pl.col("len").sum()).sort("len", STAGE)
    return {words[touchpoint]: stages[stage] for touchpoint, stage, _ in most.iter_rows()}
