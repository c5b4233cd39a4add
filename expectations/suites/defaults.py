"""The default suites, which hold for every lake: one per table and per kind of event.

The suite `events` is the contract: its row-level expectations are the rules of the gate, the most informative first.
The suites of the kinds only warn, since many sound sources lack the fields that they ask for.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from expectations import contract
from expectations.lake import layout
from expectations.suites.expectation import Expectation, Severity, Suite, absent, both, condition, has_value

SURVEYS: Final[dict[str, tuple[int, int]]] = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
"""The surveys and the range of their scores, inclusive."""
OUTCOMES: Final = ("converted", "abandoned", "open")
LINKED: Final = ("login", "device", "session", "anonymous")
_OLDEST, _NEWEST = timedelta(days=400), timedelta(days=1)
_MAX_DUPLICATES: Final = 0.05
"""The maximum share of a day's events whose id occurs twice: one in forty was sent twice."""
_OLDEST_IN_FILES: Final = timedelta(
    days=40 * 365
)  # a backfill may be old, but 1970 comes from a clock that was never set


def default_suites(*, oldest: timedelta | None = _OLDEST, newest: timedelta | None = _NEWEST) -> tuple[Suite, ...]:
    """The suites of all tables.

    `oldest` and `newest` limit how long an event may have occurred before and after it was received; None is no limit.
    An event from a file may be decades old.

    >>> [suite.name for suite in default_suites()]
    ['events', 'clickstream', 'order', 'feedback', 'profiles', 'links', 'touches']
    """
    return (contract_suite(oldest=oldest, newest=newest), *_kind_suites(), _profiles(), _links(), _touches())


def contract_suite(*, oldest: timedelta | None = _OLDEST, newest: timedelta | None = _NEWEST) -> Suite:
    """The expectations about events of every kind."""
    expectations = (
        _version(),
        *map(present, contract.REQUIRED),
        _has_identity(),
        *_time_limits(oldest, newest),
        *_values(),
        matching(contract.EVENT_NAME, r"^[a-z][a-z0-9_]*$", "lower case words joined by _", "warn"),
        Expectation("expect_compound_columns_to_be_unique", {"column_list": list(contract.PLACE)}),
        _unique_ids(),
    )
    return Suite("events", layout.EVENTS, expectations)


def present(
    column: str, severity: Severity = "refuse", where: dict[str, Any] | None = None, note: str = ""
) -> Expectation:
    """The column has a value in the rows that the condition selects."""
    return Expectation("expect_column_values_to_not_be_null", _kwargs(column, where), severity, note=note)


def mostly_present(column: str, share: float, note: str) -> Expectation:
    """Warn when fewer than `share` of a day's rows have a value in the column."""
    return Expectation("expect_column_values_to_not_be_null", {"column": column, "mostly": share}, "warn", note=note)


def one_of(column: str, values: Iterable[object], severity: Severity = "refuse", note: str = "") -> Expectation:
    """The column's values are in the set."""
    kwargs = {"column": column, "value_set": list(values)}
    return Expectation("expect_column_values_to_be_in_set", kwargs, severity, note=note)


def matching(column: str, pattern: str, note: str, severity: Severity = "refuse") -> Expectation:
    """The column's values match the regular expression."""
    kwargs = {"column": column, "regex": pattern}
    return Expectation("expect_column_values_to_match_regex", kwargs, severity, "not_allowed", note=note)


def between(
    column: str, low: float | None, high: float | None, where: dict[str, Any] | None = None, **options: Any
) -> Expectation:
    """The column's values lie in the range, ends included; `options` are further fields of the expectation."""
    ends = {name: end for name, end in (("min_value", low), ("max_value", high)) if end is not None}
    return Expectation("expect_column_values_to_be_between", {**_kwargs(column, where), **ends}, **options)


def _kwargs(column: str, where: dict[str, Any] | None) -> dict[str, Any]:
    return {"column": column, "row_condition": where} if where else {"column": column}


def _unique_ids() -> Expectation:
    """Few duplicates are harmless: clients resend. Many mean a loop, or two clients that send the same events."""
    kwargs = {"column": contract.EVENT_ID, "mostly": 1 - _MAX_DUPLICATES}
    note = f"at most {_MAX_DUPLICATES:.0%} of a day's events share their id; readers count each id once"
    return Expectation("expect_column_values_to_be_unique", kwargs, "warn", note=note)


