"""Keeps in the lake what every report told, by which definitions and from which events, so that a later one can be
compared with it when its files are gone.

A run has a folder in `reported/`: `cells.parquet` (`analytics.monitoring.runs.cells`), `site.json.gz`, all published
frames, and `run.json`, written last: a folder without it is no run. Which events it read is kept as the last offset of
every partition and loaded file, so that no old version of a table is needed.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from analytics.engine.goals import Goal
from analytics.experience.usage import usage
from analytics.monitoring.arrivals import channel_lateness, waited_for
from analytics.monitoring.runs.cells import CELLS, CellQuestion, report_cells
from analytics.stitching.privacy.journal import erasures
from analytics.store.paths import Paths
from analytics.touches.rules import PathRules
from expectations import contract
from expectations.config.durations import as_text, parse_duration
from expectations.errors import DefinitionError, StorageError, nearest, said
from expectations.lake import files
from expectations.lake.layout import EVENTS, LINKS, REPORTED, Lake
from expectations.lake.tables import landed, scan

POSITIONS: Final = pl.Schema({contract.TOPIC: pl.String(), contract.PARTITION: pl.Int32(), contract.OFFSET: pl.Int64()})
_SECRET: Final = {"identities": {"salt"}}
"""Changes no count, and is kept nowhere else."""


@dataclass(frozen=True, eq=False)
class KeptRun:
    """What a report told (`cells`), and what is needed to say why a later one tells otherwise.

    `positions` are the last offsets that were read, `rows` how many rows of table `events` lay up to them;
    `decided_by` is the time of the last decision about links that was known. `waited` is how long a period waited for
    late events then, `erasures` how many the lake had seen, and `k` the least count that was published.
    """

    run: str
    at: datetime
    end_of_data: datetime
    rules: PathRules
    question: CellQuestion
    positions: pl.DataFrame
    rows: int
    decided_by: datetime | None
    waited: timedelta
    erasures: int
    k: int
    cells: pl.DataFrame

    def landed(self) -> pl.Expr:
        """Whether a row of table `events` had landed when the report was made."""
        names = _stream_names(pl.col(contract.TOPIC), pl.col(contract.PARTITION))
        keys = self.positions.select(_stream_names(pl.col(contract.TOPIC), pl.col(contract.PARTITION))).to_series()
        if keys.is_empty():
            return pl.lit(False)
        last = names.replace_strict(keys, self.positions[contract.OFFSET], default=None, return_dtype=pl.Int64)
        return (pl.col(contract.OFFSET).fill_null(0) <= last).fill_null(False)

    def is_asked_like(self, other: KeptRun) -> bool:
        """Whether both counted by the same definitions."""
        return self.question == other.question and self.rules_text == other.rules_text

    @property
    def rules_text(self) -> str:
        """The rules by which paths were made, as text."""
        return _text_of(self.rules.model_dump(exclude=_SECRET))


def _stream_names(topic: pl.Expr, partition: pl.Expr) -> pl.Expr:
    return pl.concat_str(topic.fill_null(""), partition.fill_null(-1).cast(pl.String), separator="\n")


def run_of(
    lake: Lake, paths: Paths, rules: PathRules, question: CellQuestion, *, run: str, at: datetime, k: int, erased: int
) -> KeptRun:
    """What the report `run` of this time tells over these paths of the lake, which have an end of data.

    `erased` is how many erasures the lake had seen before the paths were opened.
    """
    end = paths.end_of_data
    assert end is not None, "a report has data"
    version = paths.built_from.get(EVENTS)
    events = landed(lake, version if isinstance(version, int) else None)
    counted = events.group_by(contract.TOPIC, contract.PARTITION).agg(
        pl.col(contract.OFFSET).max().fill_null(0), pl.len().cast(pl.Int64).alias("rows")
    )
    streams = counted.sort(contract.TOPIC, contract.PARTITION).collect(engine="streaming")
    links = paths.built_from.get(LINKS)
    decided = (
        None
        if not isinstance(links, int)
        else scan(lake, LINKS, contract.LINKS, links).select(pl.col("decided_at").max()).collect().item()
    )
    return KeptRun(
        run=run,
        at=at,
        end_of_data=end,
        rules=rules,
        question=question,
        positions=streams.select(*POSITIONS),
        rows=int(streams["rows"].sum()),
        decided_by=decided,
        waited=_waited(lake, paths, end),
        erasures=erased,
        k=k,
        cells=report_cells(paths, question),
    )


def _waited(lake: Lake, paths: Paths, end: datetime) -> timedelta:
    """How long a cell waits for late events: for the slowest channel."""
    if contract.CHANNEL not in paths.schema:
        return waited_for({}, {})
    used = usage(paths, by=contract.CHANNEL).filter(~pl.col("is_total"), pl.col(contract.CHANNEL).is_not_null())
    touches = used.group_by(contract.CHANNEL).agg(pl.col("touches").sum())
    return waited_for({str(name): count for name, count in touches.iter_rows()}, channel_lateness(lake, end))


def keep_run(lake: Lake, kept: KeptRun, published: Mapping[str, Any] | None = None) -> None:
    """Keeps a run, in place of one of this name; `published` are its published frames, as `site.json` has them.

    Nothing of a run stays that was made while a customer was erased. Raises `StorageError` if the lake cannot be
    written.
    """
    folder = f"{lake.table(REPORTED)}/{kept.run}"
    facts = {
        "run": kept.run,
        "at": kept.at,
        "end_of_data": kept.end_of_data,
        "rules": kept.rules.model_dump(exclude=_SECRET),
        "goals": [goal.model_dump() for goal in kept.question.goals],
        "window": kept.question.window,
        "timezone": kept.question.timezone,
        "positions": kept.positions.rows(),
        "rows": kept.rows,
        "decided_by": kept.decided_by,
        "waited": kept.waited,
        "erasures": kept.erasures,
        "k": kept.k,
    }
    try:
        files.write_rows(f"{folder}/cells.parquet", kept.cells)
        if published is not None:
            text = json.dumps(published, ensure_ascii=False)
            files.write(f"{folder}/site.json.gz", gzip.compress(text.encode(), mtime=0))
        files.write(f"{folder}/run.json", _text_of(facts).encode())
        if erasures(lake) != kept.erasures:
            files.remove(folder)
    except OSError as error:
        raise StorageError("What a report told cannot be kept in the lake.", where=folder, found=said(error)) from error


def _text_of(facts: Any) -> str:
    return json.dumps(facts, default=_as_json, ensure_ascii=False)


def _as_json(value: Any) -> Any:
    if isinstance(value, timedelta):
        return as_text(value)
    return value.isoformat() if hasattr(value, "isoformat") else list(value)


def kept_names(lake: Lake) -> list[str]:
    """The names of the runs that the lake keeps, oldest first.

    >>> kept_names(Lake("nowhere"))
    []
    """
    folder = lake.table(REPORTED)
    return [name.partition("/")[0] for name in files.listing(folder) if name.endswith("/run.json")]


def kept_run(lake: Lake, name: str) -> KeptRun:
    """The run of this name. Raises `DefinitionError` with the nearest name where the lake keeps no such run."""
    folder = f"{lake.table(REPORTED)}/{name}"
    content = files.read(f"{folder}/run.json") if name and "/" not in name else None
    if content is None:
        names = kept_names(lake)
        raise DefinitionError(
            f"The lake keeps no report {name!r}.",
            expected=f"one of {', '.join(names[-10:])}" if names else "a run of `journeys report`: none is kept yet",
            do=nearest(name, names),
        )
    try:
        facts = json.loads(content)
        goals = tuple(Goal.model_validate_json(json.dumps(goal)) for goal in facts["goals"])
        window = None if facts["window"] is None else parse_duration(facts["window"])
        decided = facts["decided_by"]
        return KeptRun(
            run=facts["run"],
            at=datetime.fromisoformat(facts["at"]),
            end_of_data=datetime.fromisoformat(facts["end_of_data"]),
            rules=PathRules.model_validate_json(json.dumps(facts["rules"])),
            question=CellQuestion(goals, window, facts["timezone"]),
            positions=pl.DataFrame(facts["positions"], POSITIONS, orient="row"),
            rows=facts["rows"],
            decided_by=None if decided is None else datetime.fromisoformat(decided),
            waited=parse_duration(facts["waited"]),
            erasures=facts["erasures"],
            k=facts["k"],
            cells=files.read_rows(f"{folder}/cells.parquet").select(*CELLS).cast(CELLS),
        )
    except (ValueError, KeyError, TypeError, OSError, pl.exceptions.PolarsError) as error:
        raise StorageError(
            "What a report told cannot be read.",
            where=folder,
            found=said(error),
            do="remove this folder: the report cannot be compared with others any more",
        ) from error


def kept_site(lake: Lake, name: str) -> dict[str, Any] | None:
    """The published frames of a run, as `site.json` had them; null where they are not kept, or were withdrawn."""
    content = files.read(f"{lake.table(REPORTED)}/{name}/site.json.gz")
    found: dict[str, Any] | None = None if content is None else json.loads(gzip.decompress(content))
    return found
