"""Which rows of a batch do we believe? The row-level expectations of the suites, judged in one lazy pass.

A rule is an expectation as a condition on one row. A null is not the rule's business: only a rule that asks for a
value refuses its absence. Severity `refuse` keeps the row out of the lake (it goes to quarantine with the reason and
the field of the first rule it fails, in the order of the rules); severity `warn` lets it in and counts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

import polars as pl

from expectations import contract
from expectations.compile.compile import Rule, compile_suites
from expectations.suites.defaults import contract_suite

__all__ = ["EXPECTED", "FIELD", "REASON", "RULE", "Rule", "Verdict", "contract_rules", "judge"]

RULE: Final = "rule"
FIELD: Final = "field"
REASON: Final = "reason"
EXPECTED: Final = "expected"
_FIRST: Final = "first failed rule"


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
    return compile_suites([contract_suite(oldest=oldest, newest=newest)], contract.EVENTS).rules


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