def _version() -> Expectation:
    note = f"a version from 1 to {contract.VERSION}"
    return between("schema_version", 1, contract.VERSION, reason="unsupported_version", note=note)


def _has_identity() -> Expectation:
    """The event has an identity. Decoding has turned blank identities into null or left them out."""
    nobody = both(absent(contract.CUSTOMER_ID), absent(contract.ANONYMOUS_ID))
    kwargs = _kwargs(contract.IDENTITIES, nobody)
    note = "customer_id, anonymous_id or an entry of identities"
    reason, field = "no_identity", contract.CUSTOMER_ID
    return Expectation("expect_column_values_to_not_be_null", kwargs, reason=reason, field=field, note=note)


def _time_limits(oldest: timedelta | None, newest: timedelta | None) -> list[Expectation]:
    common: dict[str, Any] = {"reason": "time_out_of_range", "field": contract.OCCURRED_AT}
    expectations = []
    if oldest is not None:
        for from_file, limit in ((False, oldest), (True, max(oldest, _OLDEST_IN_FILES))):
            note = f"not more than {limit.total_seconds() / 86400:g} days before it was received"
            where = condition("from_file", "==", from_file)
            expectations.append(between("seconds_late", None, limit.total_seconds(), where, note=note, **common))
    if newest is not None:
        note = f"not more than {newest.total_seconds() / 86400:g} days after it was received"
        expectations.append(between("seconds_late", -newest.total_seconds(), None, note=note, **common))
    return expectations


def _values() -> list[Expectation]:
    """Sets, patterns and ranges of single fields."""
    finite: dict[str, Any] = {"reason": "not_allowed", "field": "score", "note": "a finite number"}
    spans = [
        between(
            "score",
            *ends,
            condition("survey", "==", survey),
            reason="not_allowed",
            note=f"{survey} {ends[0]} to {ends[1]}",
        )
        for survey, ends in SURVEYS.items()
    ]
    return [
        one_of(contract.KIND, contract.KINDS),
        matching("currency", "^[A-Z]{3}$", "three capital letters (ISO 4217)"),
        one_of("survey", SURVEYS),
        Expectation("expect_column_values_to_be_in_set", {"column": "score_is_finite", "value_set": [True]}, **finite),
        *spans,
    ]


def _kind_suites() -> list[Suite]:
    orders = (
        present("order_id", "warn"),
        mostly_present("revenue", 0.5, "half of a day's order events, as refunds and updates have none"),
        present("currency", "warn", has_value("revenue")),
        between("revenue", 0, None, severity="warn"),
    )
    note = "only order events have revenue, otherwise sums count it twice"
    unpaid = Expectation("expect_column_values_to_be_null", {"column": "revenue"}, "warn", note=note)
    return [
        Suite("clickstream", layout.EVENTS, (unpaid,), "clickstream"),
        Suite("order", layout.EVENTS, orders, "order"),
        Suite("feedback", layout.EVENTS, (present("score", "warn", absent("feedback_text")),), "feedback"),
    ]


def _profiles() -> Suite:
    columns = ("identity_kind", "identity", "attribute", "valid_from")
    return Suite("profiles", layout.PROFILES, tuple(map(present, columns)))


def _links() -> Suite:
    expectations = (
        *map(present, (*contract.PAIR, "removed", "decided_at")),
        *(
            Expectation("expect_column_value_lengths_to_be_between", {"column": name, "min_value": 1})
            for name in contract.PAIR
        ),
    )
    return Suite("links", layout.LINKS, expectations)


def _touches() -> Suite:
    """Some touches belong to no journey; a touch that does has an outcome, and only such a touch."""
    columns = ("customer", "at", "touchpoint", "channel", "session", "linked")
    expectations = (
        *map(present, columns),
        present("outcome", where=has_value("journey")),
        present("journey", where=has_value("outcome")),
        one_of("outcome", OUTCOMES),
        one_of("linked", LINKED),
        between("session", 1, None),
        between("journey", 1, None),
    )
    return Suite(layout.TOUCHES, layout.TOUCHES, expectations)
