"""Questions that are kept by name, in a file beside journeys.toml, so that they can be opened again by anybody.

Several explorers may write at once: who writes holds the lock of the folder, and replaces or deletes only what its page
has shown.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from expectations.errors import DefinitionError, InputError, StorageError, said
from expectations.lake import files

FILE: Final = "questions.json"
MOST: Final = 500
"""Questions that a file holds."""
MOST_CHARACTERS: Final = 16_384
"""The longest state of a question, as JSON."""


class SavedQuestion(BaseModel):
    """A question by name: the state of the page, and what its last answer said of data up to when.

    `replaces` is the digest of the question that it replaces; it is not kept.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=120)
    state: dict[str, Any]
    said: str = Field("", max_length=500)
    data_to: str = Field("", max_length=60)
    replaces: str = Field("", max_length=64)

    @property
    def digest(self) -> str:
        """What differs between two states."""
        return sha256(json.dumps(self.state, sort_keys=True).encode()).hexdigest()

    @field_validator("name")
    @classmethod
    def _is_a_line(cls, name: str) -> str:
        line = " ".join("".join(each if each.isprintable() else " " for each in name).split())
        if not line:
            raise ValueError("a name has a letter")
        return line

    @field_validator("state")
    @classmethod
    def _is_short(cls, state: dict[str, Any]) -> dict[str, Any]:
        if len(json.dumps(state, ensure_ascii=False)) > MOST_CHARACTERS:
            raise ValueError(f"a question has at most {MOST_CHARACTERS} characters")
        return state


class Saved:
    """The questions beside a configuration file, in the order of their names."""

    def __init__(self, config: str) -> None:
        self.file: Final = Path(config).absolute().parent / FILE

    def all(self) -> list[SavedQuestion]:
        """The questions. Raises `InputError` for a file that is none of ours, which is left as it is."""
        content = files.read(str(self.file))
        if content is None:
            return []
        try:
            return [SavedQuestion.model_validate(row) for row in json.loads(content)["questions"]]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise InputError(
                "The saved questions cannot be read.",
                where=str(self.file),
                expected='{"questions": [{"name": "...", "state": {...}}]}',
                do="mend the file, or move it away",
            ) from None

    def keep(self, body: bytes) -> list[SavedQuestion]:
        """Keeps a question; returns all. It replaces one of the same name that asks the same, or that `replaces` names.

        Raises `DefinitionError` for a body that is none, `TakenError` where another question has the name, and
        `StorageError` where it cannot be written.
        """
        question = _read(body)
        with self._held():
            known = self.all()
            _check_shown(known, question)
            others = [each for each in known if each.name != question.name]
            if len(others) >= MOST:
                raise DefinitionError("So many questions are not kept.", expected=f"at most {MOST}", do="delete one")
            return self._written([*others, question])

    def drop(self, body: bytes) -> list[SavedQuestion]:
        """Deletes a question, if it is there; returns the others. Raises `TakenError` where another has its name."""
        question = _read(body)
        with self._held():
            known = self.all()
            _check_shown(known, question)
            left = [each for each in known if each.name != question.name]
            return left if len(left) == len(known) else self._written(left)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Holds the lock of the folder, which every explorer takes before it reads what it will write."""
        try:
            folder = os.open(self.file.parent, os.O_RDONLY)
        except OSError as error:
            raise _unwritten(self.file, error) from None
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _written(self, questions: list[SavedQuestion]) -> list[SavedQuestion]:
        ordered = sorted(questions, key=lambda each: (each.name.casefold(), each.name))
        rows = [each.model_dump(exclude={"replaces"}) for each in ordered]
        text = json.dumps({"questions": rows}, ensure_ascii=False, indent=1) + "\n"
        try:
            files.write(str(self.file), text.encode())
        except OSError as error:
            raise _unwritten(self.file, error) from None
        return ordered


class TakenError(DefinitionError):
    """Another question has the name; `instead` has what a request has to give to replace it."""

    def __init__(self, other: SavedQuestion) -> None:
        super().__init__(
            f"There is another question {other.name!r}.",
            found=other.said,
            do="choose another name, or replace it",
        )
        self.instead = {"replaces": other.digest}


def _check_shown(known: list[SavedQuestion], question: SavedQuestion) -> None:
    """Raises `TakenError` where the question of this name is none that the page has shown."""
    other = next((each for each in known if each.name == question.name), None)
    if other is not None and other.digest not in (question.digest, question.replaces):
        raise TakenError(other)


def _unwritten(file: Path, error: OSError) -> StorageError:
    return StorageError(
        "The saved questions cannot be written.",
        where=str(file),
        found=said(error),
        do="make the folder of journeys.toml writable; the address of the page has the question, too",
    )


def _read(body: bytes) -> SavedQuestion:
    try:
        given = json.loads(body)
        json.dumps(given, ensure_ascii=False).encode()  # half a character is no text
        return SavedQuestion.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise DefinitionError(
            "The question cannot be saved.", where=where, expected=first["msg"].removeprefix("Value error, ")
        ) from None
    except (ValueError, RecursionError):
        raise DefinitionError("The question is no JSON.", expected='{"name": "...", "state": {...}}') from None
