"""Looks up schemas of a Schema Registry by number, in a folder or over HTTP.

A schema that was found is cached. An unknown one is looked up again, over HTTP at most once a minute, so no restart is
needed when a schema arrives after its first messages. An unreachable registry raises RegistryError, which ends the
flush with nothing decided; it is never a reason to refuse a message.
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

_RETRY_SECONDS: Final = 60.0
_ACCEPT: Final = "application/vnd.schemaregistry.v1+json, application/json"
_MAX_BYTES: Final = 16 << 20


def schema_finder(settings: SchemaSettings) -> FindSchema | None:
    """The look-up for these settings; None when they name neither folder nor address.

    >>> schema_finder(SchemaSettings()) is None
    True
    """
    if settings.folder is None and settings.address is None:
        return None
    folder = None if settings.folder is None else Path(settings.folder)
    return _SchemaCache(folder, settings.address, settings.timeout.total_seconds()).find


class _SchemaCache:
    """The schemas found so far, and the time of the last failed look-up of each unknown number."""

    def __init__(self, folder: Path | None, address: str | None, timeout: float) -> None:
        self._folder, self._address, self._timeout = folder, address, timeout
        self._schemas: dict[int, Schema] = {}
        self._failed_at: dict[int, float] = {}

    def find(self, number: int) -> Schema | None:
        schema = self._schemas.get(number)
        if schema is None:
            schema = self._in_folder(number) or self._at_address(number)
            if schema is not None:
                self._schemas[number] = schema
        return schema

    def _in_folder(self, number: int) -> Schema | None:
        if self._folder is None:
            return None
        text = _content(self._folder / f"{number}.avsc")
        if text is not None:
            return avro(text)
        return None if _content(self._folder / f"{number}.json") is None else JsonSchema()

    def _at_address(self, number: int) -> Schema | None:
        now = time.monotonic()
        if self._address is None or now - self._failed_at.get(number, -_RETRY_SECONDS) < _RETRY_SECONDS:
            return None
        response = _request(f"{self._address.rstrip('/')}/schemas/ids/{number}", self._timeout)
        if response is None:
            self._failed_at[number] = now
            return None
        return _schema(response)


_TYPES: Final[dict[str, Callable[[str], Schema]]] = {"AVRO": avro, "JSON": lambda _: JsonSchema()}


def _schema(response: object) -> AvroSchema | JsonSchema | UnusableSchema | None:
    """The schema in a registry's response; a response without a type means Avro."""
    if not isinstance(response, dict) or not isinstance(response.get("schema"), str):
        return UnusableSchema("is missing from the response of the registry")
    schema_type = response.get("schemaType") or "AVRO"
    if schema_type not in _TYPES:
        return UnusableSchema("is of a type that is neither AVRO nor JSON")
    return _TYPES[schema_type](response["schema"])


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


def _request(address: str, timeout: float) -> object:
    """The JSON response of a registry; None when it does not have the number."""
    try:
        with urlopen(Request(address, headers={"Accept": _ACCEPT}), timeout=timeout) as response:
            return orjson.loads(response.read(_MAX_BYTES))
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
