"""Chooses the columns that say who did an event, when, and what it was; and those of channel, value and the rest.

A choice is *sure* if its name is a known one, no other column comes near, and its values are what the name says. All
others are for a person to review, and what nothing points to stays open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ingest.files.guess import words
from ingest.files.guess.sample import Column
from ingest.files.guess.times import TimeForm, time_form

_TIME_LEAD: Final = 4
_LEAD: Final = 2
"""By how much a name must be better than the next one."""
_ENVELOPES: Final = frozenset({"properties", "data", "event", "payload"})
_PLAINLY: Final = words.SURE + 10
"""The worth of a name from which it says all."""
_FEW: Final = 5
"""Rows from which it is odd that each has another customer."""
_MOST_NAMES: Final = 300
"""Different names of events that one column has at most."""
_NUMBER: Final = re.compile(r"-?[0-9]+([.,][0-9]+)?")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_ADDRESS: Final = re.compile(r"([a-z][a-z0-9+.-]*://|/|www\.)\S*", re.IGNORECASE)


class Choice(NamedTuple):
    """Where a field of the event is: the column, or a `constant`. `doubt` says what is to be reviewed; blank if the
    choice is sure. `form` is that of a time, `others` are columns that might be meant instead.
    """

    field: str
    column: Column | None
    constant: str = ""
    doubt: str = ""
    form: TimeForm | None = None
    others: tuple[str, ...] = ()
    scale: str = ""


class Named(NamedTuple):
    """What a person has said: the columns, by path, of the customer, the time and the touchpoint; blank for a guess."""

    customer: str = ""
    at: str = ""
    touchpoint: str = ""


NOBODY: Final = Named()
"""Nothing was said."""


def ranked(
    columns: Sequence[Column], scores: Mapping[str, int], fits: Callable[[Column], bool]
) -> list[tuple[int, Column]]:
    """The columns whose name is known and whose values fit, the best first; a deeper or rarer one is worth less."""
    found = []
    for column in columns:
        score = scores.get(column.name, 0)
        if not score and "_" in column.name and (rest := scores.get(column.name.split("_", 1)[1], 0)):
            score = min(rest - 20, words.SURE - 1)
        if score and column.present and fits(column):
            worth = score - _depth(column) - (column.share < 0.5) * 8
            found.append((worth, column))
    return sorted(found, key=lambda one: -one[0])


def _depth(column: Column) -> int:
    """In how many objects a column is, without that which holds what is sent of any event."""
    return max(0, len(column.keys) - 1 - (column.keys[0] in _ENVELOPES))


def when(columns: Sequence[Column], named: str = "") -> Choice | None:
    """The time of the event; None where no column has times."""
    found = []
    for column in columns:
        if named and column.path != named:
            continue
        score = _time_score(column)
        form = time_form(column.present, column.path) if score or named else None
        if form is not None:
            worth = score - 10 * _depth(column) - 15 * (not form.has_clock) - 8 * (column.share < 0.5)
            found.append((worth, column, form))
    if not found:
        return None
    found.sort(key=lambda one: -one[0])
    score, column, form = found[0]
    rivals = tuple(one.path for worth, one, _ in found[1:] if worth > score - _TIME_LEAD and not _is_same(one, column))
    doubts = []
    if not named and score < words.SURE:
        doubts.append("the name does not say that this is the time of the event")
    if not named and rivals:
        doubts.append(f"{_listed(rivals)} may be meant")
    if form.other:
        doubts.append(f"the values also fit {form.other}")
    if form.share < 1:
        doubts.append(f"{1 - form.share:.1%} of the values do not have this form")
    return Choice("occurred_at", column, doubt="; ".join(doubts), form=form, others=rivals)


def _time_score(column: Column) -> int:
    """How well a column's name says that it is the time of the event; 0 for one whose values are no times."""
    name, parts = column.name, set(column.name.split("_"))
    is_number = all(_NUMBER.fullmatch(str(value)) for value in column.present[:50])
    if name in words.TIMES:
        return words.TIMES[name]
    if parts & words.NOT_THE_TIME:
        return 30 if parts & words.TIME_WORDS or not is_number else 0
    if parts & words.TIME_WORDS:
        return 60
    return 0 if is_number else 40


def who(columns: Sequence[Column], named: str = "") -> list[Choice]:
    """The identities of the event: customer, visitor, e-mail address, session, the first of which is the customer;
    empty where no column has any.
    """
    if named:
        column = next(column for column in columns if column.path == named)
        customers = [Choice("customer_id", column)]
    else:
        customers = _of_kind(columns, "customer_id", words.CUSTOMERS)
    taken = {choice.column.path for choice in customers if choice.column}
    left = [column for column in columns if column.path not in taken]
    visitors = _of_kind(left, "anonymous_id", words.VISITORS)
    addresses = [Choice("identities.email_hash", column) for _, column in ranked(left, words.EMAILS, _is_email)[:1]]
    sessions = [Choice("session_id", column) for _, column in ranked(left, words.SESSIONS, _is_id)[:1]]
    people = [*customers, *visitors, *addresses]
    if people and all(choice.doubt for choice in people[:1]) and len(people) > 1:
        sure = [choice for choice in people if not choice.doubt]
        people = [*sure, *(choice for choice in people if choice.doubt)] if sure else people
        people = [people[0], *(choice for choice in people[1:] if not choice.doubt)]
    return [*_checked(people), *sessions] if people else _of_sessions(sessions)


