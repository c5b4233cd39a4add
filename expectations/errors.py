"""The errors that a user can fix, each with a stable code.

A message says what happened, where, what was expected, what was found, and what to do. The command line prints it
without a traceback and exits with `exit_code`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import ClassVar, Final

_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m|↳")
_QUERY: Final = re.compile(r"(?<!<)\?\S+")
_LOGIN: Final = re.compile(r"(\w+://)[^\s/@'\"]*@")
_SIGNATURE: Final = re.compile(r"(\w+://[^\s?'\"]*)\?[^\s'\"]+")


class JourneysError(Exception):
    """Base class of every error that a user can fix.

    `code` is stable and searchable; `exit_code` is the exit code of the command.
    """

    code: ClassVar[str] = "JOURNEYS"
    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", expected: str = "", found: str = "", do: str = "") -> None:
        facts = (what, where, expected, found, do)
        self.what, self.where, self.expected, self.found, self.do = map(without_secrets, facts)
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The whole message, one fact per line."""
        facts = (("where", self.where), ("expected", self.expected), ("found", self.found), ("do", self.do))
        return "\n".join([self.what, *(f"  {name}: {text}" for name, text in facts if text)])


class ConfigurationError(JourneysError):
    """journeys.toml, or an environment variable that overrides it, is invalid."""

    code = "CONFIGURATION"
    exit_code = 2


class BrokerError(JourneysError):
    """The Kafka broker cannot be reached, denies access, or does not have the topic."""

    code = "BROKER"
    exit_code = 3


class LandingError(JourneysError):
    """Events cannot be landed: offsets disagree, a topic was recreated, or records are gone."""

    code = "LANDING"
    exit_code = 4


class StorageError(JourneysError):
    """A folder or an object store cannot be read or written."""

    code = "STORAGE"
    exit_code = 5


class InputError(JourneysError):
    """An input file or value cannot be read as what it claims to be."""

    code = "INPUT"
    exit_code = 6


class DefinitionError(JourneysError):
    """The definition of a question about paths is invalid: unknown column, empty step, window without a unit."""

    code = "DEFINITION"
    exit_code = 7


class RegistryError(JourneysError):
    """The schemas of messages cannot be read: the registry does not answer, or there is no such folder."""

    code = "REGISTRY"
    exit_code = 8


class ReportError(JourneysError):
    """The report is published, but a part of it could not be made; or it is withdrawn again."""

    code = "REPORT"
    exit_code = 9


class ClusterError(JourneysError):
    """A cluster does not answer, has other versions than this process, or did not count everything once."""

    code = "CLUSTER"
    exit_code = 10


class BusyError(JourneysError):
    """Another process does the same work on this lake."""

    code = "BUSY"
    exit_code = 12


class InternalError(JourneysError):
    """The command failed in a way that it should not: a mistake in the product, or a machine without memory."""

    code = "INTERNAL"
    exit_code = 70


def without_secrets(text: str) -> str:
    """The text with addresses that show neither a login nor a query string, which may contain a signature.

    >>> without_secrets("s3://key:secret@shop/lake and az://shop/site?sig=secret are addresses")
    's3://...@shop/lake and az://shop/site?... are addresses'
    """
    return _SIGNATURE.sub(r"\1?...", _LOGIN.sub(r"\1...@", text))


def nearest(word: str, known: Iterable[str]) -> str:
    """Advice with the known word most similar to an unknown one; empty when none is similar.

    >>> nearest("adress", ["address", "group"])
    "did you mean 'address'?"
    """
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else ""


def said(error: Exception) -> str:
    """The message of a library's error on one line, without colours and without the query strings of addresses.

    Query strings may contain signatures. Of an OSError every line is kept, of others the first.

    >>> said(OSError("List failed\\n GET http://store/shop?sig=secret\\n404 Not Found"))
    'List failed GET http://store/shop?... 404 Not Found'
    """
    lines = [part for line in str(error).splitlines() if (part := _COLOURS.sub("", line).strip())]
    text = _QUERY.sub("?...", " ".join(lines if isinstance(error, OSError) else lines[:1]))
    return without_secrets(text) or type(error).__name__
