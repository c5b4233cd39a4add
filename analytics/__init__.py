"""From the lake to answers: builds customer paths and measures them.

This is the whole public interface: other packages import from `analytics`, never from a module inside it. Names that
need a heavy library are loaded on first use.
"""

from typing import TYPE_CHECKING, Any

from analytics.engine.analysis import MEASURES, measure_columns
from analytics.engine.conditions import Exclude, Step
from analytics.engine.goals import Goal, main_goal
from analytics.engine.local.calendar import day_start
from analytics.engine.local.money import Money, amounts_left_out
from analytics.engine.notices.unknown_words import UnknownWordWarning
from analytics.engine.run import Asking, answer_all, answered, together
from analytics.engine.spark import on_spark, spark_session
from analytics.engine.units import goal_window
from analytics.experience.channels import channels, handoffs
from analytics.experience.effort import effort
from analytics.experience.usage import usage
from analytics.experience.voice import SCORE, SURVEY, SURVEY_SCALES, responses, voice
from analytics.funnels.definition import Funnel
from analytics.funnels.funnel import funnel
from analytics.funnels.members import members
from analytics.funnels.other_tools import PROFILES, explain_difference, read_as
from analytics.funnels.survival import survival
from analytics.funnels.trends import funnel_by_range, time_to_convert, trend
from analytics.goals.goal_attainment import goal_attainment
from analytics.goals.goal_rate import goal_rate
from analytics.goals.goal_times import goal_incidence, goal_times, time_to_goal
from analytics.goals.stage_funnel import stage_funnel
from analytics.goals.stage_groups import stage_groups
from analytics.monitoring.arrivals import channel_lateness, over_and_arrived, waited_for
from analytics.monitoring.change import change
from analytics.monitoring.changes import step_changes
from analytics.monitoring.falls import falls, lowest_run
from analytics.monitoring.unusual import unusual_periods
from analytics.monitoring.watch import WatchRun, watch
from analytics.monitoring.watch_counts import Pair, watch_counts
from analytics.monitoring.watched_pairs import watched_pairs
from analytics.paths.conformance import Design, conformance
from analytics.paths.deviations import deviations
from analytics.paths.flow import flow, flow_routes
from analytics.paths.flow_cells import flow_cells
from analytics.paths.pattern_grammar import parse_pattern
from analytics.paths.patterns import match, matches
from analytics.paths.step_matrices import step_matrix
from analytics.paths.transitions import transitions
from analytics.paths.variants import variants
from analytics.paths.view import Selection, known_value
from analytics.segments.cohorts import retention, returns
from analytics.segments.compare import compare
from analytics.segments.drivers import drivers
from analytics.segments.rest import against_the_rest, counts_by
from analytics.statistics.corrections import benjamini_hochberg
from analytics.statistics.curves import kaplan_meier
from analytics.statistics.expected import unusual_share
from analytics.statistics.intervals import (
    difference_interval,
    median_interval,
    newcombe,
    normal_quantile,
    wilson,
)
from analytics.statistics.tests import binomial_two_sided, poisson_two_sided, two_proportions_z
from analytics.store.paths import Paths
from analytics.store.summary import summary
from analytics.store.writer import StoreWriter
from analytics.touches.rules import PathRules
from analytics.touches.sessions import sessions
from expectations.config.durations import duration

if TYPE_CHECKING:
    from analytics.funnels.saved import NamedFunnel, check_words, step_of
    from analytics.identity.links import known_identity, tombstones, why, why_apart
    from analytics.identity.links import split as split_identities
    from analytics.identity.resolution import customers
    from analytics.monitoring.runs import landed_offsets, published_runs, record_run
    from analytics.stitching.build import StitchSummary, stitch
    from analytics.stitching.build import build as build_paths
    from analytics.stitching.privacy.export import customer_data
    from analytics.stitching.privacy.forget import (
        bring_up_to_date,
        check_removable,
        finish_forgetting,
        forget_selected,
    )
    from analytics.stitching.privacy.forget import forget as forget_customer
    from analytics.stitching.privacy.journal import erasures
    from analytics.stitching.privacy.objection import unknown_objectors
    from analytics.stitching.privacy.selection import select_customers
    from analytics.stitching.refresh import refresh as refresh_paths
    from analytics.stitching.refresh import summary_of as stitch_summary
    from analytics.stitching.unused_settings import unused_settings
    from analytics.stitching.verify import stored_agreement
    from analytics.stitching.verify import verify as verify_paths
    from analytics.touches.assembly import touch_schema
    from analytics.touches.preview import touchpoints as preview_touchpoints
    from analytics.touches.preview import url_templates

