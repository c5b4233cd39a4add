"""From the lake to answers: builds customer paths and measures them.

This is the whole public interface: other packages import from `analytics`, never from a module inside it. Names that
need a heavy library are loaded on first use.
"""

from typing import TYPE_CHECKING, Any

from analytics.engine.analysis import MEASURES, measure_columns
from analytics.engine.conditions import Exclude, Step
from analytics.engine.goals import Goal, Route, main_goal
from analytics.engine.local.calendar import day_start
from analytics.engine.local.money import Money, amounts_left_out
from analytics.engine.notices.outcome import ChosenByOutcomeWarning
from analytics.engine.notices.unknown_words import UnknownWordWarning
from analytics.engine.run import Asking, answer_all, answered, together
from analytics.engine.spark import on_spark, spark_session
from analytics.engine.units import goal_window
from analytics.experience.answers.coded_answers import coded_answers
from analytics.experience.answers.landed_answers import LandedAnswers, landed_answers
from analytics.experience.answers.questions import CodedQuestion
from analytics.experience.answers.response_rate import response_rate
from analytics.experience.channels import channels, handoffs
from analytics.experience.consistency import Paired, compare_paired, compare_shares, consistency
from analytics.experience.contact_rate import contact_rate
from analytics.experience.contacts import ContactSettings, contacts
from analytics.experience.effort import effort
from analytics.experience.intents import Intent, MomentSettings
from analytics.experience.moments import moments
from analytics.experience.texts.codebook import Theme, VoiceSettings, theme_bits, theme_words
from analytics.experience.texts.landed_texts import Texts, landed_texts
from analytics.experience.texts.quotes import approved_ids, quotes
from analytics.experience.texts.redaction import redact
from analytics.experience.texts.suggestions import suggest_themes
from analytics.experience.texts.themes import themes
from analytics.experience.usage import usage
from analytics.experience.voice import SCORE, SURVEY, SURVEY_SCALES, responses, voice
from analytics.funnels.definition import Funnel
from analytics.funnels.funnel import funnel
from analytics.funnels.members import members
from analytics.funnels.other_tools import PROFILES, explain_difference, read_as
from analytics.funnels.survival import survival
from analytics.funnels.trends import funnel_by_range, time_to_convert, trend
from analytics.goals.ahead.beside import funnel_neighbours
from analytics.goals.ahead.next_touch import next_touch
from analytics.goals.ahead.next_touch_quality import next_touch_quality
from analytics.goals.credit.attribution import attribution
from analytics.goals.credit.chain_table import credit_chain
from analytics.goals.credit.costs import NamedCosts, joined_costs, with_costs
from analytics.goals.credit.definition import Attribution, Model
from analytics.goals.credit.shapley import shapley_of
from analytics.goals.credit.touch_effects import touch_effects
from analytics.goals.experiments.definition import Experiment, Metric
from analytics.goals.experiments.experiment import experiment, experiment_health
from analytics.goals.experiments.size import experiment_size
from analytics.goals.goal_attainment import goal_attainment
from analytics.goals.goal_rate import goal_rate
from analytics.goals.goal_times import goal_incidence, goal_times, time_to_goal
from analytics.goals.routes.goal_routes import goal_routes
from analytics.goals.stage_funnel import stage_funnel
from analytics.goals.stage_groups import stage_groups
from analytics.goals.standing import standing
from analytics.goals.targets import goal_target, status_of, target_cohort, target_status
from analytics.monitoring.arrivals import channel_lateness, over_and_arrived, waited_for
from analytics.monitoring.change import change
from analytics.monitoring.changes import step_changes
from analytics.monitoring.products.cohorts import product_cohorts
from analytics.monitoring.products.definition import TARGET_UNITS, JourneyNote, JourneyProduct, Target
from analytics.monitoring.products.goal_change import goal_change
from analytics.monitoring.products.moved import moved
from analytics.monitoring.products.products import judged_products, product_changes, products
from analytics.monitoring.releases import Release, ReleaseSettings, noted_releases, release_marks
from analytics.monitoring.watch import WatchRun, watch
from analytics.monitoring.watching.definition import Watch, check_watch
from analytics.monitoring.watching.watch_counts import Pair, watch_counts
from analytics.monitoring.watching.watched_pairs import watched_pairs
from analytics.monitoring.why import why
from analytics.paths.designed.conformance import conformance
from analytics.paths.designed.design import Design, DesignStep
from analytics.paths.designed.deviations import deviations
from analytics.paths.designed.steps import designed_steps
from analytics.paths.flow import flow, flow_routes
from analytics.paths.flow_cells import flow_cells
from analytics.paths.pattern_grammar import parse_pattern
from analytics.paths.patterns import match, matches
from analytics.paths.step_matrices import step_matrix
from analytics.paths.transitions import transitions
from analytics.paths.variants import variants
from analytics.paths.view import Selection, known_value
from analytics.segments.activity.lapse import comeback, lapse
from analytics.segments.activity.lifecycle import lifecycle
from analytics.segments.activity.retention import ReturnRules, retention
from analytics.segments.activity.stickiness import stickiness
from analytics.segments.cohorts import returns
from analytics.segments.compare import compare, compare_periods
from analytics.segments.drivers import drivers
from analytics.segments.moments_of_truth import moments_of_truth
from analytics.segments.named.conditions import Did, DidNot, Total
from analytics.segments.named.logic import AllOf, AnyOf, NoneOf
from analytics.segments.named.matched import Matched
from analytics.segments.named.membership import membership, segment_evidence
from analytics.segments.named.rfm import RFM_SEGMENTS, Rfm, rfm
from analytics.segments.named.segment import InSegment, Segment, with_segments
from analytics.segments.named.sizes import overlaps, segment_sizes
from analytics.segments.named.stuck import Stuck
from analytics.segments.named.values import Attribute, FirstTouch, Listed
from analytics.segments.pains import pains
from analytics.segments.personas.cards import Sentence, cited_numbers, no_longer_fits, persona_cards, vignette
from analytics.segments.personas.column import persona_members, with_personas
from analytics.segments.personas.fit import fit_personas
from analytics.segments.personas.fitted import FittedPersona, PersonaFit
from analytics.segments.personas.matching import match_personas, persona_count
from analytics.segments.personas.observation import Observation, persona_placement
from analytics.segments.personas.personas import personas
from analytics.segments.personas.rules import PersonaRule, PersonaRules, TouchShare
from analytics.segments.personas.traits import persona_profile, persona_traits
from analytics.segments.rest import against_the_rest, counts_by
from analytics.statistics.corrections import benjamini_hochberg
from analytics.statistics.curves import HorizonChances, horizon_chances, kaplan_meier
from analytics.statistics.expected import unusual_share
from analytics.statistics.experiments import (
    MeanSums,
    confidence_sequence,
    customers_needed,
    difference_of_shares,
    mean_difference,
    sample_ratio,
)
from analytics.statistics.intervals import (
    difference_interval,
    median_interval,
    newcombe,
    normal_quantile,
    wilson,
)
from analytics.statistics.satisfaction import Stratum, survey_score, weighted_score
from analytics.statistics.strata import stratified_difference
from analytics.statistics.tests import binomial_two_sided, poisson_two_sided, two_proportions_z
from analytics.store.manifest import generation_of
from analytics.store.paths import Paths
from analytics.store.summary import described, summary
from analytics.store.writer import StoreWriter
from analytics.touches.rules import PathRules
from analytics.touches.sessions import sessions
from expectations.config.durations import duration

