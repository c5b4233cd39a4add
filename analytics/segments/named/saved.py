"""`[[segments]]` in journeys.toml: segments as they are written there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Final, Self, cast

import polars as pl
from pydantic import Field, create_model, model_validator

from analytics.engine.local.money import Money
from analytics.engine.notices.unknown_words import unknown_steps
from analytics.segments.named.conditions import Condition, Did, DidNot, Total
from analytics.segments.named.logic import AllOf, AnyOf, NoneOf
from analytics.segments.named.matched import Matched
from analytics.segments.named.rfm import Rfm
from analytics.segments.named.segment import InSegment, Segment
from analytics.segments.named.stuck import Stuck
from analytics.segments.named.values import Attribute, FirstTouch, Listed
from analytics.store.paths import Paths
from expectations.config.durations import Duration
from expectations.config.file import Owned, Section
from expectations.errors import DefinitionError, nearest

KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "attribute": ("is",),
    "did": ("at_least", "within"),
    "did_not": ("within",),
    "total": ("at_least", "within", "of"),
    "first": ("is",),
    "sequence": ("within", "on"),
    "stuck": ("longer",),
    "rfm": ("goal", "value"),
    "listed": (),
    "in": (),
    "all": (),
    "any": (),
    "none": (),
}
"""What a condition may be, with the keys that it takes beside."""
NEEDED: Final = {"attribute": "is", "first": "is", "total": "at_least", "did_not": "within", "stuck": "longer"}

Texts = str | list[str]
Values = list[str | int | float | bool]
ListOf = Callable[[str], pl.DataFrame]
AmountOf = Callable[[str], "str | Money"]


class RfmScores(Section):
    """The scores of one condition: one or several from 1 to 5, of each kind."""

    r: tuple[int, ...] = Field(default=(), description="scores of recency, from 1 to 5")
    f: tuple[int, ...] = Field(default=(), description="scores of frequency, from 1 to 5")
    m: tuple[int, ...] = Field(default=(), description="scores of money, from 1 to 5")


_IS: Final = Field(None, description="the values of a column that count")
_IN: Final = Field(None, description="another segment, by name")
_Worded: type[Section] = create_model(  # `is` and `in` are no names of Python
    "_Worded", __base__=Section, **{"is": (Values | None, _IS), "in": (str | None, _IN)}
)  # type: ignore[call-overload]


class SegmentCondition(_Worded):
    """One condition: exactly one kind (`did`, `total`, `attribute` and so on), with the keys that it takes beside."""

    attribute: str | None = Field(default=None, description="a column: its value at the latest touch is one of `is`")
    did: Texts | None = Field(default=None, description="touchpoints or stage:NAME that the customer had")
    did_not: Texts | None = Field(
        default=None, description="touchpoints or stage:NAME that the customer did not have within `within`"
    )
    total: str | None = Field(default=None, description="a numeric column: its sum is `at_least`")
    first: str | None = Field(default=None, description="a column: its value at the first touch is one of `is`")
    sequence: str | None = Field(default=None, description="a pattern of paths that ended within `within`")
    stuck: str | None = Field(None, description="the stage that the journey under way stands at")
    rfm: str | list[str] | RfmScores | None = Field(
        default=None, description="a group by recency, frequency and money, several, or scores"
    )
    listed: str | None = Field(None, description="file of customers or identities, relative to journeys.toml")
    all: list[SegmentCondition] | None = Field(default=None, description="conditions that all hold")
    any: list[SegmentCondition] | None = Field(default=None, description="conditions of which one holds")
    none: list[SegmentCondition] | None = Field(default=None, description="conditions of which none holds")
    at_least: float | None = Field(default=None, description="so many touches, or so large a sum")
    within: Duration | None = Field(default=None, description="how far back touches count")
    of: Texts | None = Field(default=None, description="touches that count for `total`")
    on: str | None = Field(default=None, description="the column of the names in `sequence`")
    longer: Duration | None = Field(default=None, description="how long the journey has stood at the stage of `stuck`")
    goal: Texts | None = Field(default=None, description="the goal whose touches count for `rfm`")
    value: str | None = Field(default=None, description="the numeric column of money for `rfm`")

    @model_validator(mode="after")
    def _means_one_thing(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        kinds = [name for name in given if name in KINDS]
        if len(kinds) != 1:
            raise ValueError(f"a condition is one of {', '.join(KINDS)}; found {', '.join(kinds) or 'none'}")
        kind = kinds[0]
        if wrong := [name for name in given if name != kind and name not in KINDS[kind]]:
            takes = ", ".join(KINDS[kind]) or "no other key"
            raise ValueError(f"{kind} takes {takes}; found {wrong[0]}")
        if kind in NEEDED and NEEDED[kind] not in given:
            raise ValueError(f"{kind} needs {NEEDED[kind]}")
        if kind not in ("in", "listed", "all", "any", "none"):
            try:
                self.condition({}, _no_list)
            except DefinitionError as error:
                raise ValueError(f"{error.what} Expected {error.expected}." if error.expected else error.what) from None
        return self

    @property
    def named(self) -> list[str]:
        """The names of the segments that the condition refers to."""
        inner = [one for several in (self.all, self.any, self.none) for one in several or ()]
        own = getattr(self, "in")
        return [*([own] if own is not None else []), *(name for one in inner for name in one.named)]

    def condition(self, segments: Mapping[str, Segment], list_of: ListOf, amount_of: AmountOf = str) -> Condition:
        """The condition, with other segments, the customers of a file, and amounts of money looked up."""
        within = self.within
        if self.attribute is not None:
            return Attribute(self.attribute, *getattr(self, "is"))
        if self.first is not None:
            return FirstTouch(self.first, *getattr(self, "is"))
        if self.did is not None:
            return Did(self.did, at_least=_whole(1 if self.at_least is None else self.at_least), within=within)
        if self.did_not is not None:
            return DidNot(self.did_not, within=within)
        if self.total is not None:
            touches = {} if self.of is None else {"of": self.of}
            return Total(amount_of(self.total), at_least=cast(float, self.at_least), within=within, **touches)
        if self.sequence is not None:
            return Matched(self.sequence, within=within, on=self.on or "touchpoint")
        if self.stuck is not None:
            return Stuck(self.stuck, longer=cast(timedelta, self.longer))
        if self.rfm is not None:
            scores = {} if not isinstance(self.rfm, RfmScores) else self.rfm.model_dump()
            names = [] if scores else [self.rfm] if isinstance(self.rfm, str) else self.rfm
            value = None if self.value is None else amount_of(self.value)
            return Rfm(*cast(list[str], names), **scores, goal=self.goal, value=value)
        if self.listed is not None:
            return Listed(list_of(self.listed), name=self.listed)
        if getattr(self, "in") is not None:
            return InSegment(segments[getattr(self, "in")])
        kind = next(name for name in _SEVERAL if getattr(self, name) is not None)
        return _SEVERAL[kind](*(one.condition(segments, list_of, amount_of) for one in getattr(self, kind)))


_SEVERAL: Final[Mapping[str, type[AllOf] | type[AnyOf] | type[NoneOf]]] = {"all": AllOf, "any": AnyOf, "none": NoneOf}


class NamedSegment(Owned):
    """One `[[segments]]`: a segment with a name, a version, and conditions that must all hold."""

    name: str = Field(min_length=1, description="what the segment is called")
    version: int = Field(1, ge=1, description="raise it with every change of the definition")
    all: tuple[SegmentCondition, ...] = Field(default=(), description="conditions that all hold")
    any: tuple[SegmentCondition, ...] = Field(default=(), description="conditions of which one holds")
    none: tuple[SegmentCondition, ...] = Field(default=(), description="conditions of which none holds")

    @model_validator(mode="after")
    def _has_conditions(self) -> Self:
        if not (self.all or self.any or self.none):
            raise ValueError("a segment has conditions: all, any or none")
        return self

    @property
    def named(self) -> list[str]:
        """The names of the segments that the conditions refer to."""
        return [name for one in (*self.all, *self.any, *self.none) for name in one.named]


def segments_of(written: Iterable[NamedSegment], list_of: ListOf, amount_of: AmountOf = str) -> dict[str, Segment]:
    """The segments by name. Raises `DefinitionError` for one that is not there, and for a circle of `in`.

    >>> buyers = NamedSegment(name="Buyers", all=[SegmentCondition(did="buy")])
    >>> segments_of([buyers], pl.DataFrame)["Buyers"].text
    "did 'buy'"
    """
    by_name, made = {segment.name: segment for segment in written}, dict[str, Segment]()

    def make(name: str, asked: tuple[str, ...]) -> Segment:
        if name not in by_name:
            raise DefinitionError(
                f"There is no segment {name!r}.",
                where=f"segment {asked[-1]!r}",
                expected=f"one of {', '.join(by_name)}",
                do=nearest(name, by_name),
            )
        if name in asked:
            found = " in ".join(repr(one) for one in (*asked[asked.index(name) :], name))
            raise DefinitionError("Segments name each other in a circle.", found=found, do="leave out one of them")
        if name not in made:
            own = by_name[name]
            others = {other: make(other, (*asked, name)) for other in own.named}
            conditions: list[Condition] = []
            for kind, several in _SEVERAL.items():
                given = [one.condition(others, list_of, amount_of) for one in getattr(own, kind)]
                conditions += given if kind == "all" else [several(*given)] if given else []
            made[name] = Segment(name, *conditions, version=own.version, says=own.says)
        return made[name]

    return {name: make(name, ()) for name in by_name}


def check_segment_words(paths: Paths, segment: Segment) -> None:
    """Raises `DefinitionError` with the nearest words for a touchpoint or stage that no touch has."""
    for condition in segment.leaves:
        for each in unknown_steps(paths, getattr(condition, "steps", ())):
            offered = ", ".join(each.offered)
            raise DefinitionError(
                f"No touch has the {each.column} {each.word!r}.",
                where=f"segment {segment.name!r}",
                expected=f"a {each.column} of the data" + (", such as " if each.near else ": ") + offered,
                do="spell it as the data do" if each.near else "`journeys paths` shows what customers touch",
            )


def _whole(number: float) -> int:
    """A count of touches; a fraction stays, and is refused by the condition."""
    return int(number) if number == int(number) else cast(int, number)


def _no_list(name: str) -> pl.DataFrame:
    raise DefinitionError("No list is known.", found=name)
