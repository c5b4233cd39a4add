"""What is known of each persona, as data; and a few sentences about it, each carried by its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final

import numpy as np
import polars as pl

from analytics.engine.analysis import IS_TOTAL
from analytics.engine.goals import GoalWords
from analytics.engine.local.money import Money
from analytics.engine.run import answer_all
from analytics.goals.stage_groups import stage_groups
from analytics.paths.variants import variants
from analytics.segments.personas.column import PERSONA, Portfolio, with_personas
from analytics.segments.personas.features import CHANNEL, EVENING, RHYTHM
from analytics.segments.personas.fitted import PersonaFit
from analytics.segments.personas.personas import personas
from analytics.segments.personas.traits import persona_profile, persona_traits
from analytics.statistics.corrections import benjamini_hochberg
from analytics.statistics.intervals import newcombe
from analytics.store.columns import STAGE
from analytics.store.paths import Paths

Card = dict[str, Any]
MIN_JOURNEYS: Final = 30
"""A typical path is told of so many journeys or more."""
LEVEL: Final = 0.05
CITED: Final = ("share", "goal_rate")
"""The numbers of a card that a written text is held against: those with an interval."""


def persona_cards(
    paths: Paths,
    portfolio: Portfolio,
    goal: GoalWords | None = None,
    *,
    by: Sequence[str] = (),
    window: str | timedelta | None = None,
    money: Sequence[Money] = (),
) -> list[Card]:
    """A card for each persona, in order: plain data, with whole counts, that `vignette` puts into words.

    Each has the columns of `personas`; `others_goal_rate`, `goal_rate_difference`, `_low`, `_high` (the goal rate less
    that of all other personas, Newcombe); `traits` (`persona_traits` that distinguish it; empty by rules);
    `attributes` (rows of `persona_profile` by the columns `by` whose corrected p-value is below 0.05, the largest
    first); `path` (the commonest collapsed path of its journeys, of 30 or more: `path`, `units`, `share_of_units`; or
    None); and `pains` (rows of `stage_groups` where its journeys go on less often than others', corrected p-value below
    0.05, the largest difference first; empty without stages). Empty where there are no personas. Raises
    `DefinitionError` as these do.

    >>> from analytics import PersonaRule, PersonaRules
    >>> shop = Paths.from_text({"ann": "a@0d a@1d a@2d buy@3d", "bo": "a@0d a@1d a@2d"}, end="60d")
    >>> [card["goal_rate"] for card in persona_cards(shop, PersonaRules([PersonaRule("Everybody")]), "buy")]
    [0.5]
    """
    rows = personas(paths, portfolio, goal, window=window, money=money)
    named = rows.filter(pl.col(PERSONA).is_not_null()).to_dicts()
    if not named:
        return []
    with_column = with_personas(paths, portfolio)
    asked: dict[str, partial[pl.DataFrame]] = {
        "paths": partial(variants, by=PERSONA, collapse=True, top=1, min_units=MIN_JOURNEYS)
    }
    if STAGE in paths.stored.schema and paths.definition is not None and paths.definition.stages:
        asked["stages"] = partial(stage_groups, by=PERSONA, goal=goal, window=window)
    found = answer_all(with_column, asked)
    traits = persona_traits(paths, portfolio) if isinstance(portfolio, PersonaFit) else None
    profile = persona_profile(paths, portfolio, by) if by else None
    total = rows.filter(IS_TOTAL).row(0, named=True)
    pains = _pains(found["stages"]) if "stages" in found else None
    return [
        {
            **{name: value for name, value in row.items() if name not in (IS_TOTAL, "reason")},
            **_against_others(row, total),
            "traits": _own(traits, row, pl.col("distinguishes")),
            "attributes": _own(profile, row, pl.col("p_corrected") < LEVEL, "difference"),
            "path": next(iter(_own(found["paths"], row)), None),
            "pains": _own(pains, row, pl.col("p_corrected") < LEVEL),
        }
        for row in named
    ]


def _own(table: pl.DataFrame | None, row: Card, where: pl.Expr | None = None, by: str = "") -> list[Card]:
    """The rows of a persona, those largest by a column first."""
    if table is None:
        return []
    own = table.filter(~pl.col(IS_TOTAL) & (pl.col(PERSONA).cast(pl.String) == row[PERSONA]))
    own = own if where is None else own.filter(where)
    return (own.sort(pl.col(by).abs(), descending=True, maintain_order=True) if by else own).to_dicts()


def _against_others(row: Card, total: Card) -> Card:
    """The goal rate of the other personas, and the difference."""
    k, n = row["reached"], row["mature"]
    others = (total["reached"] - k, total["mature"] - n)
    if not n or not others[1]:
        return dict.fromkeys(("others_goal_rate", *(f"goal_rate_difference{end}" for end in ("", "_low", "_high"))))
    gap = newcombe(k, n, *others)
    return {
        "others_goal_rate": others[0] / others[1],
        "goal_rate_difference": k / n - others[0] / others[1],
        "goal_rate_difference_low": float(gap.low),
        "goal_rate_difference_high": float(gap.high),
    }


def _pains(stages: pl.DataFrame) -> pl.DataFrame:
    """The stages that journeys of a persona reach less often than others', the largest difference first."""
    p = stages["p_value"].fill_null(np.nan).to_numpy()
    corrected = pl.Series("p_corrected", benjamini_hochberg(p), dtype=pl.Float64).fill_nan(None)
    worse = stages.with_columns(corrected).filter(pl.col("difference") < 0)
    return worse.sort("difference", maintain_order=True)


