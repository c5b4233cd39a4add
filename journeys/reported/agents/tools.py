"""The eight tools: a call is checked, answered, or refused with what to ask instead, and always one line of JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from pydantic import ValidationError

from expectations.errors import DefinitionError, JourneysError, nearest
from journeys.app import known
from journeys.reported.agents.arguments import ARGUMENTS
from journeys.reported.agents.budget import LONGEST_TEXT, as_line, harmless_value
from journeys.reported.agents.published import Answer, Published

_FACTS: Final = ("what", "where", "expected", "found", "do")
_PROPOSED: Final = re.compile(r"did you mean '(.+)'\?")
_KINDS: Final[Mapping[str, str]] = {"extra_forbidden": "no such argument", "missing": "this argument is needed"}


class Tools:
    """The tools that are offered, all eight or fewer, over one lake."""

    def __init__(self, answers: Published, only: Sequence[str] = ()) -> None:
        for name in only:
            if name not in ARGUMENTS:
                raise DefinitionError(
                    f"There is no tool {name!r}.",
                    expected=f"one of {', '.join(ARGUMENTS)}",
                    do=nearest(name, ARGUMENTS),
                )
        self.answers: Final = answers
        self.names: Final = [name for name in ARGUMENTS if not only or name in only]

    def call(self, name: str, arguments: Mapping[str, Any] | None) -> tuple[str, bool]:
        """The answer as one line of JSON, and whether it is an error. No exception leaves it."""
        try:
            return as_line(self._answer(name, arguments or {})), False
        except Exception as error:  # noqa: BLE001 - an agent reads what failed, and the server goes on
            return as_line(self._refused(name, arguments or {}, known(error))), True

    def _answer(self, name: str, arguments: Mapping[str, Any]) -> Answer:
        if name not in self.names:
            raise DefinitionError(
                f"There is no tool {harmless_value(name)!r}.",
                expected=f"one of {', '.join(self.names)}",
                do=nearest(name, self.names),
            )
        try:
            asked = ARGUMENTS[name].model_validate(arguments)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            wrong, takes = ".".join(map(str, first["loc"])), ARGUMENTS[name].model_fields
            raise DefinitionError(
                f"The tool {name} cannot read its arguments: {_KINDS.get(first['type'], first['msg'])}.",
                where=str(harmless_value(wrong)),
                expected=f"arguments {', '.join(takes)}" if first["type"] in _KINDS else first["msg"],
                found="" if first["type"] == "missing" else str(harmless_value(repr(first["input"]))),
                do=nearest(wrong, takes) if first["type"] == "extra_forbidden" else "",
            ) from None
        answer: Answer = getattr(self.answers, name)(asked)
        return answer

    def _refused(self, name: str, arguments: Mapping[str, Any], error: JourneysError) -> Answer:
        """An error, with a call to try instead: the same without the mistake, or one that says what there is."""
        facts = {fact: harmless_value(text, LONGEST_TEXT) for fact in _FACTS if (text := getattr(error, fact))}
        instead = _corrected(arguments, error)
        call: Answer | None = None
        if name in self.names and instead is not None:
            call = {"tool": name, "arguments": instead}
        elif (other := "sql" if name == "sql" and arguments else "vocabulary") in self.names and name != "vocabulary":
            call = {"tool": other, "arguments": {}}
        refused = {"mode": self.answers.mode, "error": facts.pop("what"), "code": error.code, **facts}
        return refused if call is None else {**refused, "instead": call}


def _corrected(arguments: Mapping[str, Any], error: JourneysError) -> dict[str, Any] | None:
    """The arguments with the word that the error proposes in the place of the one most like it; null without any."""
    found = _PROPOSED.fullmatch(error.do)
    if found is None:
        return None
    right = found[1]
    if error.where in arguments and right not in arguments:
        return {right if name == error.where else name: _plain(value) for name, value in arguments.items()}
    words = [word for word in _words_of(arguments) if word != right]
    wrong = next(iter(get_close_matches(right.lower(), [word.lower() for word in words], n=1, cutoff=0.5)), None)
    if wrong is None:
        return None
    replaced: dict[str, Any] = _with(arguments, {word: right for word in words if word.lower() == wrong})
    return replaced


def _words_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from (name, *_words_of(one))
    elif isinstance(value, list):
        for one in value:
            yield from _words_of(one)


def _with(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return words.get(value, _plain(value))
    if isinstance(value, Mapping):
        return {words.get(name, _plain(name)): _with(one, words) for name, one in value.items()}
    return [_with(one, words) for one in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    return harmless_value(value, LONGEST_TEXT)
