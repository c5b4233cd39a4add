"""`journeys doctor`: checks the installation, the configuration, the lake and the brokers, one line per check."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from expectations.errors import JourneysError
from journeys.settings import Settings

LANDING: Final = "to land events: pip install '.[landing]' in the folder of Journeys"


@dataclass(frozen=True)
class Result:
    """One check: `what` was checked, what was `found`, and what to `do` when it has not `passed`."""

    what: str
    passed: bool
    found: str
    do: str = ""


def examine(config: Path) -> Iterator[Result]:
    """All checks. When one fails, it may be the reason why later ones fail."""
    yield Result("Python", sys.version_info >= (3, 11), sys.version.split()[0], "")
    yield Result("journeys", True, version("journeys"))
    yield _check("codecs", _codecs, LANDING)
    yield _check("chart renderer", _renderer, "install vl-convert-python and altair as pyproject.toml asks")
    yield _check("configuration", lambda: _configuration(config))
    yield _check("expectations", lambda: _expectations(config))
    yield _check("lake", lambda: _lake(config), LANDING)
    yield _check("brokers", lambda: _brokers(config), LANDING)


def _check(what: str, check: Callable[[], str], do: str = "") -> Result:
    try:
        return Result(what, True, check())
    except JourneysError as error:
        facts = [error.what, error.where, error.found and f"found {error.found}"]
        return Result(what, False, " ".join(fact for fact in facts if fact), error.do)
    except ImportError as error:
        return Result(what, False, str(error), do)


def _codecs() -> str:
    from ingest.kafka.topics import readable_codecs

    return ", ".join(readable_codecs())


def _renderer() -> str:
    import vl_convert

    return f"Vega-Lite {', '.join(vl_convert.get_vegalite_versions()[-1:])}"


def _configuration(config: Path) -> str:
    settings = Settings(config)
    streams = ", ".join(stream.topic for stream in settings.ingest.streams) or "none"
    files = ", ".join(pattern for rows in settings.ingest.files for pattern in rows.match)
    named = f"streams {streams}" + (f"; files {files}" if files else "")
    return f"{config}: {named}; {len(settings.paths.stages)} stages; report {settings.report.title!r}"


def _expectations(config: Path) -> str:
    compiled = Settings(config).compiled
    summary = f"{len(compiled.rules)} rules of the gate besides the contract"
    audited = [
        f"\n    audit only: {expectation.type} of {expectation.name}: {why}" for expectation, why in compiled.audited
    ]
    return "".join([summary, *audited])


def _lake(config: Path) -> str:
    from ingest.landing.commit import check_writable

    lake = Settings(config).lake
    check_writable(lake)
    return f"{lake.address} is writable"


def _brokers(config: Path) -> str:
    from ingest.kafka.topics import describe_topics

    settings = Settings(config).ingest
    if settings.files and not settings.streams:
        return "none needed: events come from files alone"
    topics = describe_topics(settings)
    return f"{', '.join(settings.brokers)}: " + ", ".join(f"{name} ({count})" for name, count in topics.items())
