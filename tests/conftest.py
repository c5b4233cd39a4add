"""What a test may need of the machine. A missing part skips the test with a reason; where the environment variable
JOURNEYS_TESTS_REQUIRE names the part, it fails instead, so that a full check never passes by skipping."""

from __future__ import annotations

import os
import shutil
from functools import cache

import pytest
import typer.main
import typer.testing
from hypothesis import settings

settings.register_profile("journeys", deadline=None)  # a busy machine is slow, not wrong
settings.load_profile("journeys")
typer.main.get_command = typer.testing._get_command = cache(typer.main.get_command)  # built once, not for every command
INSTALL = "npm install --prefix .cache/azurite azurite@3.35.0"


def _available(mark: str) -> str:
    """An empty text, or why what the mark needs is not here."""
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


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in ("azure", "broker", "browser", "kafka", "spark", "wheel"):
        if item.get_closest_marker(mark) and (reason := _available(mark)):
            if mark in os.environ.get("JOURNEYS_TESTS_REQUIRE", "").split():
                pytest.fail(f"required here, but {reason}")
            pytest.skip(reason)
