"""Names touches and assigns their stages: rules turn events into touchpoints and stages.

A *touchpoint* is the name under which a touch is shown: by default the name of the event. Touchpoint rules rename
events, group them by a pattern or by a URL template, or drop them. Stage rules then give each touchpoint its stage; a
touchpoint that no rule names has none. In both lists the first matching rule wins.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce

import numpy as np
import polars as pl

from analytics.store.columns import STAGE, TOUCHPOINT
from analytics.store.definition import JourneyDefinition
from analytics.touches.rules import PathRules, StageRule, TouchpointRule
from expectations import contract


def with_touchpoints(events: pl.DataFrame, rules: Sequence[TouchpointRule]) -> pl.DataFrame:
    """Adds `touchpoint` (String) to events and removes dropped ones.

    Needs `event_name` and the columns that the rules read.

    >>> rule = TouchpointRule(events=["product_*"], name="Product page")
    >>> with_touchpoints(pl.DataFrame({"event_name": ["product_viewed", "home"]}), [rule])["touchpoint"].to_list()
    ['Product page', 'home']
    """
    named = events.with_columns(touchpoint_of(rules).alias(TOUCHPOINT))
    return named.filter(pl.col(TOUCHPOINT).is_not_null())


def touchpoint_of(rules: Sequence[TouchpointRule]) -> pl.Expr:
    """The touchpoint of an event (String), null where a rule drops it."""
    cases = [(_matches_rule(rule), pl.lit(None, pl.String) if rule.drop else pl.lit(rule.name)) for rule in rules]
    return _first_match(cases, pl.col(contract.EVENT_NAME))


def with_stages(touches: pl.DataFrame, rules: Sequence[StageRule]) -> pl.DataFrame:
    """Adds `stage` to touches: String if the touchpoint is, else Categorical; null where no rule matches.

    >>> rule = StageRule(name="Action", touchpoints=["order*"])
    >>> with_stages(pl.DataFrame({"touchpoint": ["order_placed", "home"]}), [rule])["stage"].to_list()
    ['Action', None]
    """
    name = pl.col(TOUCHPOINT)
    stage = _first_match(
        [(_matches_names(name, rule.touchpoints), pl.lit(rule.name)) for rule in rules], pl.lit(None, pl.String)
    )
    names = touches[TOUCHPOINT]
    words = names.unique()
    stages = words.cast(pl.String).to_frame().with_columns(stage.alias(STAGE))[STAGE]
    if names.dtype == pl.String:
        return touches.with_columns(name.replace_strict(words, stages, return_dtype=pl.String).alias(STAGE))
    row_of_code = np.zeros(1 + max(words.to_physical(), default=0), np.uint32)
    row_of_code[words.to_physical().to_numpy()] = np.arange(len(words))
    return touches.with_columns(stages.cast(pl.Categorical()).gather(row_of_code[names.to_physical().to_numpy()]))


def definition_of(rules: PathRules) -> JourneyDefinition:
    """What the rules cut journeys by.

    >>> definition_of(PathRules(goal=["order_placed"])).goal_stage
    3
    """
    names = tuple(dict.fromkeys(rule.name for rule in rules.stages))
    goals = with_stages(pl.DataFrame({TOUCHPOINT: rules.goal}, schema={TOUCHPOINT: pl.String}), rules.stages)[STAGE]
    places = [names.index(stage) for stage in goals.drop_nulls()]
    return JourneyDefinition(names, tuple(rules.goal), max(places, default=len(names)), rules.journey_gap)


def is_staged(touchpoints: pl.Series, rules: PathRules) -> bool:
    """Whether a rule gives one of the touchpoints a stage; null for a dropped event."""
    words = touchpoints.drop_nulls().unique().cast(pl.String).to_frame(TOUCHPOINT)
    return with_stages(words, rules.stages)[STAGE].count() > 0


def _matches_rule(rule: TouchpointRule) -> pl.Expr:
    """Whether an event meets all conditions of a rule."""
    conditions = []
    if rule.events:
        conditions.append(_matches_names(pl.col(contract.EVENT_NAME), rule.events))
    if rule.pattern:
        conditions.append(column_of(rule.column).str.contains(rule.pattern))
    if rule.url:
        conditions.append(pl.col("url").str.contains(_url_pattern(rule.url)))
    return reduce(pl.Expr.and_, conditions).fill_null(False)


def _first_match(cases: Sequence[tuple[pl.Expr, pl.Expr]], otherwise: pl.Expr) -> pl.Expr:
    """The value of the first case that is true."""
    return reduce(lambda rest, case: pl.when(case[0]).then(case[1]).otherwise(rest), reversed(cases), otherwise)


def _matches_names(column: pl.Expr, names: Sequence[str]) -> pl.Expr:
    """Whether text is one of `names`, in which `*` stands for any characters."""
    plain = [name for name in names if "*" not in name]
    is_plain = column.is_in(plain)
    globs = [re.escape(name).replace(r"\*", ".*") for name in names if "*" in name]
    return is_plain | column.str.contains(f"^(?s:{'|'.join(globs)})$") if globs else is_plain


def _url_pattern(template: str) -> str:
    """A template such as /product/{id} as a regular expression for whole URLs."""
    path = re.sub(r"\\\{[^}]*\}", "[^/?#]+", re.escape(template.rstrip("/")))
    return rf"^(?:[a-zA-Z][a-zA-Z0-9+.-]*://[^/]*)?{path}/?(?:[?#].*)?$"


def column_of(name: str) -> pl.Expr:
    """A column of an event, or a property by its path (`properties.page.title`).

    Only properties whose text contains the key are parsed.
    """
    table, _, path = name.partition(".")
    if not path:
        return pl.col(table)
    contains_key = pl.col(table).str.contains(f'"{path.rpartition(".")[2]}"', literal=True)
    return pl.when(contains_key).then(pl.col(table)).str.json_path_match(f"$.{path}")
