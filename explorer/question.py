"""A question as the page sends it: the keys of a `[[funnels]]` in journeys.toml, and what kind of answer is wanted."""

from __future__ import annotations

import json
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError

from analytics import NamedFunnel, StepText
from expectations.errors import DefinitionError, nearest

COUNTED: Final = ("customers", "journeys", "sessions", "entries")
"""What can be counted, so that no answer has a row per value of a column of keys."""
SEGMENT: Final = "segment:"
PREVIOUS: Final = "previous"
"""The group of the period that is chosen, against as long before."""
ANYTHING: Final = "*"
"""The step that is any touch."""
NOT_RULES: Final = (
    *("kind", "period", "periods", "returns", "compared", "goal", "on", "model", "survey", "per"),
    *("side", "depth", "repeats"),
)
"""What a question says beside the rules of its funnel."""
_LONGEST: Final = 80


class Question(NamedFunnel):
    """A funnel that is asked in the browser: at most 12 steps and two breakdowns.

    `kind` is one of `explorer.kinds.KINDS`. `period`, `periods` and `returns` are those of kinds over time; `compared`
    are the groups of a comparison, as `journeys funnel --compare` takes them; `goal` names a goal, `on` the column
    whose values earn its credit, by `model`; `survey` and the column `per` are those of scores; `side`, `depth` and
    `repeats` those of a flow.
    """

    name: str = Field("Question", min_length=1)
    kind: str = "funnel"
    period: Literal["day", "week", "month"] = "week"
    periods: int = Field(8, ge=1, le=24)
    returns: Literal["on", "on_or_after"] = "on"
    compared: tuple[str, ...] = Field((), max_length=2)
    goal: str = ""
    on: str = "channel"
    model: str = "markov"
    survey: Literal["csat", "nps", "ces"] = "csat"
    per: str = "stage"
    side: Literal["after", "before"] = "after"
    depth: int = Field(4, ge=2, le=6)
    repeats: Literal["joined", "kept"] = "joined"
    steps: list[str] = Field([], max_length=12)
    by: tuple[str, ...] = Field((), max_length=2)

    @property
    def texts(self) -> list[StepText]:
        """The steps, read."""
        return [StepText.read(step) for step in self.steps]

    @property
    def options(self) -> dict[str, Any]:
        """The rules as the command and `[[funnels]]` take them."""
        return {name: value for name, value in self.rules.items() if name not in NOT_RULES}

    def in_zone(self, zone: ZoneInfo) -> Question:
        """The question with its days in a zone."""
        days = {name: at for name in ("start", "end") if (at := getattr(self, name)) is not None}
        return self.model_copy(update={name: at.replace(tzinfo=at.tzinfo or zone) for name, at in days.items()})

    def check(self, columns: tuple[str, ...]) -> None:
        """Raises `DefinitionError` for what the explorer does not answer."""
        if self.count not in COUNTED:
            raise DefinitionError(
                f"The explorer does not count {self.count!r}.",
                expected=f"one of {', '.join(COUNTED)}",
                do="ask `journeys funnel --count`",
            )
        if self.value is not None or self.profile is not None or self.maturity != "mature":
            raise DefinitionError(
                "The explorer counts by its own rules, and those who are still under way stand apart.",
                expected="no value, no profile, and maturity mature",
                do="ask `journeys funnel`",
            )
        groups = [name.partition("=")[0] for name in self.compared if name != PREVIOUS and not name.startswith(SEGMENT)]
        asked = [*self.by, *self.same, *groups, *(condition.column for text in self.texts for condition in text.where)]
        for column in asked:
            if not column.startswith(SEGMENT) and column not in columns:
                raise DefinitionError(
                    f"The explorer does not show the column {column!r}.",
                    expected=f"one of {', '.join(columns)}",
                    do=nearest(column, columns) or "name it in [report] segments, or under context of [paths]",
                )


def question_of(body: bytes) -> Question:
    """The question in a body of JSON. Raises `DefinitionError` where it is none."""
    try:
        given = json.loads(body)
        json.dumps(given, ensure_ascii=False).encode()  # half a character is no text
        return Question.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise DefinitionError(
            "The question cannot be read.",
            where=".".join(map(str, first["loc"])),
            expected=first["msg"].removeprefix("Value error, "),
            found=repr(first["input"])[:_LONGEST],
        ) from None
    except (ValueError, RecursionError):
        raise DefinitionError(
            "The question is no JSON.", expected='{"steps": ["Cart", "Order"], "window": "7d"}'
        ) from None
