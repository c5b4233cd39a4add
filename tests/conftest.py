"""What a test may need of the machine. A missing part skips the test with a reason; where the environment variable
JOURNEYS_TESTS_REQUIRE names the part, it fails instead, so that a full check never passes by skipping."""

from __future__ import annotations

import gc
import os
import shutil
import warnings
from functools import cache
from importlib.util import find_spec

import pytest
import typer.main
import typer.testing
from hypothesis import settings

settings.register_profile("journeys", deadline=None)  # a busy machine is slow, not wrong
settings.load_profile("journeys")
typer.main.get_command = typer.testing._get_command = cache(typer.main.get_command)  # built once, not for every command
LONGEST = (
    "tests/journeys/test_shapes.py",
    "tests/journeys/test_cluster.py",
    "tests/architecture/test_mutants.py",
    "tests/reports/site/test_publish_one_truth.py",
    "tests/audit/test_audit.py",
    "tests/journeys/test_app.py",
    "tests/reports/site/test_html_browser.py",
    "tests/expectations/compile/test_masks.py",
    "tests/ingest/landing/test_landing_crash.py",
    "tests/ingest/service/test_service_faults.py",
    "tests/analytics/stitching/test_refresh_batches.py",
)
"""Files of a minute or more. Each runs in one process, so they begin first: none is left for one process at the end."""
INSTALL = "npm install --prefix .cache/azurite azurite@3.35.0"


def _available(mark: str) -> str:
    """An empty text, or why what the mark needs is not here."""
    if mark == "agents":
        return "" if find_spec("mcp") else "the package mcp is not installed (pip install '.[agents]')"
    if mark == "broker":
        from ingest.samples.broker import EmbeddedBroker

        return "" if EmbeddedBroker.available() else "the embedded broker's wheel is not installed for this platform"
    if mark == "browser":
        return "" if shutil.which("chromium") else "Chromium is not installed (Debian: apt install chromium)"
    if mark == "kafka":
        return "" if os.environ.get("JOURNEYS_KAFKA_HOME") else "JOURNEYS_KAFKA_HOME names no Apache Kafka"
    if mark == "azure":
        from tests.services.object_store import azurite

        return "" if azurite() else f"no emulator of Azure's store is installed ({INSTALL})"
    if mark == "spark":
        from tests.services.spark import lacking

        return lacking()
    if mark == "wheel":
        return "" if "wheel" in os.environ.get("JOURNEYS_TESTS_REQUIRE", "").split() else "takes minutes: make wheel"
    return ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.nodeid.partition("::")[0], len(ranks)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in ("agents", "azure", "broker", "browser", "kafka", "spark", "wheel"):
        if item.get_closest_marker(mark) and (reason := _available(mark)):
            if mark in os.environ.get("JOURNEYS_TESTS_REQUIRE", "").split():
                pytest.fail(f"required here, but {reason}")
            pytest.skip(reason)


ASKED_A_BROKER = pytest.StashKey[bool]()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """After a file with tests of Kafka its leftovers are collected: the client may leave the socket of a connection
    that was being made when it was closed, and the warning of it would fail whichever test runs when it is found.
    """
    asked = item.config.stash.get(ASKED_A_BROKER, False)
    asked = asked or any(item.get_closest_marker(mark) for mark in ("broker", "kafka"))
    item.config.stash[ASKED_A_BROKER] = asked
    if asked and (nextitem is None or nextitem.path != item.path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
        item.config.stash[ASKED_A_BROKER] = False
