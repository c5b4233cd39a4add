"""The server: the page, the vocabulary, answers and saved questions, for this machine, or behind a proxy.

Another site could have its own name resolved to this machine and ask through a visitor's browser. So only requests to
this machine by its own names are answered, and questions only from the page itself. Behind a proxy the name is the
proxy's, and nobody else is answered (`explorer.proxy.gate`).
"""

from __future__ import annotations

import asyncio
import io
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from difflib import get_close_matches
from functools import partial
from typing import Any, Final

import polars as pl
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from analytics import Paths
from expectations.errors import ConfigurationError, DefinitionError, InternalError, JourneysError, StorageError
from expectations.hidden import escaped
from explorer.kinds import KINDS, kind_of
from explorer.page import page, policy
from explorer.proxy.gate import Gate
from explorer.proxy.limits import check_shared, offered, without_zeros
from explorer.proxy.settings import ExploreSettings
from explorer.question import Question, question_of
from explorer.saved import Saved, SavedQuestion
from explorer.source import Source
from explorer.work import Opened, StoppedError, Watcher, Work
from reports.site.csv import as_csv, plain_columns

HOSTS: Final = ("127.0.0.1", "localhost")
"""The names of this machine by which a browser may ask."""
MOST_BYTES: Final = 65_536
"""The longest question."""
LOOK_SECONDS: Final = 0.05
"""How often a running question looks whether somebody still waits."""
FORMS: Final = ("csv", "parquet")
"""The files in which the rows of an answer can be taken along."""
GONE: Final = 499
"""The status of an answer that nobody waits for."""


def application(source: Source, proxy: ExploreSettings | None = None) -> Starlette:
    """The server of a lake, as ASGI; behind a proxy that of a source that is shared."""
    work, saved = Work(source), Saved(source.config)

    @asynccontextmanager
    async def running(_: Starlette) -> AsyncIterator[None]:
        warming = asyncio.get_running_loop().run_in_executor(work.pool, _warm, work)
        yield
        work.pool.shutdown(wait=False, cancel_futures=True)
        warming.cancel()

    async def shown(_: Request) -> Response:
        return HTMLResponse(page(), headers={"Content-Security-Policy": policy()})

    async def vocabulary(request: Request) -> Response:
        def make(_: Watcher) -> dict[str, Any]:
            known = work.opened().vocabulary
            kinds = {name: kind.plain(source, known) for name, kind in KINDS.items() if kind.label}
            plain = known.plain(source) | {"kinds": kinds}
            return offered(source, plain) if source.is_shared else plain

        return await _answered(request, work, make)

    async def posted(request: Request, make: Callable[[bytes, Watcher], Any]) -> Response:
        """What is made of the body of a request from the page itself."""
        if (refused := _refusal(request, proxy)) is not None:
            return refused
        body = await _body(request)
        if body is None:
            return _error(DefinitionError("The question is too long.", expected=f"at most {MOST_BYTES} bytes"), 413)
        return await _answered(request, work, partial(make, body))

    def answer_of(request: Request, body: bytes, watcher: Watcher) -> dict[str, Any]:
        question = question_of(body)
        question.check(source.columns)
        kind = kind_of(question.kind)
        if "steps" in kind.parts and not question.steps:
            raise DefinitionError("The question has no step.", expected="one step or more", do="add a step")

        def answered(opened: Opened, paths: Paths) -> dict[str, Any]:
            try:
                if source.is_shared:
                    check_shared(source, opened.vocabulary, question)
                return kind.answer(source, opened.vocabulary, paths, question)
            except DefinitionError as error:
                raise _with_words(error, opened, question) from None

        answer = work.answer(question.model_dump_json(), watcher, answered)
        request.state.asked = question.model_dump(mode="json", exclude_defaults=True)
        if source.is_shared:
            answer = without_zeros(answer, source.report.k) | {"elsewhere": {"toml": answer["elsewhere"]["toml"]}}
        return answer

    async def ask(request: Request) -> Response:
        def make(body: bytes, watcher: Watcher) -> dict[str, Any]:
            since = time.perf_counter()
            found = answer_of(request, body, watcher)
            data_to = work.opened().vocabulary.plain(source)["data_to"]
            return {**found, "data_to": data_to, "milliseconds": round((time.perf_counter() - since) * 1000)}

        return await posted(request, make)

    async def rows(request: Request) -> Response:
        form = request.path_params["form"]
        return await posted(
            request, lambda body, watcher: _file(answer_of(request, body, watcher).get("rows", []), form)
        )

    async def questions(request: Request) -> Response:
        if request.method == "GET":
            return await _answered(request, work, lambda _: _listed(saved.all()))
        return await posted(request, lambda body, _: _listed(saved.keep(body)))

    async def drop(request: Request) -> Response:
        return await posted(request, lambda body, _: _listed(saved.drop(body)))

    kept = [
        Route("/api/questions", questions, methods=["GET", "POST"]),
        Route("/api/questions/drop", drop, methods=["POST"]),
    ]
    return Starlette(
        routes=[
            Route("/", shown),
            Route("/api/vocabulary", vocabulary),
            Route("/api/ask", ask, methods=["POST"]),
            Route("/api/rows.{form}", rows, methods=["POST"]),
            *(kept if proxy is None else []),
        ],
        middleware=[
            *([Middleware(Gate, settings=proxy)] if proxy else []),
            Middleware(TrustedHostMiddleware, allowed_hosts=[proxy.host] if proxy else list(HOSTS), www_redirect=False),
            Middleware(_Headers),
        ],
        exception_handlers={Exception: _crashed},
        lifespan=running,
    )


