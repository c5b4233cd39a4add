"""The last runs of the batch commands as metrics: served by a consumer, or written to a file for node_exporter."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from expectations.errors import StorageError
from expectations.lake.commands import CommandRun


def command_metrics(runs: Sequence[CommandRun]) -> Iterator[Metric]:
    """One gauge per fact, with a sample per command; a command without the fact has no sample."""
    for name, text, values in (
        ("end_timestamp_seconds", "When the last run of a command ended.", [run.ended_at for run in runs]),
        ("success_timestamp_seconds", "When it last ended with exit code 0.", [run.succeeded_at for run in runs]),
        ("duration_seconds", "How long its last run took.", [run.seconds for run in runs]),
        ("exit_code", "The exit code of its last run.", [run.exit_code for run in runs]),
        (
            "rows",
            "Rows landed, checked or removed, touches, alerts or targets, of its last run.",
            [run.rows for run in runs],
        ),
    ):
        family = GaugeMetricFamily(f"journeys_command_last_{name}", text, labels=["command"])
        for run, value in zip(runs, values, strict=True):
            if value is not None:
                family.add_metric([run.command], value)
        yield family


class _Runs(Collector):
    def __init__(self, runs: Sequence[CommandRun]) -> None:
        self._runs = runs

    def collect(self) -> Iterable[Metric]:
        return command_metrics(self._runs)


def write_textfile(path: str, runs: Sequence[CommandRun]) -> None:
    """Write the metrics for the textfile collector of node_exporter, in place of the old file and in one step.

    Raises StorageError when the file cannot be written.
    """
    registry = CollectorRegistry()
    registry.register(_Runs(runs))
    try:
        write_to_textfile(path, registry)
        os.chmod(path, 0o644)  # noqa: PTH101 - another user's exporter reads it, whatever the umask
    except OSError as error:
        raise StorageError(
            "The file of metrics cannot be written.",
            where=path,
            expected="a folder that this process can write to",
            found=error.strerror or str(error),
            do="correct textfile under [metrics]",
        ) from error
