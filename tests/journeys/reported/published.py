"""A small shop with a published report."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from analytics import refresh_paths
from journeys.app import app
from journeys.settings import Settings
from tests.analytics.monitoring.runs.histories import History

TOML = '[lake]\naddress = "lake"\n[paths]\ngoal = ["buy"]\n[report]\nwindow = "7d"\npages = ["trust"]\n'


def publish_a_shop(folder: Path) -> Path:
    """Lands 60 customers, publishes a report of the page Trust, and returns the configuration."""
    config = folder / "journeys.toml"
    config.write_text(TOML)
    shop = History(folder / "lake")
    shop.land(*((name, number % 20, f"c{number}", None) for number in range(60) for name in ("look", "buy")))
    refresh_paths(shop.lake, Settings(config).paths)
    publish_again(config)
    return config


def publish_again(config: Path) -> None:
    """Publishes another report."""
    assert CliRunner().invoke(app, ["report", "--config", str(config)]).exit_code == 0