if TYPE_CHECKING:
    from analytics.funnels.saved import NamedFunnel, check_words
    from analytics.funnels.step_text import StepCondition, StepText, check_conditions, step_of
    from analytics.goals.ahead.definition import Prediction, PredictionSettings
    from analytics.goals.ahead.forecast import Forecast, forecast
    from analytics.goals.ahead.outlook import outlook
    from analytics.goals.experiments.saved import NamedExperiment, check_experiment
    from analytics.identity.links import known_identity, tombstones, why_apart, why_joined
    from analytics.identity.links import split as split_identities
    from analytics.identity.resolution import customers
    from analytics.monitoring.maturity.answers import MaturityAnswers
    from analytics.monitoring.maturity.maturity import MaturityEvidence, maturity, maturity_domains
    from analytics.monitoring.maturity.questions import MATURITY_DOMAINS, MATURITY_QUESTIONS
    from analytics.monitoring.products.history import product_history, record_products
    from analytics.monitoring.products.saved import NamedJourney, check_product
    from analytics.monitoring.runs.again import paths_of_run
    from analytics.monitoring.runs.cells import CellQuestion
    from analytics.monitoring.runs.diff import DIFF_CAUSES, compared_runs, diff, run_difference
    from analytics.monitoring.runs.kept import KeptRun, keep_run, kept_names, kept_run, kept_site, run_of
    from analytics.monitoring.runs.published import landed_offsets, published_runs, record_run
    from analytics.monitoring.runs.restatements import has_restated, record_restatements, restatements
    from analytics.monitoring.watching.named import NamedWatch
    from analytics.segments.named.saved import NamedSegment, check_segment_words, segments_of
    from analytics.segments.personas.saved import PersonaSettings
    from analytics.segments.personas.stored import (
        fit_in_force,
        keep_fit,
        kept_members,
        known_texts,
        texts_written_for,
    )
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
    from analytics.stitching.privacy.kept.persona_members import forget_members as leave_out_objectors
    from analytics.stitching.privacy.objection import customers_named, unknown_objectors
    from analytics.stitching.privacy.selection import select_customers
    from analytics.stitching.privacy.sharing import identities_of, pseudonyms, touches_to_share
    from analytics.stitching.refresh import refresh as refresh_paths
    from analytics.stitching.refresh import summary_of as stitch_summary
    from analytics.stitching.unused_settings import unused_settings
    from analytics.stitching.verify import stored_agreement
    from analytics.stitching.verify import verify as verify_paths
    from analytics.touches.assembly import touch_schema
    from analytics.touches.preview import touchpoints as preview_touchpoints
    from analytics.touches.preview import url_templates

