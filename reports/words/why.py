"""Says why a goal rate moved: the rows of `analytics.why` as sentences, eight at most, in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import polars as pl

from reports.privacy.watches import Incidents
from reports.words.incidents import told
from reports.words.numbers import MISSING, count, day, percent, points, points_interval, quoted, uncapitalized
from reports.words.products import moved_sentence, segment_words

PARTS: Final = ("change", "step", "segment")
MOVED: Final = ("step", "segment", "driver", "incident")
MOVED_BY: Final = ("goal_change", "change")
"""What says what moved, of a goal and of a funnel."""
REST: Final = ("unchanged", "too_few", "withheld", "not_tested")
MET: Final = "met:"
MOST_NOTED: Final = 6
"""Notes and releases that the sentence lists."""
WEEKDAY: Final = "weekday"
NUMBERS: Final = ("before", "after", "difference", "p_corrected", "customers_before", "customers_after")
Row = dict[str, Any]


def why_sentences(answer: pl.DataFrame, incidents: Incidents, names: Mapping[str, str]) -> list[Row]:
    """The sentences of `analytics.why`, with what each stands on.

    `incidents` are its alerts as they may be shown, `names` the labels of columns. Each has `kind`, `sentence`,
    `numbers` (by name), `interval` (of the difference; of an incident of what may be seen; null without one) and
    `source`, the measure. What is told of several rows, such as changes that were noted, has their `rows`.
    """
    rows = answer.to_dicts()
    if not rows:
        return []
    goal = rows[0]["name"]
    sentences = [_stated(row, _part(row, names, goal)) for row in rows if row["kind"] in PARTS]
    sentences += [_stated(row, _driver(row, names)) for row in rows if row["kind"] == "driver"]
    sentences += _incident(rows, incidents)
    if noted := sorted((row for row in rows if row["kind"] == "note"), key=lambda row: row["since"]):
        sentences.append(_together("note", _notes(noted, names), noted))
    if of_data := [row for row in rows if row["kind"] == "data"]:
        sentences.append(_together("data", _data(of_data), of_data))
    if rows[0]["low"] is not None and not rows[0]["clear"] and all(each["kind"] not in MOVED for each in sentences):
        sentences[0]["sentence"] = f"Nothing moved beyond its interval. {sentences[0]['sentence']}"
    of_rest = [row for row in rows if row["kind"] in REST]
    hidden = sum(row["kind"] == "incident" for row in rows) - _shown(rows, incidents).height
    if hidden:
        of_rest.append({**dict.fromkeys(rows[0]), "kind": "withheld", "source": "watch", "customers_after": hidden})
    if of_rest:
        sentences.append(_together("rest", _rest(of_rest, names), of_rest))
    return sentences


def _stated(row: Row, sentence: str) -> Row:
    """A sentence of one row."""
    numbers = {name: row[name] for name in NUMBERS if row[name] is not None}
    ends = None if row["low"] is None else [row["low"], row["high"]]
    about = {"name": row["name"], "by": row["by"], "group": row["group"]}
    known = {name: value for name, value in about.items() if value is not None}
    return {
        **{"kind": row["kind"], "sentence": sentence, **known},
        **{"numbers": numbers, "interval": ends, "source": row["source"]},
    }


def _together(kind: str, sentence: str, rows: Sequence[Row]) -> Row:
    """A sentence of several rows."""
    source = ", ".join(dict.fromkeys(row["source"] for row in rows))
    told_of = ("kind", "source", "name", "by", "customers_after", "since", "until")
    every = [{name: row[name] for name in told_of if row[name] is not None} for row in rows]
    return {"kind": kind, "sentence": sentence, "numbers": {}, "interval": None, "source": source, "rows": every}


def _part(row: Row, names: Mapping[str, str], goal: str) -> str:
    """The change, or a part of it."""
    columns = row["by"].split(" × ") if row["by"] else []
    whole = {"family": row["by"], "stage": row["name"], **row, **dict(zip(columns, row["group"] or (), strict=True))}
    whole |= {"contribution": row["difference"], "contribution_low": row["low"], "contribution_high": row["high"]}
    sentence = moved_sentence(whole, names, goal)
    if row["kind"] != "change" or row["clear"]:
        return sentence
    if row["low"] is None:
        ends = f"{percent(row['before'])} to {percent(row['after'])}"
        return f"The rate of {goal!r} went from {ends}; too few customers to say more."
    return f"{sentence[:-1]}, which may be chance."


def _driver(row: Row, names: Mapping[str, str]) -> str:
    """Who dropped more, or less, at the stage than before."""
    (level,), factor = row["group"], row["by"]
    who = segment_words({"family": factor, factor: level}, names)
    if factor == WEEKDAY:
        who = f"those of a {level.split()[-1]}"
    if factor.startswith(MET):
        who = f"those who had met {quoted(factor.removeprefix(MET))} before"
    moved = f"{points(row['difference'])}, {points_interval(row['low'], row['high'])}"
    return (
        f"Of those before {row['name']}, {who} dropped out by {points(row['after'])} against all others, and by "
        f"{points(row['before'])} in the period before: {moved}, an association and no cause."
    )


def _shown(rows: Sequence[Row], incidents: Incidents) -> pl.DataFrame:
    """The incidents of the answer that may be shown, in its order."""
    order = {row["name"]: number for number, row in enumerate(rows) if row["kind"] == "incident"}
    alerts = told(incidents).filter(pl.col("alert").is_in(list(order)))
    return alerts.sort(pl.col("alert").replace_strict(order, return_dtype=pl.Int64, default=None))


def _incident(rows: Sequence[Row], incidents: Incidents) -> Iterator[Row]:
    """The incident with most goals at stake with what rose with it, and how many more there are."""
    shown = _shown(rows, incidents).to_dicts()
    if not shown:
        return
    first, more = shown[0], len(shown) - 1
    sentence = f"On these days: {first['sentence']}"
    sentence += f"; {uncapitalized(first['rose_with'])}" if first["rose_with"] else ""
    sentence += f"; and {more} more: journeys watch --replay" if more else ""
    ends = None if first["expected_low"] is None else [first["expected_low"], first["expected_high"]]
    numbers = {name: first[name] for name in ("seen", "of", "share", "expected", "goals", "low", "high", "p_corrected")}
    known = {name: value for name, value in numbers.items() if value is not None} | {"more": more}
    yield {
        **{"kind": "incident", "sentence": f"{sentence}.", "name": first["alert"]},
        **{"numbers": known, "interval": ends, "source": "watch"},
    }


def _notes(rows: Sequence[Row], names: Mapping[str, str]) -> str:
    listed = [f"{day(row['since'])}, {_noted(row, names)}" for row in rows[:MOST_NOTED]]
    listed += [f"and {len(rows) - MOST_NOTED} more"] if len(rows) > MOST_NOTED else []
    return f"Noted then, which is no proof of a cause: {'; '.join(listed)}."


def _noted(row: Row, names: Mapping[str, str]) -> str:
    """What was noted, or which version was first seen."""
    return str(row["name"]) if row["by"] is None else f"{_label(row['by'], names)} {quoted(row['name'])} first seen"


def _data(rows: Sequence[Row]) -> str:
    parts = []
    for row in rows:
        if row["name"] is None:
            parts.append(f"late events may still come until {day(row['until'])}")
            continue
        first, last = day(row["since"]), day(row["until"])
        days = first if first == last else f"{first} to {last}"
        parts.append(f"data of channel {quoted(row['name'])} are missing or late, {days}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _rest(rows: Sequence[Row], names: Mapping[str, str]) -> str:
    """What was looked at and is not told."""
    parts = []
    same = [row for row in rows if row["kind"] == "unchanged"]
    if columns := [_label(row["name"], names) for row in same if row["source"] in MOVED_BY]:
        parts.append(f"nothing beyond its interval by {', '.join(columns)}")
    stages = [row["name"] for row in same if row["source"] == "drivers"]
    parts += [f"nobody dropped before {stage} more than before against all others" for stage in stages]
    parts += ["no alert on these days"] if any(row["source"] == "watch" for row in same) else []
    few = sum(row["customers_after"] for row in rows if row["kind"] == "too_few")
    hidden = sum(row["customers_after"] for row in rows if row["kind"] == "withheld")
    parts += [f"{count(few)} with too few customers for an interval"] if few else []
    parts += [f"{count(hidden)} withheld, as few customers are behind them"] if hidden else []
    for row in rows:
        if row["kind"] == "not_tested":
            parts.append(_not_tested(row, names))
    return f"Also looked at: {'; '.join(parts)}."


def _not_tested(row: Row, names: Mapping[str, str]) -> str:
    if row["source"] == "drivers":
        return f"who drops before {row['name']} could not be tested"
    if row["name"] is None:
        return "what was unusual on these days could not be tested"
    return f"not watched, {_label(row['name'], names)}: too many values"


def _label(family: str, names: Mapping[str, str]) -> str:
    return " × ".join(names.get(name, name) for name in family.split(" × ")) or MISSING