__all__ = [
    "MEASURES",
    "PROFILES",
    "SCORE",
    "SURVEY",
    "SURVEY_SCALES",
    "Asking",
    "Design",
    "Exclude",
    "Funnel",
    "Goal",
    "Money",
    "NamedFunnel",
    "Pair",
    "PathRules",
    "Paths",
    "Selection",
    "Step",
    "StitchSummary",
    "StoreWriter",
    "UnknownWordWarning",
    "WatchRun",
    "against_the_rest",
    "amounts_left_out",
    "answer_all",
    "answered",
    "benjamini_hochberg",
    "binomial_two_sided",
    "bring_up_to_date",
    "build_paths",
    "change",
    "channel_lateness",
    "channels",
    "check_removable",
    "check_words",
    "compare",
    "conformance",
    "counts_by",
    "customer_data",
    "customers",
    "day_start",
    "deviations",
    "difference_interval",
    "drivers",
    "duration",
    "effort",
    "erasures",
    "explain_difference",
    "falls",
    "finish_forgetting",
    "flow",
    "flow_cells",
    "flow_routes",
    "forget_customer",
    "forget_selected",
    "funnel",
    "funnel_by_range",
    "goal_attainment",
    "goal_incidence",
    "goal_rate",
    "goal_times",
    "goal_window",
    "handoffs",
    "kaplan_meier",
    "known_identity",
    "known_value",
    "landed_offsets",
    "lowest_run",
    "main_goal",
    "match",
    "matches",
    "measure_columns",
    "median_interval",
    "members",
    "newcombe",
    "normal_quantile",
    "on_spark",
    "over_and_arrived",
    "parse_pattern",
    "poisson_two_sided",
    "preview_touchpoints",
    "published_runs",
    "read_as",
    "record_run",
    "refresh_paths",
    "responses",
    "retention",
    "returns",
    "select_customers",
    "sessions",
    "spark_session",
    "split_identities",
    "stage_funnel",
    "stage_groups",
    "step_changes",
    "step_matrix",
    "step_of",
    "stitch",
    "stitch_summary",
    "stored_agreement",
    "summary",
    "survival",
    "time_to_convert",
    "time_to_goal",
    "together",
    "tombstones",
    "touch_schema",
    "transitions",
    "trend",
    "two_proportions_z",
    "unknown_objectors",
    "unused_settings",
    "unusual_periods",
    "unusual_share",
    "url_templates",
    "usage",
    "variants",
    "verify_paths",
    "voice",
    "waited_for",
    "watch",
    "watch_counts",
    "watched_pairs",
    "why",
    "why_apart",
    "wilson",
]

# These load scipy or deltalake, or are needed by few: only their users wait for them.
_ON_USE = {
    "NamedFunnel": "analytics.funnels.saved:NamedFunnel",
    "StitchSummary": "analytics.stitching.build:StitchSummary",
    "build_paths": "analytics.stitching.build:build",
    "check_words": "analytics.funnels.saved:check_words",
    "customers": "analytics.identity.resolution:customers",
    "customer_data": "analytics.stitching.privacy.export:customer_data",
    "erasures": "analytics.stitching.privacy.journal:erasures",
    "forget_customer": "analytics.stitching.privacy.forget:forget",
    "select_customers": "analytics.stitching.privacy.selection:select_customers",
    "bring_up_to_date": "analytics.stitching.privacy.forget:bring_up_to_date",
    "check_removable": "analytics.stitching.privacy.forget:check_removable",
    "finish_forgetting": "analytics.stitching.privacy.forget:finish_forgetting",
    "forget_selected": "analytics.stitching.privacy.forget:forget_selected",
    "known_identity": "analytics.identity.links:known_identity",
    "landed_offsets": "analytics.monitoring.runs:landed_offsets",
    "preview_touchpoints": "analytics.touches.preview:touchpoints",
    "published_runs": "analytics.monitoring.runs:published_runs",
    "record_run": "analytics.monitoring.runs:record_run",
    "refresh_paths": "analytics.stitching.refresh:refresh",
    "split_identities": "analytics.identity.links:split",
    "step_of": "analytics.funnels.saved:step_of",
    "stitch": "analytics.stitching.build:stitch",
    "stitch_summary": "analytics.stitching.refresh:summary_of",
    "tombstones": "analytics.identity.links:tombstones",
    "touch_schema": "analytics.touches.assembly:touch_schema",
    "unknown_objectors": "analytics.stitching.privacy.objection:unknown_objectors",
    "unused_settings": "analytics.stitching.unused_settings:unused_settings",
    "url_templates": "analytics.touches.preview:url_templates",
    "stored_agreement": "analytics.stitching.verify:stored_agreement",
    "verify_paths": "analytics.stitching.verify:verify",
    "why": "analytics.identity.links:why",
    "why_apart": "analytics.identity.links:why_apart",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, _, attribute = _ON_USE[name].partition(":")
    return getattr(import_module(module), attribute)