@dataclass(frozen=True)
class Sentence:
    """A sentence and the numbers that carry it."""

    text: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


def vignette(card: Mapping[str, Any]) -> list[Sentence]:
    """A persona in at most six sentences, by rule, in a fixed order, each with the numbers that it stands on.

    Who they are (size, value); how they differ; how they go; how it ends; what stands in the way; who is among them. A
    sentence is left out where one of its numbers is missing or withheld (None), or where its interval includes no
    difference.

    >>> card = {"persona": "App people", "customers": 150, "share": 0.15, "share_of_value": None}
    >>> [sentence.text for sentence in vignette(card)]
    ['App people are 15 % of the placed customers (150).']
    """
    made = (template(card) for template in _TEMPLATES)
    return [sentence for sentence in made if sentence is not None][:6]


def _who(card: Mapping[str, Any]) -> Sentence | None:
    numbers = {name: card.get(name) for name in ("customers", "share", "share_of_value")}
    if numbers["customers"] is None or numbers["share"] is None:
        return None
    text = f"{card[PERSONA]} are {_percent(card['share'])} of the placed customers ({card['customers']:,})"
    if numbers["share_of_value"] is not None:
        text += f" and bring {_percent(card['share_of_value'])} of the value of all personas"
    return Sentence(f"{text}.", numbers)


def _how_they_differ(card: Mapping[str, Any]) -> Sentence | None:
    told = [trait for trait in card.get("traits") or () if _trait(trait)][:3]
    if not told:
        return None
    numbers = {trait["feature"]: (trait["mean"], trait["mean_others"]) for trait in told}
    return Sentence(_sentence("; ".join(map(_trait, told))), numbers)


def _trait(trait: Mapping[str, Any]) -> str:
    """A trait in words; empty where a number is missing."""
    family, feature, mean, others = (trait[name] for name in ("family", "feature", "mean", "mean_others"))
    if mean is None or others is None:
        return ""
    if family == RHYTHM and feature not in (EVENING, "weekend"):
        return f"{mean:.1f} {feature}, against {others:.1f} of the others"
    of = f"{_percent(mean)}, against {_percent(others)} of the others'"
    if family == RHYTHM:
        when = "from 17 to 23 h" if feature == EVENING else "at the weekend"
        return f"touches {when}: {of}"
    if family == "movement":
        return f"{feature} per touch: {of}"
    what = {CHANNEL: "in channel", "device": "on device", STAGE: "in stage", "entry": ""}.get(family, "of")
    return f"touches {what} {feature}: {of}" if what else f"{feature}: {of}"


