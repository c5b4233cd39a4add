"""The path store: every customer's touches in time order, in parts that analyses scan one by one.

Every analysis takes a `Paths`. It is opened from a lake (`Paths.open`) or made from any frame
(`Paths.from_frame`). A stored one is a folder, local or in an object store:

    manifest.json            the current generation, its parts, the end of the data; replaced in one atomic step
    <generation>/            part-00000.touches.parquet, part-00000.customers.parquet, ..., and where refreshes changed
                             a part part-00000.changes.parquet, which of its touches are kept, and
                             part-00000.later.parquet, those that follow them;
                             dictionaries.parquet, schema.parquet

A new generation is written beside the old one and becomes visible when the manifest is replaced, so that a writer
that is killed leaves the old store as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import datetime
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar

import polars as pl
from polars.io.plugins import register_io_source

from analytics.store.columns import AFTER_GOAL, AT, CUSTOMER, JOURNEY, TOUCHES, TOUCHPOINT
from analytics.store.definition import JourneyDefinition, JourneyRules
from analytics.store.encoding import Dictionaries, DictionaryBuilder, encoded, narrow_time
from analytics.store.frames import ArrowTable, as_polars, as_utc, micros, standard_columns
from analytics.store.manifest import read_manifest, store_folder
from analytics.store.ordering import sorted_touches, split_at_customers
from analytics.store.parts import DerivedColumn, Part, decoded
from analytics.store.text import time_after_start, touches_of_text
from analytics.store.writer import StoreWriter
from expectations.errors import DefinitionError, nearest
from expectations.lake import files
from expectations.lake.layout import Lake

if TYPE_CHECKING:
    from arro3.core import RecordBatch

MAX_TIME: Final = 2**62
SHOWN_WORDS: Final = 3

_T = TypeVar("_T")


class PartRunner(Protocol):
    """Runs a task over the parts of stored paths elsewhere than in this process, such as on a cluster."""

    def results(
        self,
        paths: Paths,
        task: Callable[[Part, Dictionaries], _T],
        gather: Callable[[Sequence[_T]], _T] | None = None,
    ) -> list[_T]:
        """The result of the task for every part, in order; with `gather`, any results that gather to the same."""


class Paths:
    """The touches of all customers, in parts, with the dictionaries of their text columns.

    `objected` are the keys of the customers who object to profiling. `home` is the folder of the generation that was
    opened; empty for paths in memory. A `runner` reads the parts elsewhere; without one, this process does. The columns
    `derived` are worked out as parts are read.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        schema: Mapping[str, pl.DataType],
        dictionaries: Mapping[str, pl.Series],
        end_of_data: datetime | None,
        built_from: Mapping[str, Any] | None = None,
        *,
        definition: JourneyDefinition | None = None,
        objected: Iterable[str] = (),
        home: str = "",
    ) -> None:
        self.parts: Final = tuple(parts)
        self.schema: Final = pl.Schema(schema)
        self.dictionaries: Final = dict(dictionaries)
        self.end_of_data: Final = end_of_data
        self.built_from: Final = dict(built_from or {})
        self.definition: Final = definition
        self.objected: Final = frozenset(objected)
        self.home: Final = home
        self.runner: PartRunner | None = None
        self.derived: Final = {column.name: column for part in self.parts[:1] for column in part.derived}

    @classmethod
    def open(cls, lake: str | Path | Lake) -> Paths:
        """Opens the stitched store of a lake, or a folder that `save` wrote.

        Raises `StorageError` when there is none, or when it has another format.

        >>> Paths.open("nowhere")
        Traceback (most recent call last):
        expectations.errors.StorageError: There is no path store.
          where: nowhere
          expected: manifest.json of a path store, or of a lake with one in its folder paths
          do: run `journeys stitch`, or save one with Paths.save
        """
        folder = store_folder(lake)
        manifest = read_manifest(folder)
        home = f"{folder}/{manifest['generation']}"
        schema = files.read_rows(f"{home}/schema.parquet").schema
        dictionaries = stored_dictionaries(home, manifest["text"])
        parts = [
            Part(p["number"], p["touches"], p["customers"], f"{home}/{p['name']}", changed=p["changed"])
            for p in manifest["parts"]
        ]
        end, journeys = manifest["end_of_data"], manifest["journeys"]
        return cls(
            parts,
            schema,
            dictionaries,
            end and datetime.fromisoformat(end),
            manifest["built_from"],
            definition=journeys and JourneyDefinition.from_plain(journeys),
            objected=manifest.get("objected", ()),
            home=home,
        )

    @classmethod
    def from_frame(
        cls,
        frame: pl.DataFrame | pl.LazyFrame | ArrowTable,
        *,
        customer: str = CUSTOMER,
        at: str = AT,
        touchpoint: str = TOUCHPOINT,
        end_of_data: datetime | None = None,
        sequence: str | None = None,
        rules: JourneyRules | None = None,
    ) -> Paths:
        """Paths from any frame (polars, pandas, Arrow): one row per touch, in any order; all other columns are kept.

        With `rules` (`PathRules`), touches get the stage, session and journey that these give them.

        `customer` may have any type. `at` is a Datetime or Date; without a zone it is taken as UTC. `touchpoint` is
        text, or is cast to it. Touches of one instant are ordered by column `sequence`, by default as in the frame. The
        end of the data is `end_of_data`, by default the last touch. A frame without rows gives empty paths. Raises
        `DefinitionError` for a missing column, `InputError` for a touch without customer or time, or no frame.

        >>> from datetime import datetime
        >>> frame = pl.DataFrame({"user": [1, 1], "t": [datetime(2024, 1, 1), datetime(2024, 1, 2)], "e": ["a", "b"]})
        >>> Paths.from_frame(frame, customer="user", at="t", touchpoint="e")
        Paths(2 touches of 1 customers, to 2024-01-02 00:00 UTC)
        """
        touches = standard_columns(as_polars(frame), {customer: CUSTOMER, at: AT, touchpoint: TOUCHPOINT}, sequence)
        last = touches[AT].max() if len(touches) else None
        assert last is None or isinstance(last, datetime)
        end, definition = end_of_data or last, None
        if rules is not None:
            touches, definition = rules.on_touches(touches.sort(sequence) if sequence else touches, end)
        ordered, keys, counts = sorted_touches(touches, sequence)
        words = DictionaryBuilder()
        table = encoded(ordered.drop(CUSTOMER), words)
        parts = []
        for number, (rows, people) in enumerate(split_at_customers(counts)):
            customers = pl.DataFrame({CUSTOMER: keys[people], TOUCHES: counts[people]})
            frame_ = table[rows].with_columns(narrow_time(ordered[AT][rows]))
            parts.append(Part(number, len(frame_), len(customers), frames=(frame_, customers)))
        utc = None if end is None else as_utc(end)
        return cls(parts, touches.schema, words.dictionaries, utc, definition=definition)

    @classmethod
    def from_text(
        cls, journeys: Mapping[str, str], *, end: str | None = None, rules: JourneyRules | None = None
    ) -> Paths:
        """Paths written as text, one customer per key: `name@time`, with the time after 1 January 2024 in s, m, h or d.

        Columns of a touch follow in brackets, names with blanks stand in double quotes: see `analytics.store.text`.
        The end of the data is `end`, written as the times are, or else the last touch. With `rules` (`PathRules`),
        touches get the stage, session and journey that these give them. No text gives empty paths.
        Raises `DefinitionError` for text that is not a touch.

        >>> Paths.from_text({"ann": "visit@0m pay@2d", "bob": "visit@1h[device=phone]"})
        Paths(3 touches of 2 customers, to 2024-01-03 00:00 UTC)
        """
        given = time_after_start(end) if end else None
        return cls.from_frame(touches_of_text(journeys), end_of_data=given, rules=rules)

    def between(self, start: datetime | None = None, end: datetime | None = None) -> Paths:
        """The touches at `start <= t < end`; None is no limit. The end of the data stays as it is.

        Journeys and sessions are those of all touches, cut. To count whole journeys or customers by their beginning,
        give `start` and `end` to the measure instead. Nothing is copied: parts are cut as they are read.

        >>> from datetime import UTC, datetime
        >>> shop = Paths.from_text({"ann": "visit@0m pay@2d", "bob": "visit@1h"})
        >>> shop.between(datetime(2024, 1, 2, tzinfo=UTC))
        Paths(1 touches of 1 customers, to 2024-01-03 00:00 UTC)
        """
        first, last = (None if time is None else micros(as_utc(time)) for time in (start, end))
        span = (-MAX_TIME if first is None else first, MAX_TIME if last is None else last)
        return self._cut(Part.between, *span)._changed(built_from={})

    def begun_between(self, start: datetime | None = None, end: datetime | None = None) -> Paths:
        """The journeys that begin at `start <= t < end`, with all their touches; None is no limit.

        The end of the data stays as it is, so that later touches count. Touches of no journey are those of that time.
        Paths without journeys are cut as by `between`. Nothing is copied.

        >>> from datetime import UTC, datetime
        >>> shop = Paths.from_text({"ann": "visit@0m[journey=1] pay@2d[journey=1]", "bob": "visit@1d[journey=1]"})
        >>> shop.begun_between(end=datetime(2024, 1, 2, tzinfo=UTC))
        Paths(2 touches of 1 customers, to 2024-01-03 00:00 UTC)
        """
        if JOURNEY not in self.schema:
            return self.between(start, end)
        first, last = (None if time is None else micros(as_utc(time)) for time in (start, end))
        span = (-MAX_TIME if first is None else first, MAX_TIME if last is None else last)
        return self._cut(Part.begun_between, *span)

    def begun_with(self, column: str, value: str, *, unit: Literal["journey", "session", "customer"]) -> Paths:
        """The units that begin with a touch that has this value in a text column, with all their touches.

        The value is that of a breakdown. A touch of no journey or session stands for itself; paths without journeys, or
        sessions, have one unit per customer. Nothing is copied. Raises `DefinitionError` for a column that is not there
        or is no text.

        >>> shop = Paths.from_text({"ann": "visit@0m[device=app] pay@2d[device=web]", "bob": "visit@1d[device=web]"})
        >>> shop.begun_with("device", "app", unit="customer")
        Paths(2 touches of 1 customers, to 2024-01-03 00:00 UTC)
        """
        code = self.values_of(column).index_of(value)
        numbered = unit if unit != CUSTOMER and unit in self.schema else ""
        cut = partial(_starting_with, column, -1 if code is None else code, numbered)
        return self._cut(cut)

    def with_columns(self, columns: Iterable[DerivedColumn]) -> Paths:
        """The same paths with more text columns, worked out as parts are read; one of the same name is replaced."""
        made = {**self.derived, **{column.name: column for column in columns}}
        return self._changed(
            parts=tuple(replace(part, derived=tuple(made.values())) for part in self.parts),
            schema=pl.Schema({**self.schema, **dict.fromkeys(made, pl.String())}),
            dictionaries={**self.dictionaries, **{name: column.words for name, column in made.items()}},
            derived=made,
        )

    if TYPE_CHECKING:

        def with_segments(self, definitions: Any) -> Paths:
            """`analytics.with_segments`, which is bound to the class there."""

        def with_personas(self, personas: Any, only: str | None = None) -> Paths:
            """`analytics.with_personas`, which is bound to the class there."""

        def describe(self) -> pl.DataFrame:
            """`analytics.described`, which is bound to the class there."""

    @property
    def stored(self) -> Paths:
        """The same paths without the columns that are worked out."""
        if not self.derived:
            return self
        names = [name for name in self.schema if name not in self.derived]
        return self._changed(
            parts=tuple(replace(part, derived=()) for part in self.parts),
            schema=pl.Schema({name: self.schema[name] for name in names}),
            dictionaries={name: words for name, words in self.dictionaries.items() if name not in self.derived},
            derived={},
        )

    def of_journeys(self) -> Paths:
        """The touches of journeys, without their aftermath; all touches where paths have no aftermath.

        >>> shop = Paths.from_text({"ann": "visit@0m pay@2d"})
        >>> shop.of_journeys() is shop
        True
        """
        if AFTER_GOAL not in self.schema:
            return self
        return self._cut(Part.of_journeys)._changed(built_from={})

    def _cut(self, cut: Callable[..., Part], *limits: int) -> Paths:
        """The paths with every part cut."""
        parts = self.each(partial(_cut_part, cut, limits))
        return self._changed(parts=tuple(replace(part, derived=tuple(self.derived.values())) for part in parts))

    def each(self, task: Callable[[Part, Dictionaries], _T]) -> list[_T]:
        """The result of a task for every part, in order: one part after the other, or where the `runner` reads them."""
        if self.runner is not None:
            return self.runner.results(self, task)
        return [task(part, self.dictionaries) for part in self.parts]

    def read_by(self, runner: PartRunner | None) -> Paths:
        """The same paths, whose parts `runner` reads; None: this process."""
        return self._changed(runner=runner)

    def _changed(self, **attributes: Any) -> Paths:
        """The same paths but for these attributes."""
        changed = copy(self)
        vars(changed).update(attributes)
        return changed

    def defined_by(self, definition: JourneyDefinition) -> Paths:
        """The same paths, whose journeys were cut by `definition`."""
        return self._changed(definition=definition)

    def save(self, folder: str | Path | Lake) -> None:
        """Writes the parts to `folder` and replaces a store that is there; `Paths.open(folder)` gives equal paths."""
        address = folder.paths if isinstance(folder, Lake) else folder
        with StoreWriter(address) as writer:
            for part in self.parts:
                writer.add_part(part)
            writer.words.dictionaries.update(self.dictionaries)
            writer.schema = self.schema
            writer.finish(
                end_of_data=self.end_of_data,
                built_from=self.built_from,
                definition=self.definition,
                objected=self.objected,
            )

    @property
    def columns(self) -> list[str]:
        """The columns of a touch; `customer`, `at` and `touchpoint` first."""
        return self.schema.names()

    @property
    def customers(self) -> int:
        """The number of customers."""
        return sum(part.customers for part in self.parts)

    def __len__(self) -> int:
        return sum(part.touches for part in self.parts)

    def __repr__(self) -> str:
        end = f", to {self.end_of_data:%Y-%m-%d %H:%M} UTC" if self.end_of_data else ""
        return f"Paths({len(self)} touches of {self.customers} customers{end})"

    def _repr_html_(self) -> str:
        """What a notebook shows: how much there is, and each column with its first words; nothing is read.

        No customer is shown.
        """
        cells = [[name, str(dtype), *self._words_of(name)] for name, dtype in self.schema.items()]
        head = "".join(f"<th>{name}</th>" for name in ("column", "type", "words", "such as"))
        rows = ("".join(f"<td>{escape(text)}</td>" for text in row) for row in cells)
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<p>{escape(repr(self))}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _words_of(self, column: str) -> tuple[str, str]:
        """How many words a column has, and the first of them; blank for other columns."""
        words = self.dictionaries.get(column)
        return ("", "") if words is None else (f"{len(words):,}", ", ".join(words.head(SHOWN_WORDS)))

    def values_of(self, column: str) -> pl.Series:
        """The words of a text column, in the order of their codes. Raises `DefinitionError` for other columns."""
        self.require(column)
        if column not in self.dictionaries:
            raise DefinitionError(f"Column {column!r} has no dictionary.", expected="a text column")
        return self.dictionaries[column]

    def require(self, *columns: str) -> None:
        """Raises `DefinitionError` with the nearest name when one of `columns` does not exist."""
        for column in columns:
            if column not in self.schema:
                raise DefinitionError(
                    f"There is no column {column!r}.",
                    expected=f"one of {', '.join(self.columns)}",
                    do=nearest(column, self.columns),
                )

    def require_touches(self) -> Paths:
        """These paths; raises `DefinitionError` where they have no touch.

        >>> len(Paths.from_text({"ann": "visit@0m"}).require_touches())
        1
        """
        if not len(self):
            raise DefinitionError("There are no touches.", do="land events, then run `journeys stitch`")
        return self

    def read(self, part: Part, columns: Sequence[str]) -> pl.DataFrame:
        """Decoded columns of one part: Enum for text, Datetime(us, UTC) for `at`; sorted by customer and time."""
        self.require(*columns)
        return decoded(part, columns, self.dictionaries)

    def without_objectors(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows about single customers (column `customer`) without the customers who object to profiling.

        Rows about no single customer stay: those without this column, or with null in it.

        >>> shop = Paths.from_text({"ann": "visit@0m", "bo": "visit@1m"})
        >>> asked = Paths(shop.parts, shop.schema, shop.dictionaries, shop.end_of_data, objected=["bo"])
        >>> asked.without_objectors(pl.DataFrame({"customer": ["ann", "bo", None]}))["customer"].to_list()
        ['ann', None]
        """
        if not self.objected or CUSTOMER not in rows.columns:
            return rows
        return rows.filter(~pl.col(CUSTOMER).cast(pl.String).is_in(list(self.objected)).fill_null(False))

    @property
    def touches(self) -> pl.LazyFrame:
        """All touches, sorted by customer within a part and by time, text as String; read part by part."""

        def rows(
            columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, _: int | None
        ) -> Iterator[pl.DataFrame]:
            wanted, left = columns or self.columns, limit
            for part in self.parts:
                frame = decoded(part, wanted, self.dictionaries)
                text = [name for name in wanted if name in self.dictionaries]
                frame = frame.with_columns(pl.col(text).cast(pl.String))
                if left is not None:
                    frame = frame.head(left)
                    left -= len(frame)
                yield frame if predicate is None else frame.filter(predicate)

        return register_io_source(rows, schema=self.schema)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """All touches in Arrow's format, part by part: `pyarrow.table(paths)`, `duckdb.sql("from paths")`.

        >>> pl.DataFrame(Paths.from_text({"ann": "visit@0m pay@2d"})).columns
        ['customer', 'at', 'touchpoint']
        """
        from arro3.core import RecordBatchReader, Table

        def batches() -> Iterator[RecordBatch]:
            for part in self.parts:
                frame = decoded(part, self.columns, self.dictionaries)
                yield from Table.from_arrow(frame.cast(self.schema)).to_batches()

        schema = Table.from_arrow(pl.DataFrame(schema=self.schema)).schema
        return RecordBatchReader.from_batches(schema, batches()).__arrow_c_stream__(requested_schema)

    def to_arrow(self) -> Any:
        """All touches as a table of pyarrow, which must be installed; large paths are read from the paths themselves.

        >>> Paths.from_text({"ann": "visit@0m pay@2d"}).to_arrow().num_rows
        2
        """
        return pl.DataFrame(self).to_arrow()

    def to_pandas(self) -> Any:
        """All touches as a frame of pandas, which must be installed, with pyarrow.

        >>> Paths.from_text({"ann": "visit@0m pay@2d"}).to_pandas().shape
        (2, 3)
        """
        return pl.DataFrame(self).to_pandas()


def stored_dictionaries(home: str, text: Iterable[str]) -> dict[str, pl.Series]:
    """The dictionaries of the generation in folder `home`; `text` are its text columns, of which some have no word."""
    words = files.read_rows(f"{home}/dictionaries.parquet").partition_by("column", as_dict=True, maintain_order=True)
    stored = {str(column): frame["word"].alias(str(column)) for (column,), frame in words.items()}
    empty = pl.Series([], dtype=pl.String)
    return stored | {name: empty.alias(name) for name in text if name not in stored}


def _cut_part(cut: Callable[..., Part], limits: tuple[int, ...], part: Part, _: Dictionaries) -> Part:
    return replace(cut(part, *limits), derived=())  # what is derived stays where the paths are


def _starting_with(column: str, code: int, unit: str, part: Part) -> Part:
    return part.starting_with(column, code, unit)