def _of_kind(columns: Sequence[Column], field: str, scores: Mapping[str, int]) -> list[Choice]:
    """The best column of one kind of identity, with what is to be reviewed."""
    found = ranked(columns, scores, _is_id)
    if not found:
        return []
    score, column = found[0]
    rivals = tuple(one.path for worth, one in found[1:] if worth > score - _LEAD and not _is_same(one, column))
    doubts = []
    if score < words.SURE - 8:
        doubts.append("the name does not say that this is a customer")
    if rivals:
        doubts.append(f"{_listed(rivals)} may be meant")
    return [Choice(field, column, doubt="; ".join(doubts), others=rivals)]


def _checked(people: list[Choice]) -> list[Choice]:
    """The identities; the first is in doubt if each row has another value, or if many rows have none of them."""
    first, *rest = people
    assert first.column is not None
    doubts = [first.doubt] if first.doubt else []
    rows = len(first.column.values)
    known = [any(values) for values in zip(*(_has(choice) for choice in people), strict=True)]
    if first.column.distinct == len(first.column.present) >= _FEW and first.column.share == 1:
        doubts.append("each row has another value, so that no customer comes twice")
    if first.column.distinct == 1 and rows >= _FEW and len(people) == 1:
        doubts.append("all rows have the same value")
    if (lacking := known.count(False)) > rows / 10:
        doubts.append(f"{lacking:,} of {rows:,} rows have no customer, and are refused")
    return [first._replace(doubt="; ".join(doubts)), *rest]


def _has(choice: Choice) -> list[bool]:
    assert choice.column is not None
    return [value is not None for value in choice.column.values]


def _of_sessions(sessions: list[Choice]) -> list[Choice]:
    """A session as the customer, where a file knows nobody longer."""
    return [
        Choice("anonymous_id", choice.column, doubt="no column names a customer; each session counts as one")
        for choice in sessions
    ]


def what(columns: Sequence[Column], stem: str, named: str = "") -> list[Choice]:
    """The name of the event, and the address that tells pages apart: a column, or one name for all rows."""
    pages = [Choice("url", column) for _, column in ranked(columns, words.PAGES, _is_address)[:1]]
    if named:
        column = next(column for column in columns if column.path == named)
        return [Choice("event_name", column), *pages]
    orders, amounts = ranked(columns, words.ORDERS, _is_id), ranked(columns, words.AMOUNTS, _is_amount)
    found = ranked(columns, words.NAMES, _is_name)
    is_named = found and (found[0][0] >= words.SURE or not (pages or orders or _is_of_orders(columns)))
    if is_named and pages and _is_coded(found[0][1]):
        doubt = f"{found[0][1].path} has numbers for kinds of events; each row counts as one page"
        return [Choice("event_name", None, constant="page_viewed", doubt=doubt), *pages]
    if is_named:
        return [_name_of(found), *pages]
    if orders and orders[0][0] >= words.SURE - 20:
        return [_order_name(orders[0][1], has_amount=bool(amounts)), *pages]
    if amounts and amounts[0][0] >= _PLAINLY and _is_of_orders(columns):
        return [Choice("event_name", None, constant="order_placed"), *pages]
    if pages:
        return [Choice("event_name", None, constant="page_viewed"), *pages]
    name = re.sub(r"[\W_\d]+", "_", stem).strip("_").lower() or "event"
    others = [column for column in columns if 1 < column.distinct <= 30 and _is_text(column) and _is_name(column)]
    others = [column for column in others if not all(_NUMBER.fullmatch(value) for value in column.present)]
    if others and not amounts:
        doubt = (
            f"no name says so, but its values may be those of events; or {_listed([one.path for one in others[1:]])}"
        )
        return [Choice("event_name", others[0], doubt=doubt.removesuffix("; or "))]
    doubt = "no column names the event; it is named after the file"
    if amounts:
        name, doubt = "payment_made", "no column names the event; each row counts as one payment"
    if others:
        doubt += f". Is it {_listed([one.path for one in others])}?"
    return [Choice("event_name", None, constant=name, doubt=doubt)]


def _is_of_orders(columns: Sequence[Column]) -> bool:
    """Whether the names say that each row is an order, such as an address of the bill."""
    return any(words.OF_ORDERS & set(re.split(r"[\W_]+", "_".join(column.keys).lower())) for column in columns)