def _path(card: Mapping[str, Any]) -> Sentence | None:
    path = card.get("path")
    if not path or path["units"] is None or path["share_of_units"] is None:
        return None
    steps = " > ".join(path["path"])
    numbers = {name: path[name] for name in ("units", "share_of_units")}
    return Sentence(
        f"Their commonest journey is {steps}: {path['units']:,} journeys, {_percent(path['share_of_units'])}.", numbers
    )


def _end(card: Mapping[str, Any]) -> Sentence | None:
    names = ("goal_rate", "goal_rate_low", "goal_rate_high", "mature")
    numbers = {name: card.get(name) for name in names}
    if None in numbers.values() or not numbers["mature"]:
        return None
    ends = f"{_percent(card['goal_rate_low'], 1)} to {_percent(card['goal_rate_high'], 1)}"
    text = f"{_percent(card['goal_rate'], 1)} ({ends}) of their {card['mature']:,} journeys reach the goal in time"
    low, high = card.get("goal_rate_difference_low"), card.get("goal_rate_difference_high")
    if low is not None and high is not None and card.get("others_goal_rate") is not None and (low > 0 or high < 0):
        text += f", {'more' if low > 0 else 'less'} than the others' {_percent(card['others_goal_rate'], 1)}"
        numbers["others_goal_rate"] = card["others_goal_rate"]
    return Sentence(f"{text}.", numbers)


def _in_the_way(card: Mapping[str, Any]) -> Sentence | None:
    for pain in card.get("pains") or ():
        share, gap, high = (pain.get(name) for name in ("share_of_previous", "difference", "difference_high"))
        if None not in (share, gap, high) and high < 0:
            others = f"{_percent(share - gap)} of the others"
            text = f"What stands in their way: {_percent(share)} go on to {pain['name']}, {others}."
            return Sentence(text, {"share_of_previous": share, "difference": gap})
    return None


def _among_them(card: Mapping[str, Any]) -> Sentence | None:
    for row in card.get("attributes") or ():
        low, high = row.get("difference_low"), row.get("difference_high")
        if None not in (low, high, row.get("share"), row.get("share_others")) and (low > 0 or high < 0):
            more = "more" if low > 0 else "less"
            text = (
                f"{row['column'].replace('_', ' ')} {row['value']} is {more} frequent among them: "
                f"{_percent(row['share'])}, against {_percent(row['share_others'])} of the others"
            )
            return Sentence(_sentence(text), {name: row[name] for name in ("share", "share_others")})
    return None


_TEMPLATES: Final[tuple[Callable[[Mapping[str, Any]], Sentence | None], ...]] = (
    _who,
    _how_they_differ,
    _path,
    _end,
    _in_the_way,
    _among_them,
)


def cited_numbers(card: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """The numbers of a card that a text written by a person stands on: each with its interval, by name.

    >>> cited_numbers({"share": 0.46, "share_low": 0.4, "share_high": 0.5, "goal_rate": None})
    {'share': {'value': 0.46, 'low': 0.4, 'high': 0.5}}
    """
    return {
        name: {"value": card[name], "low": card.get(f"{name}_low"), "high": card.get(f"{name}_high")}
        for name in CITED
        if card.get(name) is not None
    }


def no_longer_fits(
    written: Mapping[str, Mapping[str, float | None]], card: Mapping[str, Any]
) -> list[tuple[str, float, float]]:
    """The numbers of a card that have left the interval that a text was written for: name, value then, value now.

    >>> no_longer_fits({"share": {"value": 0.46, "low": 0.44, "high": 0.48}}, {"share": 0.38})
    [('share', 0.46, 0.38)]
    """
    found = []
    for name, then in written.items():
        now, value, low, high = card.get(name), then["value"], then["low"], then["high"]
        if None not in (now, value, low, high) and not (low <= now <= high):  # type: ignore[operator]
            found.append((name, float(value), float(now)))  # type: ignore[arg-type]
    return found


def _percent(share: float, digits: int = 0) -> str:
    return f"{share * 100:.{digits}f} %"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
