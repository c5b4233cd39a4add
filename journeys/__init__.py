"""The front door: the command line and the configuration file. Every room is imported inside the verb that needs it."""

from __future__ import annotations


def main() -> None:
    """Run the command `journeys`."""
    import journeys.commands  # noqa: F401 - the verbs
    from journeys.app import run

    run()
