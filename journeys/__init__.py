"""The front door: the command line and the configuration file. Every room is imported inside the verb that needs it."""

from __future__ import annotations


def main() -> None:
    """Run the command `journeys`."""
    from journeys.app import run
    from journeys.commands import funnel, identity, lake, paths, pipeline, report, serve  # noqa: F401 - they add verbs

    run()
