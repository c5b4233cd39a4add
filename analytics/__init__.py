"""Lake to answers: stitched paths and the measures over them."""

from typing import TYPE_CHECKING, Any

from analytics.channels import channels, handoffs
from analytics.comparison import compare
from analytics.conformance import Design, conformance, deviations
from analytics.definitions import Exclude, Funnel, Step, duration
from analytics.effort import effort
from analytics.flow import flow, flow_routes
from analytics.funnels import funnel
from analytics.matrix import step_matrix
from analytics.members import members
from analytics.patterns import match, matches
from analytics.profiles import PROFILES, explain_difference, read_as
from analytics.retention import retention, returns
from analytics.rules import PathRules
from analytics.sessions import sessions
from analytics.spelling import UnknownWordWarning
from analytics.store import Paths, StoreWriter
from analytics.summary import summary
from analytics.survival import survival
from analytics.transitions import transitions
from analytics.trends import time_to_convert, trend
from analytics.variants import variants
from analytics.voice import responses, voice
from analytics.walks import Selection

if TYPE_CHECKING:
    from analytics.identity import customers
    from analytics.links import why, why_apart
    from analytics.stitching import stitch

__all__ = [
    "PROFILES",
    "Design",
    "Exclude",
    "Funnel",
    "PathRules",
    "Paths",
    "Selection",
    "Step",
    "StoreWriter",
    "UnknownWordWarning",
    "channels",
    "compare",
    "conformance",
    "customers",
    "deviations",
    "duration",
    "effort",
    "explain_difference",
    "flow",
    "flow_routes",
    "funnel",
    "handoffs",
    "match",
    "matches",
    "members",
    "read_as",
    "responses",
    "retention",
    "returns",
    "sessions",
    "step_matrix",
    "stitch",
    "summary",
    "survival",
    "time_to_convert",
    "transitions",
    "trend",
    "variants",
    "voice",
    "why",
    "why_apart",
]

# Stitching loads scipy and deltalake: only who stitches waits for them.
_ON_USE = {
    "customers": "analytics.identity",
    "stitch": "analytics.stitching",
    "why": "analytics.links",
    "why_apart": "analytics.links",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_ON_USE[name]), name)
