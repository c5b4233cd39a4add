"""Help that was needed: is a contact the only one, did the web come before it, is it passed on?

A **contact** is a touch in which a customer asks a person or a machine for help: a call, a chat, a mail, a store desk.
Tools of contact centres see one channel; stitched paths link them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from analytics.engine.analysis import SMALL, Cells, answer, measured_by
from analytics.engine.conditions import Step, Words
from analytics.engine.matching import Matcher, has_bit, matcher_of
from analytics.engine.notices.unknown_words import unknown_steps, warn_of_unknown
from analytics.engine.partials import add_up, numbered, sums_by_customer, totals_first
from analytics.engine.run import run
from analytics.engine.units import are_followed
from analytics.experience.neighbours import NONE, Flags, Ints, Neighbours, lies_within, row_after
from analytics.paths.view import Breakdown, By
from analytics.statistics.shares import customer_columns, customers_of, share_columns, square_columns
from analytics.store.columns import AT, JOURNEY, SESSION, TOUCHPOINT
from analytics.store.encoding import Dictionaries
from analytics.store.frames import micros
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.config.durations import Duration, duration
from expectations.config.file import Section
from expectations.errors import DefinitionError

CHANNEL: Final = "channel"
WEB: Final = ("web", "app")
RATES: Final = {
    "first_contact_resolution": ("resolved", "mature"),
    "web_then_call_rate": ("after_web", "outside_web"),
    "transfer_rate": ("transferred", "mature"),
    "containment_rate": ("contained", "chats"),
}
RATES_OF: Final = dict(RATES.values())
CONDITIONS: Final = ("contact", "chats", "web", "transfers")
COUNTS: Final = ("contacts", "mature", "resolved", "outside_web", "after_web", "transferred", "chats", "contained")
NOT: Final = {
    "resolved": "repeated",
    "after_web": "not_after_web",
    "transferred": "not_transferred",
    "contained": "not_contained",
}
"""The counts of shares, and what is left of their wholes."""
BEHIND: Final = {f"customers_{name}": name for pair in NOT.items() for name in pair}
"""The columns of distinct customers, and the counts that they stand behind."""
SHOWN: Final = ("contacts", "mature", "open", "resolved", "repeated", *COUNTS[3:])
SHARES: Final = ("first_contact_resolution", "repeat_rate", *list(RATES)[1:])
ENDS: Final = ("", "_low", "_high")


class ContactSettings(Section):
    """`[contacts]`: the touchpoints in which customers ask for help, and the arguments of `contacts`."""

    touchpoints: tuple[str, ...] = Field(default=(), description="touchpoints in which customers ask for help")
    chats: tuple[str, ...] = Field(default=(), description="those of them that may be contained")
    transfers: tuple[str, ...] = Field(default=(), description="touchpoints that pass a contact on")
    web: tuple[str, ...] = Field(default=WEB, description="the channels of the web")
    reason: str | None = Field(default=None, description="a text column")
    repeat: Duration = Field(default=timedelta(days=7), description="time in which another contact is a repeat")
    before: Duration = Field(default=timedelta(hours=24), description="time before a contact in which the web was used")
    contained: Duration = Field(
        default=timedelta(hours=24), description="time without another contact after a chat that is contained"
    )

    @model_validator(mode="after")
    def _take_time(self) -> ContactSettings:
        for name in ("repeat", "before", "contained"):
            if getattr(self, name) <= timedelta():
                raise ValueError(f"{name} is longer than 0")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of `contacts`, but for the contact."""
        return {name: getattr(self, name) for name in type(self).model_fields if name != "touchpoints"}


