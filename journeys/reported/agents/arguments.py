"""What the tools take, one model each: their schemas are read by agents, and a call with anything else is an error."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from journeys.reported.agents.budget import MOST_ROWS

Value = str | float | bool | None
Rows = Field(None, ge=1, le=MOST_ROWS, description="at most so many rows; without it a short answer")


class Arguments(BaseModel):
    """The arguments of a tool."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VocabularyArguments(Arguments):
    """What can be asked: cards of the report, goals, stages, touchpoints, groups. Ask this first."""

    find: str = Field(
        "", max_length=200, description='a card for its columns; "touchpoints", "groups"; or a text to look for'
    )


class AskArguments(Arguments):
    """Numbers: the rows of a card of the report. In mode mine also a question of your own, with steps."""

    of: str = Field(max_length=200, description="a card, such as funnel; with steps: funnel, trend, retention or walk")
    where: dict[str, Value | list[Value]] = Field({}, description='only these rows: {"segment": "mobile"}')
    columns: list[str] = Field([], description="only these columns")
    rows: int | None = Rows
    report: str = Field("", max_length=200, description="an earlier report; by default the newest")
    steps: list[str] = Field([], max_length=12, description="mode mine: touchpoints in order, or stage:NAME")
    window: str = Field("", max_length=40, description="with steps: longest time from the first to the last, as 7d")
    by: list[str] = Field([], max_length=2, description="with steps: columns to break down by")
    segment: list[str] = Field([], description="with steps: only members of these segments")
    start: str = Field("", max_length=40, description="with steps: only entries from this day")
    end: str = Field("", max_length=40, description="with steps: only entries before this day")
    rules: dict[str, Any] = Field(
        {}, description="with steps: other keys of [[funnels]], as order, exclude, count; period of a trend"
    )


class WhyArguments(Arguments):
    """Why a number moved: what the report tells of changes; in mode mine of any week or days."""

    of: str = Field("", max_length=200, description="a goal, stage or touchpoint; in mode mine a goal or funnel")
    week: str = Field("", max_length=20, description="such as 2026-W09")
    before: str = Field("", max_length=40, description="mode mine, with after: days such as 2026-02-01..2026-02-25")
    after: str = Field("", max_length=40, description="mode mine: the later days")


class StandingArguments(Arguments):
    """Where journeys under way stand, how long they have waited, and how many wait longer than is usual."""

    by: list[str] = Field([], max_length=1, description="mode mine: a column to break down by")
    rows: int | None = Rows


class VoiceArguments(Arguments):
    """What customers say: themes of their texts with approved quotes, and satisfaction by stage."""

    theme: str = Field("", max_length=200, description="only this theme")
    rows: int | None = Rows


class QualityArguments(Arguments):
    """Whether the numbers can be trusted: how new the data are, checks that failed, what was refused or withheld."""

    rows: int | None = Rows


class ExplainArguments(Arguments):
    """What a number means: a card, a measure or a column; or by which rules another tool counts otherwise."""

    of: str = Field(max_length=200, description="a card, a measure, a column, or the name of another tool")


class SqlArguments(Arguments):
    """One select in DuckDB's SQL over the cards of all reports, in mode mine also touches. Without it the schema."""

    query: str = Field(
        "", max_length=10_000, description="select ... from funnel; a card is a table, with _ for - in its name"
    )
    rows: int | None = Rows


ARGUMENTS: Final[dict[str, type[Arguments]]] = {
    "vocabulary": VocabularyArguments,
    "ask": AskArguments,
    "why": WhyArguments,
    "standing": StandingArguments,
    "voice": VoiceArguments,
    "quality": QualityArguments,
    "explain": ExplainArguments,
    "sql": SqlArguments,
}
"""The tools, in the order in which they are offered."""


_UNSAID: Final = ("title", "default", "maxLength", "maxItems", "minimum", "maximum")


def schema_of(arguments: type[Arguments]) -> dict[str, Any]:
    """The schema of the arguments of a tool, without what says nothing.

    >>> schema_of(QualityArguments)["properties"]["rows"]["type"]
    'integer'
    """
    found = _short(arguments.model_json_schema())
    found.pop("description", None)
    return dict(found)


def _short(part: Any) -> Any:
    """A schema without titles, defaults, longest lengths, and the null of what may be left out."""
    if isinstance(part, list):
        return [_short(one) for one in part]
    if not isinstance(part, dict):
        return part
    kept = {key: _short(value) for key, value in part.items() if key not in _UNSAID}
    if "properties" in part:
        kept["properties"] = {name: _short(value) for name, value in part["properties"].items()}
    some = [one for one in kept.get("anyOf", ()) if one != {"type": "null"}]
    if len(some) == 1:
        del kept["anyOf"]
        kept |= some[0]
    elif some and all(set(one) == {"type"} for one in kept["anyOf"]):
        kept["type"] = [one["type"] for one in kept.pop("anyOf")]
    return kept
