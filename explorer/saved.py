"""Questions that are kept by name, in a file beside journeys.toml, so that they can be opened again by anybody."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from expectations.errors import DefinitionError, InputError, StorageError
from expectations.lake import files

FILE: Final = "questions.json"
MOST: Final = 500
"""Questions that a file holds."""
MOST_CHARACTERS: Final = 16_384
"""The longest state of a question, as JSON."""


class SavedQuestion(BaseModel):
    """A question by name: the state of the page, and what its last answer said of data up to when."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=120)
    state: dict[str, Any]
    said: str = Field("", max_length=500)
    data_to: str = Field("", max_length=60)

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
    """The questions beside a configuration file, in the order of their names; one process writes at a time."""

    def __init__(self, config: str) -> None:
        self.file: Final = Path(config).absolute().parent / FILE
        self._lock: Final = threading.Lock()

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
        """Keeps a question, in the place of one of the same name; returns all.

        Raises `DefinitionError` for a body that is none, and `StorageError` where it cannot be written.
        """
        question = _read(body)
        with self._lock:
            others = [each for each in self.all() if each.name != question.name]
            if len(others) >= MOST:
                raise DefinitionError("So many questions are not kept.", expected=f"at most {MOST}", do="delete one")
            return self._written([*others, question])

    def drop(self, body: bytes) -> list[SavedQuestion]:
        """Deletes the question of a name, if there is one; returns the others."""
        name = _read(body).name
        with self._lock:
            known = self.all()
            left = [each for each in known if each.name != name]
            return left if len(left) == len(known) else self._written(left)

    def _written(self, questions: list[SavedQuestion]) -> list[SavedQuestion]:
        ordered = sorted(questions, key=lambda each: (each.name.casefold(), each.name))
        rows = [each.model_dump() for each in ordered]
        text = json.dumps({"questions": rows}, ensure_ascii=False, indent=1) + "\n"
        try:
            files.write(str(self.file), text.encode())
        except OSError as error:
            raise StorageError(
                "The saved questions cannot be written.",
                where=str(self.file),
                found=error.strerror or "",
                do="make the folder of journeys.toml writable; the address of the page has the question, too",
            ) from None
        return ordered


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
