"""Computes a published report again, and names every number that is not the one that was published.

The report is made anew as it was: from the events that it read, beside the reports beside which it was published, by
the definitions of now, which must be those of then. The same answers give the same bytes, so every page is compared
whole, in about the time that the report took.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from expectations.errors import DefinitionError, InputError, StorageError, nearest
from expectations.lake.layout import Lake
from reports.site.places import INDEX, RUNS, Place
from reports.site.receipts.numbers import Difference, differences, said_by
from reports.site.receipts.receipt import NAME, WITHDRAWN, NumberName, is_value, run_of_index

if TYPE_CHECKING:
    from reports.questions.ask import PathRules
    from reports.questions.definitions import Asked
    from reports.settings import ReportSettings
    from reports.site.site import BuiltSite

_ADDRESSES: Final = ("whole", "csv", "parquet", "svg", "png")
"""Which files a report has: nothing that it says."""
_WITHDRAWN: Final = f"<h1>{WITHDRAWN}</h1>"
_BACK: Final = "take the journeys.toml of then, from its history, with --config"


@dataclass(frozen=True)
class Verdict:
    """How a report, a card or a number differs from what its computation gives (`differences`; none: it is the same).

    `checked` is how many numbers and texts were compared; `receipt` what they were made from; `notes` what could not be
    computed again. `value` is that of a single number.
    """

    run: str
    checked: int
    differences: tuple[Difference, ...]
    receipt: dict[str, Any]
    notes: tuple[str, ...] = ()
    value: Any = None


@dataclass(frozen=True)
class Verifier:
    """Computes the reports of a lake again, by these definitions; `place` is where they were published."""

    lake: Lake
    settings: ReportSettings
    rules: PathRules
    asked: Asked
    place: Place

    def again(self, run: str, *, static: bool = False) -> Again:
        """A report of the lake, computed again, with its page without scripts where that is asked for.

        Raises `DefinitionError` with the nearest name for a run that is not kept, and where a definition has changed
        since; `StorageError` where the lake no longer has what the report read.
        """
        from reports.questions.definitions import asked_hashes, definition_hashes
        from reports.questions.runs import known_by, restated_until, told_in
        from reports.site.publish import asked_of
        from reports.site.site import build_site

        told = told_in(self.lake, run)
        if "asked" not in told:
            raise DefinitionError(
                "This report was published by a version without receipts.",
                where=run,
                do="publish a new one: journeys report",
            )
        _check_same(told["definition"], definition_hashes(self.settings, self.rules, self.asked.goals), {"segments"})
        _check_same(told["asked"], asked_hashes(self.asked, self.settings))
        beside = [self._told_beside(each) for each in told["beside"]]
        settings = self.settings.model_copy(update={"files": False, "static": static})
        with tempfile.TemporaryDirectory(prefix="journeys-") as folder:
            known = known_by(self.lake, told, self.rules, Path(folder))
            answers = asked_of(self.lake, settings, self.rules, self.asked, beside, known=known)
        if answers is None:
            raise StorageError("The lake has no touches any more.", where=self.lake.paths, do="journeys stitch")
        _check_same(told["definition"], answers.origin.definition)
        at = datetime.fromisoformat(told["built_at"])
        answers = replace(answers, restated=restated_until(self.lake, settings, at))
        return Again(told, build_site(answers, settings, at, str(told["folder"])), known.gone)

    def _told_beside(self, run: str) -> dict[str, Any]:
        """The `site.json` of a report beside which another was published, from the lake, or from the site."""
        from reports.questions.runs import told_by_name

        told = told_by_name(self.lake, run)
        if told is None:
            content = self.place.read(f"{RUNS}/{run}/{INDEX}")
            told = None if content is None else _index(content.decode())
        if told is None:
            raise StorageError(
                "An earlier report is gone, in steps from which this one was counted.",
                where=run,
                do="its numbers cannot be computed again to the digit; compare what reports told: journeys diff",
            )
        return told


def verified_file(verifier: Verifier, content: bytes, where: str) -> Verdict:
    """Whether a page of a report, or its `site.json`, says what was published.

    Raises `InputError` where it carries no receipt, and as `Verifier.again` does.
    """
    text = _text(content, where)
    receipt = _index(text) or receipt_on(text)
    if (receipt is None and _WITHDRAWN in text) or "withdrawn" in (receipt or {}):
        raise StorageError(
            "The report was withdrawn, as a customer was erased since: it says no number any more.",
            where=where,
            do="take a page of a newer report, or publish one: journeys report",
        )
    if receipt is None:
        raise InputError(
            "This file carries no receipt.",
            where=where,
            expected="a page of a report (report.html), or its site.json",
            do="reports of earlier versions carry none: publish a new one with journeys report",
        )
    run = run_of_index(receipt) if "folder" in receipt else str(receipt["run"])
    return verifier.again(run, static=receipt.get("file") == _static()).file(content, where)


def verified_number(verifier: Verifier, receipt: str) -> Verdict:
    """Whether a report, a card or a number, by its receipt, is what was published. Raises as `Again.number` does."""
    return verifier.again(NumberName.read(receipt).run).number(receipt)


@dataclass(frozen=True)
class Again:
    """A report that is computed again: its `site.json` as the lake keeps it, and the site `built` now.

    What is `gone` from the lake is compared with nothing.
    """

    told: dict[str, Any]
    built: BuiltSite
    gone: tuple[str, ...] = ()

    def file(self, content: bytes, where: str) -> Verdict:
        """Compares a page of the report, or its `site.json`."""
        text = _text(content, where)
        index = _index(text)
        if index is not None:
            return self._verdict(sum(1 for _ in _leaves(index)), _compared_indexes(index, self._now))
        expected = self._page(str((receipt_on(text) or {}).get("file")), where)
        return self._verdict(len(said_by(expected)), differences(text, expected))

    def number(self, receipt: str) -> Verdict:
        """A report, a card or a number, by its receipt `RUN[/CARD[/ROW/COLUMN[=VALUE]]]`.

        What the lake keeps of it, and its stated value, are compared with the computation. Raises `DefinitionError`
        with the nearest name for a card, a row or a column that is not there.
        """
        name = NumberName.read(receipt)
        if name.card is None:
            return self._verdict(sum(1 for _ in _leaves(self._now)), _compared_indexes(self.told, self._now))
        frames = _frames(self._now)
        if name.card not in frames:
            raise DefinitionError(
                f"The report has no card {name.card!r}.",
                expected=", ".join(frames),
                do=nearest(name.card, list(frames)),
            )
        if name.row is None:
            found = [each for each in _compared_indexes(self.told, self._now) if each.card == name.card]
            return self._verdict(sum(1 for card, *_ in _leaves(self._now) if card == name.card), found)
        column, stated = _column_of(name, frames[name.card])
        value = _value_of(frames[name.card], column, name.row)
        kept = _frames(self.told).get(name.card, {}).get(column, [])[name.row - 1 : name.row]
        shown = [] if stated is None or is_value(stated, value) else [stated]
        if kept != [value]:
            shown.append(f"{_text_of(kept)} in the lake")
        where = f"row {name.row}, {column}"
        return self._verdict(1, [Difference(name.card, where, each, _text_of([value])) for each in shown], value)

    @cached_property
    def _now(self) -> dict[str, Any]:
        index: dict[str, Any] = json.loads(self.built.files[INDEX])
        return index

    def _verdict(self, checked: int, found: Iterable[Difference], value: Any = None) -> Verdict:
        names = ("built_at", "definitions", "versions", "offsets", "erasures", "k", "least")
        told = {*_frames(self.told), *_frames(self._now)}
        notes = tuple(
            f"card {each!r}: the lake no longer keeps what it was counted from, so it is not compared"
            for each in self.gone
            if each in told
        )
        kept = tuple(each for each in found if not self._is_of_gone(each))
        receipt = {name: self.told[name] for name in names}
        return Verdict(run_of_index(self.told), checked, kept, receipt, notes, value)

    def _is_of_gone(self, found: Difference) -> bool:
        """Whether a difference is one of a card that cannot be counted again, or of its counts."""
        return any(
            found.card == each or f"{found.where}, ".startswith((f"{each}, ", f"counts, {each}, "))
            for each in self.gone
        )

    def _page(self, file: str, where: str) -> str:
        """The page of this name."""
        from reports.site.site import ABOVE

        content = self.built.front if file == ABOVE else self.built.files.get(file)
        if content is None:
            pages = [name for name in self.built.files if name.endswith(".html")]
            raise InputError(
                "The receipt names no page of this report.",
                where=where,
                expected=", ".join(pages),
                found=file,
                do=nearest(file, pages),
            )
        return content.decode()


def _frames(index: dict[str, Any]) -> dict[str, dict[str, list[Any]]]:
    """The frames of all cards of a `site.json`, by the id of the card."""
    return {part["id"]: part["frame"] for page in index["pages"] for part in page["parts"]}


def receipt_on(page: str) -> dict[str, Any] | None:
    """The receipt that a page carries; null where it carries none.

    >>> receipt_on('<meta name="receipt" content="{&quot;run&quot;:1}">')
    {'run': 1}
    """

    class Reader(HTMLParser):
        found: str | None = None

        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            of = dict(attributes)
            if tag == "meta" and of.get("name") == NAME and self.found is None:
                self.found = of.get("content")

    reader = Reader()
    reader.feed(page)
    return _index(reader.found or "", "run")


def _index(text: str, name: str = "folder") -> dict[str, Any] | None:
    """A JSON object with this name in it; null for any other text."""
    try:
        index = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return index if isinstance(index, dict) and name in index else None


def _text(content: bytes, where: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InputError("This file is no text.", where=where, expected="a page of a report, in UTF-8") from error


def _static() -> str:
    from reports.site.site import STATIC

    return STATIC


def _check_same(then: dict[str, str], now: dict[str, str], unless: set[str] | frozenset[str] = frozenset()) -> None:
    """Raises `DefinitionError` with the definitions that have changed since."""
    changed = [name for name in dict.fromkeys([*then, *now]) if name not in unless and then.get(name) != now.get(name)]
    if changed:
        raise DefinitionError(
            "The report was made by other definitions than those of now.",
            where="journeys.toml",
            expected="the definitions of then",
            found=f"changed since: {', '.join(changed)}",
            do=_BACK,
        )


def _column_of(name: NumberName, frame: dict[str, list[Any]]) -> tuple[str, str | None]:
    found = name.column_among(list(frame))
    if found is None:
        wanted = (name.column or "").partition("=")[0]
        raise DefinitionError(
            f"Card {name.card!r} has no column {wanted!r}.", expected=", ".join(frame), do=nearest(wanted, list(frame))
        )
    return found


def _value_of(frame: dict[str, list[Any]], column: str, row: int) -> Any:
    if row > len(frame[column]):
        raise DefinitionError("The card has no such row.", expected=f"1 to {len(frame[column])}", found=str(row))
    return frame[column][row - 1]


Leaf = tuple[str, str, Any]
"""A card, where in it, and what is there."""


def _compared_indexes(found: dict[str, Any], expected: dict[str, Any]) -> Iterator[Difference]:
    """Every place in which two `site.json` differ, but for which files the report has."""
    here, there = ({(card, where): value for card, where, value in _leaves(each)} for each in (found, expected))
    for card, where in dict.fromkeys([*there, *here]):
        one, other = (each.get((card, where), _NOTHING) for each in (here, there))
        if one != other:
            yield Difference(card, where, _text_of([one]), _text_of([other]))


_NOTHING: Final = object()


def _text_of(values: list[Any]) -> str:
    """A value as it may be printed; "nothing" where there is none."""
    if not values or values[0] is _NOTHING:
        return "nothing"
    return "withheld" if values[0] is None else str(values[0])


def _leaves(value: Any, card: str = "", path: tuple[str, ...] = (), *, in_frame: bool = False) -> Iterator[Leaf]:
    """Everything in a `site.json`, by its card and its place."""
    if isinstance(value, dict):
        own = str(value["id"]) if not in_frame and {"id", "frame"} <= set(value) else card
        for name, inner in value.items():
            if in_frame or name not in _ADDRESSES:
                is_frame = name == "frame" and not in_frame
                yield from _leaves(inner, own, () if is_frame else (*path, name), in_frame=in_frame or is_frame)
    elif isinstance(value, list):
        for number, inner in enumerate(value, 1):
            yield from _leaves(inner, card, (*path, f"row {number}"), in_frame=in_frame)
    else:
        yield card, ", ".join(path), value
