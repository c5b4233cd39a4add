"""What would another tool report, and why? The rules of other tools as sets of funnel options.

A profile changes only options of a funnel: steps, window, breakdown and range stay. What options cannot express is
listed in its `deviations`. `explain_difference` switches the options one by one and counts the customers whose result
each of them changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final

import polars as pl

from analytics.engine.conditions import one_of
from analytics.funnels.definition import Funnel
from analytics.funnels.members import members
from analytics.store.columns import CUSTOMER
from analytics.store.paths import Paths
from expectations.config.durations import duration
from expectations.errors import DefinitionError

LONGEST: Final = "5200w"
ALL: Final = "all together"


@dataclass(frozen=True)
class Profile:
    """The options that reproduce a tool's rules, in the order in which they are switched, and what still differs.

    `unordered` has further options for unordered funnels. A tool with `plain_steps` has no optional steps, step windows
    or first-time steps; one without `attempts` does not count entries.
    """

    about: str
    options: Mapping[str, Any]
    deviations: tuple[str, ...] = ()
    unordered: Mapping[str, Any] = field(default_factory=dict)
    plain_steps: bool = False
    attempts: bool = True

    def options_for(self, definition: Funnel) -> Mapping[str, Any]:
        """The options for a given funnel."""
        return {**self.options, **(self.unordered if definition.order == "unordered" else {})}


_COLUMN_STORE: Final = {"order": "ordered", "exclude": (), "same": (), "maturity": "clip"}
_NO_WORDS: Final = (
    "The function has no exclusions and no columns that must be equal: these options are left out.",
    "It has no attempts, optional steps or step windows: a funnel with them raises an error.",
    "Another `count` is kept: the function is then grouped by that column.",
)
_ONE_CHAIN: Final = (
    "Where an event can be several steps, the server follows only one chain in this mode, and may report another depth."
)

_MIXPANEL: Final = {
    "maturity": "survival",
    "ties": "favourable",
    "reuse": False,
    "later": False,
    "stop": (),
    "exclude_effect": "end_attempt",
}
_MIXPANEL_DIFFERS: Final = (
    "`reached` is the same; where windows are not over, our shares are estimates and theirs are reached over entered.",
    "Its totals let a customer enter again after the funnel is completed, timed out or excluded; our `entries` begin"
    " after the last touch of the previous attempt.",
    "Its window is 7 days by default and at most 366: set the same one.",
    "Its order of events at one instant is not published; ours is the one that helps the customer.",
)

PROFILES: Final[Mapping[str, Profile]] = MappingProxyType(
    {
        "posthog": Profile(
            "PostHog funnels: all entrants count, touches outside the range do not; an exclusion removes the customer.",
            {
                "maturity": "clip",
                "ties": "favourable",
                "reuse": False,
                "attribution": "first",
                "exclude_effect": "drop_customer",
            },
            (
                "Its shares are of all entrants in the range, so the newest days look worse than they are.",
                "Its list of touches per customer is capped; ours is not.",
            ),
            unordered={"exclude_effect": "void_attempt"},
        ),
        "clickhouse": Profile(
            "windowFunnel without a mode: one row can be several steps.",
            {**_COLUMN_STORE, "ties": "favourable", "reuse": True},
            _NO_WORDS,
            attempts=False,
        ),
        "clickhouse_strict_once": Profile(
            "windowFunnel with strict_once: one row is only one step.",
            {**_COLUMN_STORE, "ties": "favourable", "reuse": False},
            _NO_WORDS,
            attempts=False,
        ),
        "clickhouse_strict_increase": Profile(
            "windowFunnel with strict_increase: each step is at a later instant than the one before.",
            {**_COLUMN_STORE, "ties": "favourable", "reuse": True, "later": True},
            (
                *_NO_WORDS,
                _ONE_CHAIN,
                "The server forgets an earlier first step when it is repeated at the instant of the second, and may"
                " find fewer; we keep it, as the server does with strict_once.",
            ),
            attempts=False,
        ),
        "clickhouse_strict_order": Profile(
            "windowFunnel with strict_order: any other event between steps ends the search for good.",
            {**_COLUMN_STORE, "ties": "favourable", "reuse": True, "stop": ("other",)},
            (
                *_NO_WORDS,
                _ONE_CHAIN,
                "At one instant, we read rows that are no step first; the server reads them in the order sent.",
            ),
            attempts=False,
        ),
        "clickhouse_strict_deduplication": Profile(
            "windowFunnel with strict_deduplication: a step that is repeated ends the search for good.",
            {**_COLUMN_STORE, "ties": "favourable", "reuse": True, "stop": ("repeat",)},
            (
                *_NO_WORDS,
                _ONE_CHAIN,
                "We read rows at one instant in the order of steps; the server reads them in the order sent.",
            ),
            attempts=False,
        ),
        "mixpanel": Profile(
            "Mixpanel funnels, uniques: a customer's window starts once, at the first entry in the range; the range"
            " applies to entries, so conversions after it count; every entrant counts.",
            {"reentry": False, **_MIXPANEL},
            _MIXPANEL_DIFFERS,
        ),
        "mixpanel_optimized_reentry": Profile(
            "Mixpanel funnels, uniques with Optimized Re-entry: every entry is tried; of several before step 2, the"
            " newest counts.",
            {"reentry": True, **_MIXPANEL},
            _MIXPANEL_DIFFERS,
        ),
        "retentioneering": Profile(
            "Retentioneering 5: each step is a later row of the table than the one before, at any distance.",
            {
                "order": "ordered",
                "maturity": "clip",
                "window": LONGEST,
                "exclude": (),
                "same": (),
                "ties": "sequence",
                "reentry": True,
                "reuse": False,
                "later": False,
                "stop": (),
            },
            (
                "It has no window: ours is a hundred years.",
                "Its `conversion_rate` is over all paths, not over those that entered; the counts are equal.",
                "It has no exclusions and no columns that must be equal: these options are left out.",
                "It has no attempts, and no optional or first-time steps or step windows: they raise an error.",
                "Another `count` is kept: its `path_col`.",
            ),
            plain_steps=True,
            attempts=False,
        ),
    }
)


def read_as(definition: Funnel, profile: str) -> Funnel:
    """The same funnel under the rules of another tool.

    Raises `DefinitionError` for an unknown profile, and for a funnel that the tool cannot express.

    >>> read_as(Funnel(["visit", "pay"]), "clickhouse").reuse
    True
    """
    reading = PROFILES[one_of("profile", profile, PROFILES)]
    if reading.plain_steps and any(s.optional or s.within is not None or s.first_time for s in definition.steps):
        raise DefinitionError(
            f"The profile {profile!r} supports only plain steps.",
            expected="steps that are not optional, not first-time, and have no step window",
            do="leave these options out of the steps",
        )
    if definition.count == "entries" and not reading.attempts:
        raise DefinitionError(
            f"The profile {profile!r} has no attempts.",
            expected="a count of customers, sessions, journeys or the values of a column",
            found="entries",
        )
    return _with(definition, reading.options_for(definition))


def explain_difference(paths: Paths, definition: Funnel, profile: str) -> pl.DataFrame:
    """How many customers another tool counts differently, and which rule causes it.

    The options of the profile are switched one by one, in its order. An option that already has the profile's value
    gives no row; options that are only valid together share one. Columns: `rule` String, the option (or options);
    `ours`, `theirs` String; `customers` Int64: how many get another result (counted or not, steps reached, breakdown)
    when this option is switched as well; `alone` Int64: how many when only this one is, null where that is invalid. The
    last row, `all together`, counts the customers whose result differs between the two sets of rules: fewer than the
    sum where one rule undoes another. Raises `DefinitionError` for a funnel that the tool cannot express.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "visit@0d pay@1d", "bo": "visit@9d"}, end="10d")
    >>> explain_difference(shop, Funnel(["visit", "pay"], "7d"), "posthog")["rule", "customers"].rows()
    [('maturity', 1), ('attribution', 0), ('exclude_effect', 0), ('all together', 1)]
    """
    target = read_as(definition, profile)
    ours = before = _results(paths, definition)
    rows: list[dict[str, Any]] = []
    for rules, so_far, alone in _switches(definition, target, PROFILES[profile].options_for(definition)):
        now = _results(paths, so_far)
        rows.append(
            {
                "rule": " and ".join(rules),
                "ours": " and ".join(_as_text(getattr(definition, rule)) for rule in rules),
                "theirs": " and ".join(_as_text(getattr(target, rule)) for rule in rules),
                "customers": _differ(before, now),
                "alone": None if alone is None else _differ(ours, _results(paths, alone)),
            }
        )
        before = now
    rows.append({"rule": ALL, "ours": "", "theirs": profile, "customers": _differ(ours, before), "alone": None})
    texts = dict.fromkeys(["rule", "ours", "theirs"], pl.String)
    return pl.DataFrame(rows, schema={**texts, "customers": pl.Int64, "alone": pl.Int64})


def _with(definition: Funnel, options: Mapping[str, Any]) -> Funnel:
    """Returns the funnel with some options changed."""
    return Funnel(**{each.name: getattr(definition, each.name) for each in fields(definition)} | dict(options))


def _switches(
    definition: Funnel, target: Funnel, options: Mapping[str, Any]
) -> Iterator[tuple[list[str], Funnel, Funnel | None]]:
    """For each option that differs: the funnel with all options up to it switched, and with it alone where valid.

    An option that is only valid with a later one is switched together with it.
    """
    switched: dict[str, Any] = {}
    together: list[str] = []
    for rule in options:
        if getattr(definition, rule) == getattr(target, rule):
            continue
        switched[rule] = options[rule]
        together.append(rule)
        if so_far := _valid(definition, switched):
            yield together, so_far, _valid(definition, {name: options[name] for name in together})
            together = []


def _valid(definition: Funnel, options: Mapping[str, Any]) -> Funnel | None:
    """The funnel with some options changed, or None if it is invalid, or has no entrant with so long a window over."""
    try:
        changed = _with(definition, options)
    except DefinitionError:
        return None
    return None if changed.maturity == "mature" and changed.window == duration(LONGEST) else changed


def _results(paths: Paths, definition: Funnel) -> pl.DataFrame:
    """The result of each counted customer: steps reached and breakdown of each entry."""
    found = members(paths, definition, with_objectors=True)
    if definition.maturity == "mature":
        found = found.filter(~pl.col("is_open"))
    result = pl.struct("depth", *definition.by).sort().alias("result")
    return found.group_by(CUSTOMER).agg(result)


def _differ(one: pl.DataFrame, other: pl.DataFrame) -> int:
    """The number of customers whose results differ, or who have a result in only one of the two."""
    both = one.join(other, on=CUSTOMER, how="full", coalesce=True)
    return int(both.select(pl.col("result").ne_missing(pl.col("result_right")).sum()).item())


def _as_text(value: Any) -> str:
    """An option as text."""
    if isinstance(value, tuple):
        return ", ".join(_as_text(item) for item in value) or "none"
    return " or ".join(value.any_of) if hasattr(value, "any_of") else str(value)
