"""What readers behind a proxy may ask: questions whose answers cannot be subtracted to find one person.

An answer in steps hides a person as long as questions cannot be moved by a person: so weeks are whole, windows are
few, and groups are those that somebody has configured.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from expectations.errors import DefinitionError, nearest
from explorer.kind import PERIODS
from explorer.question import SEGMENT, Question
from explorer.source import Source
from explorer.vocabulary import Vocabulary

KINDS: Final = ("funnel", "trend")
"""What can be asked: answers of counts of customers and what follows from them."""
COUNTS: Final = ("entered", "reached", "dropped", "open", "tie_sensitive")
"""The columns of counts of the rows."""
WINDOWS: Final = ("1d", "7d", "14d", "30d")
_LENGTHS: Final = tuple(timedelta(days=int(text[:-1])) for text in WINDOWS)
_USUAL: Final = ("count", "same", "ties", "attribution", "compared", "period")
"""What keeps its default."""


def configured(source: Source) -> tuple[str, ...]:
    """The columns to break down by: those of `[report] segments`."""
    return tuple(name for name in source.columns if name in source.report.segments)


def offered(source: Source, plain: dict[str, Any]) -> dict[str, Any]:
    """The vocabulary as JSON, with what can be asked alone."""
    columns = [column for column in plain["columns"] if column["column"] in configured(source)]
    fixed = {"count": (("customers", "customers", "Each once, by the attempt that gets furthest"),)}
    kinds = {name: plain["kinds"][name] | {"choices": fixed} for name in KINDS}
    kinds["trend"]["choices"] = fixed | {"period": PERIODS[:1]}
    return plain | {"columns": columns, "kinds": kinds, "windows": WINDOWS, "shared": True}


def without_zeros(value: Any, k: int) -> Any:
    """An answer in tens, in which 0 reads as what it stands for: fewer than `k`, and nothing in the rows of a file."""
    if isinstance(value, dict):
        rows = [_unknown(row) for row in value["rows"]] if "rows" in value and "said" in value else None
        told = {key: without_zeros(each, k) for key, each in value.items()}
        return told if rows is None else told | {"rows": rows}
    if isinstance(value, list | tuple):
        return [without_zeros(each, k) for each in value]
    return f"<{k}" if value == "0" else value


def _unknown(row: dict[str, Any]) -> dict[str, Any]:
    return {name: None if name in COUNTS and each == 0 else each for name, each in row.items()}


def check_shared(source: Source, vocabulary: Vocabulary, question: Question) -> None:
    """Raises `DefinitionError` for a question that is not answered behind a proxy."""
    if question.kind not in KINDS:
        raise _refused("kind", f"one of {', '.join(KINDS)}", question.kind)
    for name in _USUAL:
        if getattr(question, name) != (usual := Question.model_fields[name].default):
            raise _refused(name, str(usual) if usual else f"no {name}", str(getattr(question, name)))
    if question.window not in _LENGTHS:
        raise _refused("window", f"one of {', '.join(WINDOWS)}", "another length")
    for name in ("start", "end"):
        if (at := getattr(question, name)) is not None and not _is_monday(source, at):
            raise _refused(name, f"a Monday in {source.report.timezone}: only whole weeks", at.isoformat())
    if any(text.where for text in question.texts):
        raise _refused("a condition", "a segment of journeys.toml", "where")
    for column in question.by:
        known = (*configured(source), *(SEGMENT + name for name in source.segments))
        if column not in known:
            raise _refused("this breakdown", f"one of {', '.join(known)}", column)
    known_words = {(word.on, word.word) for word in vocabulary.words}
    asked = [(text.on, word) for text in question.texts for word in text.any_of]
    for on, word in [*asked, *(("touchpoint", word) for word in question.exclude)]:
        if (on, word) not in known_words:
            raise DefinitionError(
                f"Fewer than {source.report.k} customers have the {on} {word!r}, or nobody.",
                expected=f"a {on} of the list",
                do=nearest(word, [one for of, one in known_words if of == on]),
            )


def _is_monday(source: Source, at: datetime) -> bool:
    zone = source.report.zone
    local = at.replace(tzinfo=zone) if at.tzinfo is None else at.astimezone(zone)
    return local.weekday() == 0 and local.replace(hour=0, minute=0, second=0, microsecond=0) == local


def _refused(what: str, expected: str, found: str) -> DefinitionError:
    return DefinitionError(
        f"Behind a proxy the explorer does not answer {what if what.startswith(('a ', 'this ')) else f'this {what}'}.",
        expected=expected,
        found=found,
        do="`journeys explore` on the machine of the lake answers it",
    )
