"""Looks up schemas of a Schema Registry by number, in a folder or over HTTP.

A known schema is cached. An unknown one is looked up again, over HTTP at most once a minute, so a message that arrives
before its schema goes to quarantine and needs no restart. A registry that cannot be reached is an error that ends the
flush with nothing decided, never a reason to refuse a message.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import orjson

from expectations.errors import RegistryError
from ingest.decoding.formats.registry import AvroSchema, FindSchema, JsonSchema, Schema, UnusableSchema, avro
from ingest.settings.ingest import SchemaSettings

_ASK_AGAIN_SECONDS: Final = 60.0
_ACCEPT: Final = "application/vnd.schemaregistry.v1+json, application/json"
_LARGEST: Final = 16 << 20


def schema_finder(settings: SchemaSettings) -> FindSchema | None:
    """The look-up that the settings describe; None when they name neither folder nor address.

    >>> schema_finder(SchemaSettings()) is None
    True
    """
    if settings.folder is None and settings.address is None:
        return None
    folder = None if settings.folder is None else Path(settings.folder)
    return _Known(folder, settings.address, settings.timeout.total_seconds()).find


class _Known:
    """The schemas found so far, and when a number was last asked for in vain."""

    def __init__(self, folder: Path | None, address: str | None, timeout: float) -> None:
        self._folder, self._address, self._timeout = folder, address, timeout
        self._found: dict[int, Schema] = {}
        self._asked: dict[int, float] = {}

    def find(self, number: int) -> Schema | None:
        known = self._found.get(number)
        if known is None:
            known = self._in_folder(number) or self._at_address(number)
            if known is not None:
                self._found[number] = known
        return known

    def _in_folder(self, number: int) -> Schema | None:
        if self._folder is None:
            return None
        text = _content(self._folder / f"{number}.avsc")
        if text is not None:
            return avro(text)
        return None if _content(self._folder / f"{number}.json") is None else JsonSchema()

    def _at_address(self, number: int) -> Schema | None:
        now = time.monotonic()
        if self._address is None or now - self._asked.get(number, -_ASK_AGAIN_SECONDS) < _ASK_AGAIN_SECONDS:
            return None
        answer = _ask(f"{self._address.rstrip('/')}/schemas/ids/{number}", self._timeout)
        if answer is None:
            self._asked[number] = now
            return None
        return _schema(answer)


_TYPES: Final[dict[str, Callable[[str], Schema]]] = {"AVRO": avro, "JSON": lambda _: JsonSchema()}


def _schema(answer: object) -> AvroSchema | JsonSchema | UnusableSchema | None:
    """The schema in a registry's answer; Avro is what an answer without a type means."""
    if not isinstance(answer, dict) or not isinstance(answer.get("schema"), str):
        return UnusableSchema("was not answered as a registry does")
    kind = answer.get("schemaType") or "AVRO"
    if kind not in _TYPES:
        return UnusableSchema("is of a type that is neither AVRO nor JSON")
    return _TYPES[kind](answer["schema"])


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RegistryError(
            "The folder of schemas cannot be read.",
            where=str(file),
            found=error.strerror or type(error).__name__,
            do="fix the permissions, or name another folder under [ingest.schemas]",
        ) from error


def _ask(address: str, timeout: float) -> object:
    """The JSON that a registry answers; None when it does not know the number."""
    try:
        with urlopen(Request(address, headers={"Accept": _ACCEPT}), timeout=timeout) as answer:
            return orjson.loads(answer.read(_LARGEST))
    except HTTPError as error:
        with error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise _unreachable(address, f"HTTP status {error.code}") from error
    except (URLError, HTTPException, TimeoutError, OSError, orjson.JSONDecodeError) as error:
        raise _unreachable(address, type(error).__name__) from error


def _unreachable(address: str, found: str) -> RegistryError:
    return RegistryError(
        "The schema registry does not answer.",
        where=address,
        expected="the schema, or HTTP status 404",
        found=found,
        do="check [ingest.schemas] address, or put the schemas into a folder; nothing has been skipped",
    )
