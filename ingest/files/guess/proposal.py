"""Proposes a journeys.toml for files: reads their first rows, guesses what they are, and decodes them as guessed."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from expectations import contract
from expectations.errors import InputError
from expectations.gate import contract_rules, judge
from ingest.decoding.decode import decode
from ingest.files.guess.mapping import FileGroup, Guess, guess
from ingest.files.guess.origins import RowOrigin
from ingest.files.guess.roles import NOBODY, Named
from ingest.files.guess.sample import sample_of
from ingest.files.guess.text import source_text, written
from ingest.files.guess.touchpoints import Plan, plan_of
from ingest.landing.refusals import refusals_of_gate
from ingest.message import Partition
from ingest.settings.ingest import FileRows, Limits, Messages, Query, Stream

_SHOWN: Final = 5
_TABLES_OF: Final[Mapping[str, type[Messages]]] = {"files": FileRows, "streams": Stream, "queries": Query}
_TABLES: Final = tuple(_TABLES_OF)
"""In the order in which a proposal has them."""
_LIMITS: Final = Limits()


@dataclass(frozen=True)
class Proposal:
    """A journeys.toml for files. `events` are the rows that were looked at as they would land, `refused` counts those
    that would not by reason and field.
    """

    sources: list[FileGroup]
    plan: Plan
    text: str
    events: pl.DataFrame
    refused: Mapping[tuple[str, str], int]
    rows: int

    @property
    def shown(self) -> pl.DataFrame:
        """The first few events as they would land."""
        rows = self.events.head(_SHOWN)
        mail = pl.Series([dict(each or ()).get("email_hash") for each in rows[contract.IDENTITIES]], dtype=pl.String)
        return rows.select(
            pl.coalesce(contract.CUSTOMER_ID, contract.ANONYMOUS_ID, mail, contract.SESSION_ID).alias("customer"),
            pl.col(contract.OCCURRED_AT).alias("at"),
            pl.col(contract.EVENT_NAME).alias("event"),
            *("channel", "revenue", "currency"),
        )


def sources_of(
    files: Mapping[str, Path],
    named: Named = NOBODY,
    tool: str = "",
    origins: Mapping[str, RowOrigin] | None = None,
    addresses: Mapping[str, str] | None = None,
) -> list[FileGroup]:
    """The files, by name, as sources of events: those of the same columns are one, and so are all those of a `tool`.
    `origins` are those of rows that lay in no file, `addresses` where the others were read, if not in these files.

    Raises InputError when a file cannot be read.
    """
    found = dict[Any, FileGroup]()
    for name, file in files.items():
        sample = sample_of(file, _LIMITS)
        made = Guess("", "json", [], [], [], tool=tool) if tool else guess(sample, named)
        place = (addresses or {}).get(name, str(file))
        if origin := (origins or {}).get(name):
            found[name] = FileGroup([name], made, sample, place, origin)
            continue
        key = (made.form, made.is_plain, tuple(sorted(made.columns)) if made.form == "json" else ())
        if key in found:
            if (pattern := pattern_of(name)) not in found[key].match:
                found[key].match.append(pattern)
        else:
            found[key] = FileGroup([pattern_of(name)], made, sample, place)
    return sorted(found.values(), key=lambda source: _TABLES.index(source.table))


def pattern_of(name: str) -> str:
    """The names of files that are like this one: numbers in it, such as a day, may be others, and it may be compressed.

    >>> pattern_of("events_2026-01-31.csv.gz")
    'events_*.csv*'
    """
    stem, dot, ending = re.sub(r"\.(gz|zst)$", "", name).rpartition(".")
    pattern = re.sub(r"[0-9*]+(?:[-_.T][0-9*]+)*", "*", re.sub(r"[][?]", "?", stem))
    return (stem if pattern == "*" else pattern) + dot + ending + "*"


def proposal_of(sources: Sequence[FileGroup]) -> Proposal:
    """The proposal for sources, none of which lacks a customer or a time. Raises InputError if no row could land."""
    first = [_landed(source, _rows_of(source_text(source))[0]) for source in sources]
    events = pl.concat([events for events, _ in first])
    if events.is_empty():
        raise InputError(
            "No row could land.",
            where=sources[0].place,
            expected="a row with a customer, a time and a name of an event",
            found=", ".join(f"{reason} {field}".strip() for _, reasons in first for reason, field in reasons),
            do=f"check that these are files of {sources[0].guess.tool}"
            if sources[0].guess.tool
            else "name the columns with --customer, --at and --touchpoint",
        )
    plan = plan_of(events)
    text = written(sources, plan, [name for name in events.columns if events[name].null_count() < events.height])
    landed = [_landed(source, rows) for source, rows in zip(sources, _rows_of(text), strict=True)]
    refused = sum((reasons for _, reasons in landed), Counter[tuple[str, str]]())
    count = sum(len(source.sample.records) for source in sources)
    return Proposal(list(sources), plan, text, pl.concat([events for events, _ in landed]), refused, count)


def _rows_of(text: str) -> list[Messages]:
    """The tables of `[[ingest.files]]`, streams and queries in a text."""
    given = tomllib.loads(text)["ingest"]
    return [kind.model_validate(table) for name, kind in _TABLES_OF.items() for table in given.get(name, ())]


def _landed(source: FileGroup, rows: Messages) -> tuple[pl.DataFrame, Counter[tuple[str, str]]]:
    """The rows that were looked at as events, and how many would be refused, by reason and field."""
    decoded = decode(source.sample.records, Partition("file", 0), rows.as_stream(), _LIMITS)
    verdict = judge(decoded.events, contract_rules(oldest=None))
    refused = Counter((refusal.reason, refusal.field or "") for refusal in decoded.refused)
    refused.update((refusal.reason, refusal.field or "") for refusal in refusals_of_gate(verdict.refused))
    return verdict.accepted.sort(contract.OFFSET, contract.PART), refused
