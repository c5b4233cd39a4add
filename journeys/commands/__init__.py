"""The commands of the command line, one file per group of commands; importing the package registers them all."""

from journeys import explore  # noqa: F401 - it registers a command
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
from journeys.reported import diff, propose, sql, verify  # noqa: F401
from journeys.reported.agents import agents  # noqa: F401
from journeys.reported.maturity import maturity  # noqa: F401
from journeys.why import (  # noqa: F401
    attribution,
    change,
    drivers,
    experiment,
    personas,
    products,
    retention,
    segments,
    watch,
    why,
)
from journeys.why.ahead import next_touch, predict, standing  # noqa: F401
from journeys.why.experience import journey_map, moments, voice  # noqa: F401
from journeys.why.trouble import contacts, pains  # noqa: F401