__all__ = [
    "DIFF_CAUSES",
    "MATURITY_DOMAINS",
    "MATURITY_QUESTIONS",
    "MEASURES",
    "PROFILES",
    "RFM_SEGMENTS",
    "SCORE",
    "SURVEY",
    "SURVEY_SCALES",
    "TARGET_UNITS",
    "AllOf",
    "AnyOf",
    "Asking",
    "Attribute",
    "Attribution",
    "CellQuestion",
    "ChosenByOutcomeWarning",
    "CodedQuestion",
    "ContactSettings",
    "Design",
    "DesignStep",
    "Did",
    "DidNot",
    "Exclude",
    "Experiment",
    "FirstTouch",
    "FittedPersona",
    "Forecast",
    "Funnel",
    "Goal",
    "HorizonChances",
    "InSegment",
    "Intent",
    "JourneyNote",
    "JourneyProduct",
    "KeptRun",
    "LandedAnswers",
    "Listed",
    "Matched",
    "MaturityAnswers",
    "MaturityEvidence",
    "MeanSums",
    "Metric",
    "Model",
    "MomentSettings",
    "Money",
    "NamedCosts",
    "NamedExperiment",
    "NamedFunnel",
    "NamedJourney",
    "NamedSegment",
    "NamedWatch",
    "NoneOf",
    "Observation",
    "Pair",
    "Paired",
    "PathRules",
    "Paths",
    "PersonaFit",
    "PersonaRule",
    "PersonaRules",
    "PersonaSettings",
    "Prediction",
    "PredictionSettings",
    "Release",
    "ReleaseSettings",
    "ReturnRules",
    "Rfm",
    "Route",
    "Segment",
    "Selection",
    "Sentence",
    "Step",
    "StepCondition",
    "StepText",
    "StitchSummary",
    "StoreWriter",
    "Stratum",
    "Stuck",
    "Target",
    "Texts",
    "Theme",
    "Total",
    "TouchShare",
    "UnknownWordWarning",
    "VoiceSettings",
    "Watch",
    "WatchRun",
    "against_the_rest",
    "amounts_left_out",
    "answer_all",
    "answered",
    "approved_ids",
    "attribution",
    "benjamini_hochberg",
    "binomial_two_sided",
    "bring_up_to_date",
    "build_paths",
    "change",
    "channel_lateness",
    "channels",
    "check_conditions",
    "check_experiment",
    "check_product",
    "check_removable",
    "check_segment_words",
    "check_watch",
    "check_words",
    "cited_numbers",
    "coded_answers",
    "comeback",
    "compare",
    "compare_paired",
    "compare_periods",
    "compare_shares",
    "compared_runs",
    "confidence_sequence",
    "conformance",
    "consistency",
    "contact_rate",
    "contacts",
    "counts_by",
    "credit_chain",
    "customer_data",
    "customers",
    "customers_named",
    "customers_needed",
    "day_start",
    "described",
    "designed_steps",
    "deviations",
    "diff",
    "difference_interval",
    "difference_of_shares",
    "drivers",
    "duration",
    "effort",
    "erasures",
    "experiment",
    "experiment_health",
    "experiment_size",
    "explain_difference",
    "finish_forgetting",
    "fit_in_force",
    "fit_personas",
    "flow",
    "flow_cells",
    "flow_routes",
    "forecast",
    "forget_customer",
    "forget_selected",
    "funnel",
    "funnel_by_range",
    "funnel_neighbours",
    "generation_of",
    "goal_attainment",
    "goal_change",
    "goal_incidence",
    "goal_rate",
    "goal_routes",
    "goal_target",
    "goal_times",
    "goal_window",
    "handoffs",
    "has_restated",
    "horizon_chances",
    "identities_of",
    "joined_costs",
    "judged_products",
    "kaplan_meier",
    "keep_fit",
    "keep_run",
    "kept_members",
    "kept_names",
    "kept_run",
    "kept_site",
    "known_identity",
    "known_texts",
    "known_value",
    "landed_answers",
    "landed_offsets",
    "landed_texts",
    "lapse",
    "leave_out_objectors",
    "lifecycle",
    "main_goal",
    "match",
    "match_personas",
    "matches",
    "maturity",
    "maturity_domains",
    "mean_difference",
    "measure_columns",
    "median_interval",
    "members",
    "membership",
    "moments",
    "moments_of_truth",
    "moved",
    "newcombe",
    "next_touch",
    "next_touch_quality",
    "no_longer_fits",
    "normal_quantile",
    "noted_releases",
    "on_spark",
    "outlook",
    "over_and_arrived",
    "overlaps",
    "pains",
    "parse_pattern",
    "paths_of_run",
    "persona_cards",
    "persona_count",
    "persona_members",
    "persona_placement",
    "persona_profile",
    "persona_traits",
    "personas",
    "poisson_two_sided",
    "preview_touchpoints",
    "product_changes",
    "product_cohorts",
    "product_history",
    "products",
    "pseudonyms",
    "published_runs",
    "quotes",
    "read_as",
    "record_products",
    "record_restatements",
    "record_run",
    "redact",
    "refresh_paths",
    "release_marks",
    "response_rate",
    "responses",
    "restatements",
    "retention",
    "returns",
    "rfm",
    "run_difference",
    "run_of",
    "sample_ratio",
    "segment_evidence",
    "segment_sizes",
    "segments_of",
    "select_customers",
    "sessions",
    "shapley_of",
    "spark_session",
    "split_identities",
    "stage_funnel",
    "stage_groups",
    "standing",
    "status_of",
    "step_changes",
    "step_matrix",
    "step_of",
    "stickiness",
    "stitch",
    "stitch_summary",
    "stored_agreement",
    "stratified_difference",
    "suggest_themes",
    "summary",
    "survey_score",
    "survival",
    "target_cohort",
    "target_status",
    "texts_written_for",
    "theme_bits",
    "theme_words",
    "themes",
    "time_to_convert",
    "time_to_goal",
    "together",
    "tombstones",
    "touch_effects",
    "touch_schema",
    "touches_to_share",
    "transitions",
    "trend",
    "two_proportions_z",
    "unknown_objectors",
    "unused_settings",
    "unusual_share",
    "url_templates",
    "usage",
    "variants",
    "verify_paths",
    "vignette",
    "voice",
    "waited_for",
    "watch",
    "watch_counts",
    "watched_pairs",
    "weighted_score",
    "why",
    "why_apart",
    "why_joined",
    "wilson",
    "with_costs",
    "with_personas",
    "with_segments",
]

