"""The commands of the command line, one file per group of commands; importing the package registers them all."""

from journeys.commands import (  # noqa: F401 - they register commands
    export,
    funnel,
    goals,
    identity,
    lake,
    paths,
    pipeline,
    report,
    schema,
    serve,
)
from journeys.why import change, drivers, watch  # noqa: F401
