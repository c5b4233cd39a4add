"""The verbs of the command line, one file for each group of verbs; importing the package adds them all."""

from journeys.commands import funnel, identity, lake, paths, pipeline, report, serve  # noqa: F401 - they add their verbs