# These load scipy or deltalake, or are needed by few: only their users wait for them.
_ON_USE = {
    "NamedExperiment": "analytics.goals.experiments.saved:NamedExperiment",
    "NamedFunnel": "analytics.funnels.saved:NamedFunnel",
    "Forecast": "analytics.goals.ahead.forecast:Forecast",
    "StepCondition": "analytics.funnels.step_text:StepCondition",
    "StepText": "analytics.funnels.step_text:StepText",
    "PersonaSettings": "analytics.segments.personas.saved:PersonaSettings",
    "Prediction": "analytics.goals.ahead.definition:Prediction",
    "PredictionSettings": "analytics.goals.ahead.definition:PredictionSettings",
    "forecast": "analytics.goals.ahead.forecast:forecast",
    "outlook": "analytics.goals.ahead.outlook:outlook",
    "fit_in_force": "analytics.segments.personas.stored:fit_in_force",
    "keep_fit": "analytics.segments.personas.stored:keep_fit",
    "kept_members": "analytics.segments.personas.stored:kept_members",
    "known_texts": "analytics.segments.personas.stored:known_texts",
    "texts_written_for": "analytics.segments.personas.stored:texts_written_for",
    "leave_out_objectors": "analytics.stitching.privacy.kept.persona_members:forget_members",
    "StitchSummary": "analytics.stitching.build:StitchSummary",
    "build_paths": "analytics.stitching.build:build",
    "MATURITY_DOMAINS": "analytics.monitoring.maturity.questions:MATURITY_DOMAINS",
    "MATURITY_QUESTIONS": "analytics.monitoring.maturity.questions:MATURITY_QUESTIONS",
    "MaturityAnswers": "analytics.monitoring.maturity.answers:MaturityAnswers",
    "MaturityEvidence": "analytics.monitoring.maturity.maturity:MaturityEvidence",
    "maturity": "analytics.monitoring.maturity.maturity:maturity",
    "maturity_domains": "analytics.monitoring.maturity.maturity:maturity_domains",
    "NamedJourney": "analytics.monitoring.products.saved:NamedJourney",
    "NamedWatch": "analytics.monitoring.watching.named:NamedWatch",
    "NamedSegment": "analytics.segments.named.saved:NamedSegment",
    "check_segment_words": "analytics.segments.named.saved:check_segment_words",
    "check_experiment": "analytics.goals.experiments.saved:check_experiment",
    "check_product": "analytics.monitoring.products.saved:check_product",
    "check_conditions": "analytics.funnels.step_text:check_conditions",
    "check_words": "analytics.funnels.saved:check_words",
    "customers": "analytics.identity.resolution:customers",
    "customers_named": "analytics.stitching.privacy.objection:customers_named",
    "customer_data": "analytics.stitching.privacy.export:customer_data",
    "erasures": "analytics.stitching.privacy.journal:erasures",
    "forget_customer": "analytics.stitching.privacy.forget:forget",
    "select_customers": "analytics.stitching.privacy.selection:select_customers",
    "bring_up_to_date": "analytics.stitching.privacy.forget:bring_up_to_date",
    "check_removable": "analytics.stitching.privacy.forget:check_removable",
    "finish_forgetting": "analytics.stitching.privacy.forget:finish_forgetting",
    "forget_selected": "analytics.stitching.privacy.forget:forget_selected",
    "known_identity": "analytics.identity.links:known_identity",
    "landed_offsets": "analytics.monitoring.runs.published:landed_offsets",
    "paths_of_run": "analytics.monitoring.runs.again:paths_of_run",
    "CellQuestion": "analytics.monitoring.runs.cells:CellQuestion",
    "DIFF_CAUSES": "analytics.monitoring.runs.diff:DIFF_CAUSES",
    "compared_runs": "analytics.monitoring.runs.diff:compared_runs",
    "diff": "analytics.monitoring.runs.diff:diff",
    "run_difference": "analytics.monitoring.runs.diff:run_difference",
    "KeptRun": "analytics.monitoring.runs.kept:KeptRun",
    "keep_run": "analytics.monitoring.runs.kept:keep_run",
    "kept_names": "analytics.monitoring.runs.kept:kept_names",
    "kept_run": "analytics.monitoring.runs.kept:kept_run",
    "kept_site": "analytics.monitoring.runs.kept:kept_site",
    "run_of": "analytics.monitoring.runs.kept:run_of",
    "has_restated": "analytics.monitoring.runs.restatements:has_restated",
    "record_restatements": "analytics.monitoring.runs.restatements:record_restatements",
    "restatements": "analytics.monitoring.runs.restatements:restatements",
    "preview_touchpoints": "analytics.touches.preview:touchpoints",
    "product_history": "analytics.monitoring.products.history:product_history",
    "published_runs": "analytics.monitoring.runs.published:published_runs",
    "record_products": "analytics.monitoring.products.history:record_products",
    "record_run": "analytics.monitoring.runs.published:record_run",
    "refresh_paths": "analytics.stitching.refresh:refresh",
    "segments_of": "analytics.segments.named.saved:segments_of",
    "split_identities": "analytics.identity.links:split",
    "step_of": "analytics.funnels.step_text:step_of",
    "stitch": "analytics.stitching.build:stitch",
    "stitch_summary": "analytics.stitching.refresh:summary_of",
    "tombstones": "analytics.identity.links:tombstones",
    "touch_schema": "analytics.touches.assembly:touch_schema",
    "identities_of": "analytics.stitching.privacy.sharing:identities_of",
    "pseudonyms": "analytics.stitching.privacy.sharing:pseudonyms",
    "touches_to_share": "analytics.stitching.privacy.sharing:touches_to_share",
    "unknown_objectors": "analytics.stitching.privacy.objection:unknown_objectors",
    "unused_settings": "analytics.stitching.unused_settings:unused_settings",
    "url_templates": "analytics.touches.preview:url_templates",
    "stored_agreement": "analytics.stitching.verify:stored_agreement",
    "verify_paths": "analytics.stitching.verify:verify",
    "why_apart": "analytics.identity.links:why_apart",
    "why_joined": "analytics.identity.links:why_joined",
}

# The store imports no question, so what is asked of segments and personas is bound to it here.
Paths.with_segments = with_segments  # type: ignore[method-assign, assignment]
Paths.with_personas = with_personas  # type: ignore[method-assign, assignment]
Paths.describe = described  # type: ignore[method-assign, assignment]


def __getattr__(name: str) -> Any:
    if name not in _ON_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, _, attribute = _ON_USE[name].partition(":")
    return getattr(import_module(module), attribute)