@dataclass(frozen=True, eq=False)
class Contacts:
    """Counts contacts, by group."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        customers=pl.Int64,
        **dict.fromkeys((*SHOWN, *BEHIND), pl.Int64),
        **{f"{name}{end}": pl.Float64 for name in SHARES for end in ENDS},
    )
    CELLS: ClassVar[Cells | None] = None
    BOUND: ClassVar[int] = SMALL

    matcher: Matcher
    places: dict[str, int]
    by: Breakdown
    reason: str | None
    repeat: int
    before: int
    contained: int
    end: datetime | None
    stored: tuple[str, ...]
    """Which of touchpoint, channel, session and journey the paths have."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        asked = [AT, *self.stored, *self.matcher.columns, *self.by.columns, *([self.reason] if self.reason else [])]
        return tuple(dict.fromkeys(asked))

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        squares = [name for pair in RATES.values() for name in square_columns(*pair)]
        behind = map(customers_of, BEHIND.values())
        return {**self.by.keys, **dict.fromkeys(("customers", *COUNTS, *squares, *behind), pl.Int64)}

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The contacts of one part."""
        codes, bits = self.matcher.match(part, part.read(self.matcher.columns), words)
        is_contact, is_chat, in_web, passed_on = (has_bit(bits, self.places[name]) for name in CONDITIONS)
        rows = np.flatnonzero(is_contact[codes])
        touches, chat, outside = Neighbours.of(part), is_chat[codes[rows]], ~in_web[codes[rows]]
        mature = are_followed(touches.times[rows], max(self.repeat, self.contained), self.end)
        reason = self._reasons(part, rows)
        again = _next_alike(touches, rows, rows, reason, reason)
        elsewhere = _next_alike(touches, rows, rows[~chat], reason, reason[~chat])
        web = np.flatnonzero((in_web & ~is_contact)[codes])
        values = {
            "contacts": np.ones(len(rows), np.bool_),
            "mature": mature,
            "resolved": mature & ~lies_within(again, self.repeat),
            "outside_web": mature & outside & (self.places["web"] >= 0),
            "after_web": mature & outside & self._after_web(part, touches, rows, web),
            "transferred": mature & self._transferred(part, touches, rows, np.flatnonzero(passed_on[codes])),
            "chats": mature & chat,
            "contained": mature & chat & ~lies_within(elsewhere, self.contained),
        }
        values |= {other: values[RATES_OF[name]] & ~values[name] for name, other in NOT.items()}
        person = np.searchsorted(part.bounds(), rows, side="right") - 1
        tables = []
        for groups in self.by.keyed(part, words, rows):
            keys, cell = numbered(groups)
            asked: dict[str, Any] = {"shares": [*RATES.values()], "people_of": [*BEHIND.values()]}
            sums = sums_by_customer(cell, person, values, len(keys), **asked)
            tables.append(pl.concat([keys, sums], how="horizontal").select(*self.schema))
        return pl.concat(tables)

    def _reasons(self, part: Part, rows: Ints) -> Ints:
        """The number of the reason of each contact; `NONE` where none is given."""
        if self.reason is None:
            return np.full(len(rows), NONE)
        return part.read([self.reason])[self.reason].gather(rows).cast(pl.Int64).fill_null(NONE).to_numpy()

    def _after_web(self, part: Part, touches: Neighbours, rows: Ints, web: Ints) -> Flags:
        """Which contacts have a touch in the web before them, in time and in the same journey."""
        journey = np.zeros(len(touches.times), np.int64)
        if JOURNEY in self.stored:
            journey = part.read([JOURNEY])[JOURNEY].cast(pl.Int64).fill_null(0).to_numpy()
        found = np.zeros(len(rows), np.bool_)
        for of, there in ((journey[rows] == 0, journey[web] == 0), (journey[rows] != 0, journey[web] != 0)):
            own = rows[of]
            last = touches.earlier(own, web[there])
            near = touches.times[own] - touches.times[last] <= self.before
            found[of] = (last != NONE) & near & (journey[own] == journey[last])
        return found

    def _transferred(self, part: Part, touches: Neighbours, rows: Ints, passed_on: Ints) -> Flags:
        """Which contacts go on in their session as another kind of contact, or with a touch that passes them on."""
        if SESSION not in self.stored:
            return np.zeros(len(rows), np.bool_)
        session = part.read([SESSION])[SESSION].cast(pl.Int64).fill_null(NONE).to_numpy()
        kind = part.read([name for name in (TOUCHPOINT, CHANNEL) if name in self.stored]).with_columns(
            pl.all().cast(pl.Int64).fill_null(NONE)
        )
        following = row_after(rows, rows + 1, touches.end[rows])
        other = np.zeros(len(rows), np.bool_)
        for name in kind.columns:
            of = kind[name].to_numpy()
            other |= of[following] != of[rows]
        marked = row_after(passed_on, rows + 1, np.where(following == NONE, touches.end[rows], following))
        is_known = session[rows] != NONE
        found: Flags = is_known & (
            ((following != NONE) & other & (session[following] == session[rows]))
            | ((marked != NONE) & (session[marked] == session[rows]))
        )
        return found

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts."""
        return add_up(partials, [*self.by.keys], self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `contacts`."""
        shares = [column for name, pair in RATES.items() for column in share_columns(merged, name, *pair)]
        first = "first_contact_resolution"
        table = merged.with_columns(*shares, *customer_columns(BEHIND)).with_columns(
            (pl.col("contacts") - pl.col("mature")).alias("open"),
            (pl.col("mature") - pl.col("resolved")).alias("repeated"),
            (1 - pl.col(first)).alias("repeat_rate"),
            (1 - pl.col(f"{first}_high")).alias("repeat_rate_low"),
            (1 - pl.col(f"{first}_low")).alias("repeat_rate_high"),
        )
        if SESSION not in self.stored:
            table = table.with_columns(pl.lit(None, pl.Float64).alias(f"transfer_rate{end}") for end in ENDS)
        return totals_first(table, self.by.names).select(*self.by.names, *self.SCHEMA)

    def exactly(self, merged: pl.DataFrame) -> Self:  # noqa: ARG002
        """The same: nothing is a quantile."""
        return self


def _next_alike(touches: Neighbours, rows: Ints, found: Ints, reason: Ints, reasons: Ints) -> Ints:
    """The time from each of `rows` to the customer's next of `found` at a later instant, of the same reason where both
    are given; `NONE` without one.
    """
    wait = touches.later(rows, found)
    for number in np.unique(reason[reason != NONE]).tolist():
        own = reason == number
        wait[own] = touches.later(rows[own], found[(reasons == number) | (reasons == NONE)])
    return wait


@measured_by(Contacts)
def contacts(
    paths: Paths,
    contact: Words | Step,
    *,
    by: By = (),
    reason: str | None = None,
    repeat: str | timedelta = "7d",
    web: Words | Step = WEB,
    before: str | timedelta = "24h",
    transfers: Words | Step = (),
    chats: Words | Step = (),
    contained: str | timedelta = "24h",
) -> pl.DataFrame:
    """Counts the contacts of customers, and which of them settle the matter.

    `contact` is a touchpoint, several, or a `Step`. A contact is **mature** when `repeat` and `contained` after it lie
    before the end of the data. It is **repeated** when the same customer makes another one at a later instant, at most
    `repeat` after it, in any channel, and with the same value in the text column `reason` where both have one;
    otherwise it is **resolved**. A contact outside the `web` (channels, or a `Step`) is **after web** when a touch in
    the web that is no contact precedes it by at most `before`, in the same journey where the paths have journeys (a
    journey is one need). It is **transferred** when the next contact in its session is of another touchpoint or
    channel, or a touch of `transfers` follows it in its session before the next contact. One of the `chats` is
    **contained** when no contact that is no chat follows it within `contained` (of the same reason, as above). All
    lengths include their edge.

    Columns: those of `by` (the value at the contact; stage, channel and reason are such columns); `is_total` Boolean
    (the row over all groups comes first, with null in `by`); Int64: `customers` (distinct), `contacts`, `mature`,
    `open` (the others), of mature ones `resolved`, `repeated`, `outside_web`, `after_web`, `transferred`, `chats`,
    `contained`; distinct customers behind them, `customers_resolved` and so on, and behind the rest of their wholes,
    `customers_not_after_web` and so on; Float64, each with its Wilson interval, judged by customers, in `_low` and
    `_high`:
    `first_contact_resolution` (resolved / mature), `repeat_rate` (repeated / mature), `web_then_call_rate` (after_web /
    outside_web), `transfer_rate` (transferred / mature), `containment_rate` (contained / chats); null where the whole
    is 0, `transfer_rate` also without a column `session`. Without a column `channel` nothing is outside the web, unless
    `web` is a `Step` of another column. No contact gives no rows. Raises `DefinitionError` for an unknown column, a
    reason that is no text, and a length that is not above 0; warns of a word that no touch has (`UnknownWordWarning`).

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "call@0d chat@3d", "bo": "call@0d chat@8d"}, end="60d")
    >>> contacts(shop, ["call", "chat"])["contacts", "resolved", "first_contact_resolution"].row(0)
    (4, 3, 0.75)
    """
    if reason is not None:
        paths.values_of(reason)
    lengths = {"repeat": duration(repeat), "before": duration(before), "contained": duration(contained)}
    for name, length in lengths.items():
        if length <= timedelta():
            raise DefinitionError("This takes some time.", expected=f"{name} above 0, such as 7d", found=str(length))
    on_web = None if CHANNEL not in paths.schema else CHANNEL
    steps = {
        "contact": contact_step(contact),
        "chats": _optional_step(chats),
        "web": _optional_step(web, on_web),
        "transfers": _optional_step(transfers),
    }
    given = [step for step in steps.values() if step]
    matcher, places = matcher_of(steps)
    paths.require(*matcher.columns)
    warn_of_unknown(unknown_steps(paths, given if web != WEB else [step for step in given if step.on != CHANNEL]))
    asked = Contacts(
        matcher,
        places,
        Breakdown.of(paths, by, [*Contacts.SCHEMA]),
        reason,
        micros(lengths["repeat"]),
        micros(lengths["before"]),
        micros(lengths["contained"]),
        paths.end_of_data,
        tuple(name for name in (TOUCHPOINT, CHANNEL, SESSION, JOURNEY) if name in paths.schema),
    )
    return run(paths, asked)


def contact_step(contact: Words | Step) -> Step:
    """What a contact is, as a step."""
    return contact if isinstance(contact, Step) else Step(contact)


def _optional_step(words: Words | Step, on: str | None = TOUCHPOINT) -> Step | None:
    """A step of these words of a column; None without words, or without the column."""
    if isinstance(words, Step):
        return words
    return Step(words, on=on) if words and on else None
