"""The errors that a reader can mend, each with a stable code.

A message says what happened, where, what was expected against what was found, and what to do. The command prints it
without a traceback and exits with `exit_code`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import ClassVar, Final

_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m|↳")
_QUERY: Final = re.compile(r"(?<!<)\?\S+")


class JourneysError(Exception):
    """Base of every error that a user of the product can mend.

    `code` is stable and may be searched for; `exit_code` is what the command ends with.
    """

    code: ClassVar[str] = "JOURNEYS"
    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", expected: str = "", found: str = "", do: str = "") -> None:
        self.what, self.where, self.expected, self.found, self.do = what, where, expected, found, do
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The whole message, one fact a line."""
        facts = (("where", self.where), ("expected", self.expected), ("found", self.found), ("do", self.do))
        return "\n".join([self.what, *(f"  {name}: {text}" for name, text in facts if text)])


class ConfigurationError(JourneysError):
    """journeys.toml, or an environment variable in its place, cannot be used as it stands."""

    code = "CONFIGURATION"
    exit_code = 2


class BrokerError(JourneysError):
    """The Kafka broker cannot be reached, refuses us, or does not know the topic."""

    code = "BROKER"
    exit_code = 3


class LandingError(JourneysError):
    """Events could not be landed: offsets disagree, a topic was made anew, records are gone."""

    code = "LANDING"
    exit_code = 4


class StorageError(JourneysError):
    """A folder or object store cannot be read or written."""

    code = "STORAGE"
    exit_code = 5


class InputError(JourneysError):
    """A file that was handed in cannot be read as what it claims to be."""

    code = "INPUT"
    exit_code = 6


class DefinitionError(JourneysError):
    """A question about paths cannot be asked this way: unknown column, empty step, window without a unit."""

    code = "DEFINITION"
    exit_code = 7


class RegistryError(JourneysError):
    """The schemas that messages refer to cannot be looked up: no answer from the registry, or no folder to read."""

    code = "REGISTRY"
    exit_code = 8


def nearest(word: str, known: Iterable[str]) -> str:
    """Advice that names the known word nearest to a wrong one; empty when none is near.

    >>> nearest("adress", ["address", "group"])
    "did you mean 'address'?"
    """
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else ""


def said(error: Exception) -> str:
    """What a library says, on one line: of a store's error all of it, but for colours, and for queries of addresses.

    A query may hold a signature.

    >>> said(OSError("List failed\\n GET http://store/shop?sig=secret\\n404 Not Found"))
    'List failed GET http://store/shop?... 404 Not Found'
    """
    lines = [part for line in str(error).splitlines() if (part := _COLOURS.sub("", line).strip())]
    told = _QUERY.sub("?...", " ".join(lines if isinstance(error, OSError) else lines[:1]))
    return told or type(error).__name__
