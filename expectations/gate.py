"""The gate: which rows of a batch may land? Evaluates the row-level expectations of the suites in one lazy pass.

A rule is an expectation as a condition on one row. Null passes every rule, except one that requires a value. A row that
fails a rule of severity `refuse` goes to quarantine, with the reason and the field of the first rule it fails; a row
that fails a rule of severity `warn` lands and is counted.
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
    """The batch split into `accepted` and `refused`; `refused` has additional columns rule, field, reason and expected.

    `warned` counts accepted rows that fail a rule of severity `warn`, by the name of the rule; rules that no row fails
    are absent.
    """

    accepted: pl.DataFrame
    refused: pl.DataFrame
    warned: dict[str, int]


def contract_rules(
    *, oldest: timedelta | None = timedelta(days=400), newest: timedelta | None = timedelta(days=1)
) -> tuple[Rule, ...]:
    """The rules for every event, the most informative first.

    `oldest` and `newest` limit how long an event may have occurred before and after it was received; None is no limit.

    >>> [rule.field for rule in contract_rules()][:2]
    ['schema_version', 'event_id']
    """
    return compile_suites([contract_suite(oldest=oldest, newest=newest)], contract.EVENTS).rules


def judge(batch: pl.DataFrame, rules: Sequence[Rule]) -> Verdict:
    """Split a batch into the rows that pass all refusing rules and the others, without changing their order.

    A batch without refused rows is returned as it is, without a copy.

    >>> batch = pl.DataFrame({"kind": ["order", "dream"]})
    >>> rule = Rule("kind is known", "kind", "not_allowed", pl.col("kind") == "order", "order")
    >>> judge(batch, [rule]).refused["rule"].to_list()
    ['kind is known']
    """
    refusing = [rule for rule in rules if rule.severity == "refuse"]
    warning = [rule for rule in rules if rule.severity == "warn"]
    failed = [_fails(rule).alias(f"{index}") for index, rule in enumerate(warning)]
    judged = batch.lazy().select(_first_failed(refusing), *failed).collect()
    first = judged.to_series(0)
    accepted, refused = batch, batch.clear()
    kept = first.is_null()
    if first.null_count() < batch.height:
        accepted, refused = batch.filter(kept), batch.filter(~kept)
    explained = _explain(refused, first.drop_nulls(), refusing)
    counts = {rule.name: int((judged[f"{index}"] & kept).sum()) for index, rule in enumerate(warning)}
    return Verdict(accepted, explained, {name: count for name, count in counts.items() if count})


def _fails(rule: Rule) -> pl.Expr:
    return ~rule.holds.fill_null(True)


def _first_failed(rules: Sequence[Rule]) -> pl.Expr:
    """The index of the first rule that a row fails; null when it passes all."""
    if not rules:
        return pl.repeat(None, pl.len(), dtype=pl.UInt16).alias(_FIRST)
    indexes = [pl.when(_fails(rule)).then(pl.lit(index, pl.UInt16)) for index, rule in enumerate(rules)]
    return pl.coalesce(indexes).alias(_FIRST)


def _explain(refused: pl.DataFrame, first: pl.Series, rules: Sequence[Rule]) -> pl.DataFrame:
    failed = [rules[index] for index in first.to_list()]
    return refused.with_columns(
        pl.Series(RULE, [rule.name for rule in failed], pl.String),
        pl.Series(FIELD, [rule.field for rule in failed], pl.String),
        pl.Series(REASON, [rule.reason for rule in failed], pl.String),
        pl.Series(EXPECTED, [rule.expected for rule in failed], pl.String),
    )
