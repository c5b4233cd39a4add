"""The page of metrics and alerts: what `/metrics` of a consumer exports, and the rules of deploy/alerts.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from prometheus_client.metrics_core import Metric

from ingest.service.counters import Counters
from ingest.service.metrics import CountersCollector
from manual.text import cell, table

ALERTS: Final = Path(__file__).parent.parent / "deploy" / "alerts.yaml"
_ENDINGS: Final = {"counter": "_total"}


def metrics_page() -> str:
    """Every metric with its kind, labels and meaning, then every alert with what to do first."""
    metrics = [
        (
            f"`{family.name}{_ENDINGS.get(family.type, '')}`",
            family.type,
            ", ".join(f"`{each}`" for each in _labels(family)),
            cell(family.documentation),
        )
        for family in families()
    ]
    alerts = [
        (
            f"`{rule['alert']}`",
            rule["labels"]["severity"],
            rule.get("for", ""),
            cell(rule["annotations"]["summary"]),
            cell(rule["annotations"]["action"]),
        )
        for rule in alert_rules()
    ]
    return f"""# Metrics and alerts

{_ABOUT}

## Metrics {{ #metrics }}

{table(("metric", "kind", "labels", "meaning"), metrics)}

## Alerts {{ #alerts }}

The rules of [deploy/alerts.yaml](../deploy/alerts.yaml).

{table(("alert", "severity", "after", "when", "what to do first"), alerts)}
"""


_ABOUT: Final = """`journeys ingest` serves these for Prometheus at `/metrics`, beside `/healthz` and `/readyz`, where
`[ingest] http_port` is set; no label holds a value of a message. [How to run it](../docs/production.md)."""


def families() -> list[Metric]:
    """All that a consumer exports, in its order."""
    return list(CountersCollector(Counters()).collect())


def _labels(family: Metric) -> tuple[str, ...]:
    return tuple(getattr(family, "_labelnames", ()))


def alert_rules() -> Iterator[dict[str, Any]]:
    """The rules of all groups of deploy/alerts.yaml."""
    for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]:
        yield from group["rules"]
