"""Lake to answers: stitched paths and the measures over them."""

from typing import TYPE_CHECKING, Any

from analytics.engine.conditions import Exclude, Step
from analytics.engine.unknown_words import UnknownWordWarning
from analytics.experience.channels import channels, handoffs
from analytics.experience.effort import effort
from analytics.experience.voice import responses, voice
from analytics.funnels.definition import Funnel
from analytics.funnels.funnel import funnel
from analytics.funnels.members import members
from analytics.funnels.other_tools import PROFILES, explain_difference, read_as
from analytics.funnels.survival import survival
from analytics.funnels.trends import time_to_convert, trend
from analytics.paths.conformance import Design, conformance, deviations
from analytics.paths.flow import flow, flow_routes
from analytics.paths.patterns import match, matches
from analytics.paths.step_matrices import step_matrix
from analytics.paths.transitions import transitions
from analytics.paths.variants import variants
from analytics.paths.view import Selection
from analytics.segments.cohorts import retention, returns
from analytics.segments.compare import compare
from analytics.store.paths import Paths
from analytics.store.summary import summary
from analytics.store.writer import StoreWriter
from analytics.touches.rules import PathRules
from analytics.touches.sessions import sessions
from expectations.config.durations import duration

if TYPE_CHECKING:
    from analytics.identity.links import why, why_apart
    from analytics.identity.resolution import customers
    from analytics.stitching.build import stitch

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
    "customers": "analytics.identity.resolution",
    "stitch": "analytics.stitching.build",
    "why": "analytics.identity.links",
    "why_apart": "analytics.identity.links",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_ON_USE[name]), name)
