"""Which rows of a batch do we believe? The rules of the contract as polars expressions, judged in one lazy pass.

A rule is a named condition on one row. A null is not the rule's business: only a rule that asks for a value refuses
its absence. Severity `refuse` keeps the row out of the lake (it goes to quarantine with the reason and the field of
the first rule it fails, in the order of the rules); severity `warn` lets it in and counts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, NamedTuple

import polars as pl

from expectations import contract

RULE: Final = "rule"
FIELD: Final = "field"
REASON: Final = "reason"
EXPECTED: Final = "expected"
_FIRST: Final = "first failed rule"

SURVEYS: Final[dict[str, tuple[int, int]]] = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
"""The surveys and the range of their scores, both ends included."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that holds for every row: `holds` is a Boolean expression, null where the rule has nothing to say.

    `field` is the column at fault, `reason` the stable code that quarantine shows, `expected` a sentence for people.
    """

    name: str
    field: str
    reason: str
    holds: pl.Expr
    expected: str
    severity: Literal["refuse", "warn"] = "refuse"


class Verdict(NamedTuple):
    """`accepted` and `refused` part the batch; `refused` has the columns rule, field, reason and expected besides.

    `warned` counts the accepted rows that fail a rule of severity `warn`, by its name; rules that all rows keep are
    absent.
    """

    accepted: pl.DataFrame
    refused: pl.DataFrame
    warned: dict[str, int]


def contract_rules(
    *, oldest: timedelta | None = timedelta(days=400), newest: timedelta | None = timedelta(days=1)
) -> tuple[Rule, ...]:
    """What every event must keep, in the order in which a reader wants to hear of it.

    `oldest` and `newest` say how far an event may have occurred before and after it was received; None is no limit.

    >>> [rule.field for rule in contract_rules()][:2]
    ['schema_version', 'event_id']
    """
    return (_version_is_known(), *map(_is_given, contract.REQUIRED), _someone(), *_in_time(oldest, newest), *_values())


def judge(batch: pl.DataFrame, rules: Sequence[Rule]) -> Verdict:
    """Part a batch into the rows that keep all refusing rules and the others, in their order.

    A batch in which nothing is refused is handed back as it is, without a copy.

    >>> batch = pl.DataFrame({"kind": ["order", "dream"]})
    >>> rule = Rule("kind is known", "kind", "not_allowed", pl.col("kind") == "order", "order")
    >>> judge(batch, [rule]).refused["rule"].to_list()
    ['kind is known']
    """
    refusing = [rule for rule in rules if rule.severity == "refuse"]
    warning = [rule for rule in rules if rule.severity == "warn"]
    broken = [_breaks(rule).alias(f"{place}") for place, rule in enumerate(warning)]
    judged = batch.lazy().select(_first_broken(refusing), *broken).collect()
    first = judged.to_series(0)
    accepted, refused = batch, batch.clear()
    kept = first.is_null()
    if first.null_count() < batch.height:
        accepted, refused = batch.filter(kept), batch.filter(~kept)
    told = _explain(refused, first.drop_nulls(), refusing)
    counts = {rule.name: int((judged[f"{place}"] & kept).sum()) for place, rule in enumerate(warning)}
    return Verdict(accepted, told, {name: count for name, count in counts.items() if count})


def _breaks(rule: Rule) -> pl.Expr:
    return ~rule.holds.fill_null(True)


def _first_broken(rules: Sequence[Rule]) -> pl.Expr:
    """The place of the first rule that a row breaks, null where it keeps all."""
    if not rules:
        return pl.repeat(None, pl.len(), dtype=pl.UInt16).alias(_FIRST)
    places = [pl.when(_breaks(rule)).then(pl.lit(place, pl.UInt16)) for place, rule in enumerate(rules)]
    return pl.coalesce(places).alias(_FIRST)


def _explain(refused: pl.DataFrame, first: pl.Series, rules: Sequence[Rule]) -> pl.DataFrame:
    broken = [rules[place] for place in first.to_list()]
    return refused.with_columns(
        pl.Series(RULE, [rule.name for rule in broken], pl.String),
        pl.Series(FIELD, [rule.field for rule in broken], pl.String),
        pl.Series(REASON, [rule.reason for rule in broken], pl.String),
        pl.Series(EXPECTED, [rule.expected for rule in broken], pl.String),
    )


def _version_is_known() -> Rule:
    known = pl.col("schema_version").is_between(1, contract.VERSION)
    expected = f"a version from 1 to {contract.VERSION}"
    return Rule("schema version is known", "schema_version", "unsupported_version", known, expected)


def _is_given(column: str) -> Rule:
    return Rule(f"{column} is given", column, "missing_field", pl.col(column).is_not_null(), "a value")


def _someone() -> Rule:
    """Somebody is named; blank identities have become null, or were left out, when the message was decoded."""
    others = pl.col(contract.IDENTITIES).map.len() > 0
    named = pl.col(contract.CUSTOMER_ID).is_not_null() | pl.col(contract.ANONYMOUS_ID).is_not_null()
    expected = "customer_id, anonymous_id or an entry of identities"
    return Rule("someone is named", contract.CUSTOMER_ID, "no_identity", named | others.fill_null(False), expected)


def _in_time(oldest: timedelta | None, newest: timedelta | None) -> list[Rule]:
    occurred, received = pl.col(contract.OCCURRED_AT), pl.col(contract.RECEIVED_AT)
    reason, column = "time_out_of_range", contract.OCCURRED_AT
    rules = []
    if oldest is not None:
        sentence = f"not more than {oldest.total_seconds() / 86400:g} days before it was received"
        rules.append(Rule("not too long ago", column, reason, occurred >= received - oldest, sentence))
    if newest is not None:
        sentence = f"not more than {newest.total_seconds() / 86400:g} days after it was received"
        rules.append(Rule("not in the future", column, reason, occurred <= received + newest, sentence))
    return rules


def _values() -> list[Rule]:
    """Sets, shapes and ranges of single fields."""
    score, survey = pl.col("score"), pl.col("survey")
    ranges = [pl.when(survey == name).then(score.is_between(*ends)) for name, ends in SURVEYS.items()]
    kinds, surveys = ", ".join(contract.KINDS), ", ".join(SURVEYS)
    spans = ", ".join(f"{name} {low} to {high}" for name, (low, high) in SURVEYS.items())
    currency = pl.col("currency").str.contains(r"^[A-Z]{3}$")
    return [
        Rule("kind is known", contract.KIND, "not_allowed", pl.col(contract.KIND).is_in(contract.KINDS), kinds),
        Rule("currency is a code", "currency", "not_allowed", currency, "three capital letters (ISO 4217)"),
        Rule("survey is known", "survey", "not_allowed", survey.is_in(list(SURVEYS)), surveys),
        Rule("score is a number", "score", "not_allowed", score.is_finite(), "a finite number"),
        Rule("score fits its survey", "score", "not_allowed", pl.coalesce(ranges), spans),
    ]
