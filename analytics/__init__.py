"""Lake to answers: stitched paths and the measures over them."""

from analytics.definitions import Exclude, Funnel, Step, duration
from analytics.flow import flow, flow_routes
from analytics.funnels import funnel
from analytics.members import members
from analytics.store import Paths, StoreWriter
from analytics.transitions import transitions

__all__ = [
    "Exclude",
    "Funnel",
    "Paths",
    "Step",
    "StoreWriter",
    "duration",
    "flow",
    "flow_routes",
    "funnel",
    "members",
    "transitions",
]