class UnknownWordError(DefinitionError):
    """A question has a word that no touch has; `instead` has the nearest for each."""

    def __init__(self, error: DefinitionError, instead: dict[str, str]) -> None:
        super().__init__(error.what, where=error.where, expected=error.expected, found=error.found, do=error.do)
        self.instead = instead


def _with_words(error: DefinitionError, opened: Opened, question: Question) -> DefinitionError:
    """The error, with the nearest word for each word of the steps that no touch has."""
    instead: dict[str, str] = {}
    for step in question.texts:
        known = [word.word for word in opened.vocabulary.words if word.on == step.on]
        for word in step.any_of:
            if word not in known and (near := get_close_matches(word, known, n=1, cutoff=0.5)):
                instead[word] = near[0]
    return UnknownWordError(error, instead) if instead else error


class _Headers:
    """Adds to every answer what keeps it in this browser window."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [
                    (b"cache-control", b"no-store"),
                    (b"x-content-type-options", b"nosniff"),
                    (b"cross-origin-resource-policy", b"same-origin"),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(message)

        await self.app(scope, receive, sent)


def _warm(work: Work) -> None:
    """Opens the store before the first question; what fails then is said at the first question."""
    try:
        work.warm_up()
    except JourneysError:
        return


async def _answered(request: Request, work: Work, make: Callable[[Watcher], Any]) -> Response:
    """What a thread of the pool makes, JSON or a response; it is stopped when nobody waits for it any more."""
    watcher = Watcher()
    running = asyncio.get_running_loop().run_in_executor(work.pool, make, watcher)
    try:
        while not (await asyncio.wait({running}, timeout=LOOK_SECONDS))[0]:
            if await request.is_disconnected():
                watcher.stopped.set()
        made = await running
        return made if isinstance(made, Response) else _json(made)
    except StoppedError:
        return Response(status_code=GONE)
    except JourneysError as error:
        status = 503 if isinstance(error, StorageError) else 422
        return _error(error, status, is_placed=isinstance(error, DefinitionError) or not work.source.is_shared)


def _refusal(request: Request, proxy: ExploreSettings | None) -> Response | None:
    """The answer to a question that does not come from the page itself; None for one that does."""
    origin = request.headers.get("origin")
    own = proxy.address if proxy else f"{request.url.scheme}://{request.headers['host']}"
    if origin is not None and origin != own:
        return _error(
            DefinitionError("Questions are asked from the page of the explorer.", found=f"from {origin}"), 403
        )
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return _error(DefinitionError("A question is JSON.", expected="Content-Type: application/json"), 415)
    return None


async def _body(request: Request) -> bytes | None:
    """The body of a request; None for one that is too long."""
    body = b""
    async for some in request.stream():
        body += some
        if len(body) > MOST_BYTES:
            return None
    return body


def _listed(questions: Sequence[SavedQuestion]) -> dict[str, Any]:
    return {"questions": [each.model_dump(exclude={"replaces"}) for each in questions]}


def _file(rows: list[dict[str, Any]], form: str) -> Response:
    """The rows of an answer as a file. Raises `DefinitionError` for another form."""
    if form not in FORMS:
        raise DefinitionError(f"There is no file of the form {form!r}.", expected=" or ".join(FORMS))
    frame = pl.DataFrame(rows, infer_schema_length=None)
    if form == "csv":
        return Response(as_csv(plain_columns(frame)), media_type="text/csv; charset=utf-8")
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return Response(buffer.getvalue(), media_type="application/vnd.apache.parquet")


def _json(value: Any, status: int = 200) -> Response:
    text = escaped(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain))
    return Response(text, status, media_type="application/json")


def _plain(value: Any) -> Any:
    """A duration in seconds, and a time as ISO 8601."""
    return value.total_seconds() if hasattr(value, "total_seconds") else value.isoformat()


def _error(error: JourneysError, status: int, *, is_placed: bool = True) -> Response:
    """An error as JSON; without where it was met, which may be a path of this machine, unless `is_placed`."""
    facts = {name: getattr(error, name) for name in ("what", "where", "expected", "found", "do")}
    facts |= {} if is_placed else {"where": "", "found": ""}
    return _json(facts | {"code": error.code, "instead": getattr(error, "instead", {})}, status)


async def _crashed(_: Request, error: Exception) -> Response:
    """The answer to a mistake of ours, which names no value of the data."""
    said = InternalError("The question failed in a way that it should not.", found=type(error).__name__)
    return _error(said, 500)


def listener(host: str, port: int, *, behind_proxy: bool = False) -> socket.socket:
    """A socket that listens on this machine alone, or behind a proxy by any name; port 0 picks a free port.

    Raises `ConfigurationError` for another host, and for a port that is in use.
    """
    if host not in HOSTS and not behind_proxy:
        raise ConfigurationError(
            "The explorer has no login, so it listens on this machine only.",
            expected=" or ".join(HOSTS),
            found=host,
            do="leave --host out; for yourself forward its port with ssh -L, for others log them in (--behind-proxy)",
        )
    try:
        return socket.create_server((host if behind_proxy else "127.0.0.1", port))
    except OSError as error:
        raise ConfigurationError(
            "The port cannot be used.", found=f"{port}: {error.strerror}", do="choose another port with --port"
        ) from error


def server_of(source: Source, proxy: ExploreSettings | None = None) -> uvicorn.Server:
    """The server of a lake; `run(sockets=[...])` answers until interrupted."""
    return uvicorn.Server(
        uvicorn.Config(
            application(source, proxy),
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            http="h11",
            loop="asyncio",
            timeout_graceful_shutdown=2,
        )
    )