def _name_of(found: Sequence[tuple[int, Column]]) -> Choice:
    score, column = found[0]
    rivals = tuple(one.path for worth, one in found[1:] if worth > score - _LEAD and not _is_same(one, column))
    doubts = []
    if score < words.SURE:
        doubts.append("the name does not say that this is the event")
    if rivals:
        doubts.append(f"{_listed(rivals)} may be meant")
    if _is_coded(column):
        doubts.append("the values are numbers; name them under [[paths.touchpoints]]")
    return Choice("event_name", column, doubt="; ".join(doubts), others=rivals)


def _order_name(order: Column, *, has_amount: bool) -> Choice:
    doubt = "" if has_amount else "no column names the event or an amount; each row counts as one order"
    if order.distinct < len(order.present):
        doubt = f"{len(order.present):,} rows have {order.distinct:,} orders: each row counts as one order"
    return Choice("event_name", None, constant="order_placed", doubt=doubt)


def value_of(columns: Sequence[Column]) -> list[Choice]:
    """The amount of an event and its currency."""
    found = ranked(columns, words.AMOUNTS, _is_amount)
    if not found:
        return []
    score, column = found[0]
    currencies = [Choice("currency", one) for _, one in ranked(columns, words.CURRENCIES, _is_currency)[:1]]
    is_minor = bool(set(column.name.split("_")) & words.MINOR)
    doubt = "" if score >= _PLAINLY else "the name does not say that this is what the event is worth"
    whole = all(type(value) is int and value % 1 == 0 for value in column.present)
    if not is_minor and whole and column.name in ("amount", "total", "amount_total") and currencies:
        doubt, is_minor = "whole numbers: read as the smallest unit of the currency (cents)", True
    return [Choice("revenue", column, doubt=doubt, scale="minor_units" if is_minor else ""), *currencies]


def rest_of(columns: Sequence[Column], *, is_order: bool) -> list[Choice]:
    """The fields without which an event is whole: its id, order, channel, campaign, device, country."""
    found = [Choice("event_id", one) for _, one in ranked(columns, words.EVENT_IDS, _is_unique)[:1]]
    found += [Choice("order_id", one) for _, one in ranked(columns, words.ORDERS, _is_id)[:1]]
    for score, one in ranked(columns, words.CHANNELS, _is_class)[:1]:
        doubt = "" if score >= _PLAINLY else "the name does not say that this is the channel"
        found.append(Choice("channel", one, doubt=doubt))
    for field, scores in words.OTHERS.items():
        found += [Choice(field, one) for score, one in ranked(columns, scores, _is_text)[:1] if score >= words.SURE]
    return [choice for choice in found if not (is_order and choice.field == "event_id" and _is_order(choice, found))]


def _is_order(choice: Choice, found: Sequence[Choice]) -> bool:
    return any(other.field == "order_id" and other.column == choice.column for other in found)


def _is_same(one: Column, other: Column) -> bool:
    """Whether two columns say the same wherever both say anything."""
    pairs = [(a, b) for a, b in zip(one.values, other.values, strict=True) if a is not None and b is not None]
    return bool(pairs) and all(str(a) == str(b) for a, b in pairs)


def _is_text(column: Column) -> bool:
    return all(type(value) is str for value in column.present[:200])


def _is_id(column: Column) -> bool:
    """Whether the values may be identities: texts or whole numbers."""
    return all(type(value) in (str, int) and len(str(value)) <= 200 for value in column.present[:200])


def _is_unique(column: Column) -> bool:
    return column.share == 1 and column.distinct == len(column.values) > 1 and _is_id(column)


def _is_email(column: Column) -> bool:
    return all(_EMAIL.fullmatch(str(value).strip()) for value in column.present[:200])


def _is_address(column: Column) -> bool:
    texts = column.present[:200]
    return sum(_ADDRESS.fullmatch(str(value)) is not None for value in texts) > len(texts) / 2


def _is_name(column: Column) -> bool:
    """Whether the values may be names of events: short texts, of which there are few."""
    texts = column.present
    return (
        column.distinct <= min(_MOST_NAMES, max(_FEW, len(texts) // 2))
        and all(type(value) is str and len(value) <= 120 for value in texts[:200])
        and column.share > 0.5
    )


def _is_coded(column: Column) -> bool:
    """Whether the values are numbers that stand for something."""
    return all(_NUMBER.fullmatch(str(value)) for value in column.present)


def _is_class(column: Column) -> bool:
    return _is_text(column) and column.distinct <= 30


def _is_amount(column: Column) -> bool:
    return all(type(value) is not bool and _NUMBER.fullmatch(str(value)) for value in column.present[:500])


def _is_currency(column: Column) -> bool:
    return all(re.fullmatch(r"[A-Za-z]{3}", str(value)) for value in column.present[:200])


def _listed(paths: Sequence[Any]) -> str:
    return " or ".join(paths[:4]) + (f" ({len(paths) - 4} more)" if len(paths) > 4 else "")
