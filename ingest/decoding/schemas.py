"""Looks up schemas of a Schema Registry by number or GUID, in a folder or over HTTP.

A schema that was found is cached. An unknown one is looked up again, over HTTP at most once a minute, so no restart is
needed when a schema arrives after its first messages. Look-ups in vain have a budget per minute: messages with endless
unknown numbers do not hold up the others. An unreachable registry raises RegistryError, which ends the flush with
nothing decided; it is never a reason to refuse a message. A request has a deadline in all, and is redirected within the
registry's own host only.
"""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import orjson

from expectations.errors import RegistryError
from ingest.decoding.formats.avro import Bounds
from ingest.decoding.formats.registry import FindSchema, JsonSchema, Schema, SchemaId, UnusableSchema, avro
from ingest.settings.ingest import SchemaSettings
from ingest.settings.security import read_secret

_RETRY_SECONDS: Final = 60.0
_NOT_ASKED: Final = UnusableSchema("was not looked up, after too many unknown ones within a minute")
_ACCEPT: Final = "application/vnd.schemaregistry.v1+json, application/json"


def schema_finder(settings: SchemaSettings) -> FindSchema | None:
    """The look-up for these settings; None when they name neither folder nor address.

    >>> schema_finder(SchemaSettings()) is None
    True
    """
    if settings.folder is None and settings.address is None:
        return None
    return _SchemaCache(settings).find


class _SchemaCache:
    """The schemas found so far, and the time of the last failed look-up of each unknown number."""

    def __init__(self, settings: SchemaSettings) -> None:
        self._settings = settings
        self._folder = None if settings.folder is None else Path(settings.folder)
        self._bounds = Bounds(settings.most_values, settings.deepest)
        self._schemas: dict[SchemaId, Schema] = {}
        self._failed_at: dict[SchemaId, float] = {}
        self._in_vain = _InVain(settings.unknown_schemas, settings.unknown_time.total_seconds())

    def find(self, number: SchemaId) -> Schema | None:
        schema = self._schemas.get(number)
        if schema is None:
            schema = self._in_folder(number) or self._at_address(number)
            if schema is not None and schema is not _NOT_ASKED:
                self._schemas[number] = schema
        return schema

    def _in_folder(self, number: SchemaId) -> Schema | None:
        if self._folder is None:
            return None
        text = _content(self._folder / f"{number}.avsc")
        if text is not None:
            return avro(text, self._bounds)
        return None if _content(self._folder / f"{number}.json") is None else JsonSchema()

    def _at_address(self, number: SchemaId) -> Schema | None:
        began = time.monotonic()
        if self._settings.address is None or began - self._failed_at.get(number, -_RETRY_SECONDS) < _RETRY_SECONDS:
            return None
        if not self._in_vain.is_left(began):
            return _NOT_ASKED
        room = "ids" if isinstance(number, int) else "guids"
        response = _request(f"{self._settings.address.rstrip('/')}/schemas/{room}/{number}", self._settings)
        if response is not None:
            return self._schema(response)
        self._in_vain.add(time.monotonic() - began)
        known = self._failed_at.items()
        self._failed_at = {each: at for each, at in known if began - at < _RETRY_SECONDS} | {number: began}
        return None

    def _schema(self, response: object) -> Schema:
        """The schema in a registry's response; a response without a type means Avro."""
        if isinstance(response, UnusableSchema):
            return response
        if not isinstance(response, dict) or not isinstance(response.get("schema"), str):
            return UnusableSchema("is missing from the response of the registry")
        schema_type = response.get("schemaType") or "AVRO"
        if schema_type == "JSON":
            return JsonSchema()
        if schema_type == "AVRO":
            return avro(response["schema"], self._bounds)
        return UnusableSchema("is of a type that is neither AVRO nor JSON")


class _InVain:
    """The look-ups of the current minute that found nothing: their number and the seconds they took."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._count, self._spent, self._began = 0, 0.0, -_RETRY_SECONDS

    def is_left(self, now: float) -> bool:
        if now - self._began >= _RETRY_SECONDS:
            self._count, self._spent, self._began = 0, 0.0, now
        return self._count < self._most and self._spent < self._seconds

    def add(self, seconds: float) -> None:
        self._count += 1
        self._spent += seconds


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


class _OwnHost(HTTPRedirectHandler):
    """Follows redirects within the registry; another host would get its login, and could answer in its place."""

    def redirect_request(  # noqa: PLR0917 - the library defines the signature
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        if urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            fp.close()
            raise _unreachable(req.full_url, "a redirect to another address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _request(address: str, settings: SchemaSettings) -> object:
    """The JSON response of a registry, UnusableSchema if it is too large; None when it does not have the number.

    The timeout of a socket begins anew with each byte, so the deadline is that of a thread of its own.
    """
    request = Request(address, headers={"Accept": _ACCEPT, **_login(settings)})
    result: list[object] = []
    thread = threading.Thread(target=lambda: result.append(_ask(request, settings)), name="registry", daemon=True)
    thread.start()
    thread.join(settings.timeout.total_seconds())
    if not result:
        raise _unreachable(address, f"no whole answer within {settings.timeout.total_seconds():g} s")
    if isinstance(result[0], Exception):
        raise result[0]
    return result[0]


def _ask(request: Request, settings: SchemaSettings) -> object:
    """The response, or the RegistryError for its failure."""
    largest = settings.largest_schema
    try:
        with build_opener(_OwnHost).open(request, timeout=settings.timeout.total_seconds()) as response:
            content = response.read(largest + 1)
            return (
                UnusableSchema(f"is larger than {largest} bytes") if len(content) > largest else orjson.loads(content)
            )
    except HTTPError as error:
        with error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            if error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                return _unreachable(request.full_url, f"HTTP status {error.code}: the login is refused")
            return _unreachable(request.full_url, f"HTTP status {error.code}")
    except RegistryError as error:
        return error
    except (URLError, HTTPException, TimeoutError, OSError, orjson.JSONDecodeError) as error:
        return _unreachable(request.full_url, type(error).__name__)


def _login(settings: SchemaSettings) -> dict[str, str]:
    """The header of the login; none without one. Secrets in files are read for every request, so they can be renewed.

    Raises ConfigurationError when a file cannot be read.
    """
    table = "ingest.schemas"
    if settings.username is not None:
        password = settings.password.get_secret_value() if settings.password else ""
        if settings.password_file is not None:
            password = read_secret(settings.password_file, "password_file", table)
        return {"Authorization": f"Basic {b64encode(f'{settings.username}:{password}'.encode()).decode()}"}
    if settings.token_file is not None:
        return {"Authorization": f"Bearer {read_secret(settings.token_file, 'token_file', table)}"}
    return {"Authorization": f"Bearer {settings.token.get_secret_value()}"} if settings.token else {}


def _unreachable(address: str, found: str) -> RegistryError:
    return RegistryError(
        "The schema registry does not answer.",
        where=address,
        expected="the schema, or HTTP status 404",
        found=found,
        do="check address and login under [ingest.schemas], or put the schemas into a folder; nothing has been skipped",
    )
