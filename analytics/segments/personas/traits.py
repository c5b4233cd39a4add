"""What distinguishes personas: how they move, beside all others, and who they are, by columns that are no features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl

from analytics.engine.analysis import IS_TOTAL, SMALL, Cells, answer, measured_by
from analytics.engine.partials import add_up
from analytics.engine.run import run
from analytics.segments.personas.column import PERSONA, BoundPersonas, Portfolio
from analytics.segments.personas.features import LOGARITHMS, RHYTHM, Feature, FeatureReader, named
from analytics.segments.personas.fit import DISTINCT
from analytics.segments.personas.fitted import PersonaFit
from analytics.statistics.corrections import benjamini_hochberg
from analytics.statistics.intervals import newcombe
from analytics.statistics.tests import two_proportions_z
from analytics.store.encoding import Dictionaries, as_text
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

SCALE: Final = 100_000
"""Features are added up in hundred-thousandths: whole numbers, whose sums do not depend on the order."""
MOST_TRAITS: Final = 5
_SUMS: Final = ("customers", "sum", "squares")


@dataclass(frozen=True, eq=False)
class PersonaTraits:
    """Adds up the features of the customers of each persona: a partial has one row per persona and feature."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        persona=pl.String,
        family=pl.String,
        feature=pl.String,
        customers=pl.Int64,
        mean=pl.Float64,
        mean_others=pl.Float64,
        difference_sd=pl.Float64,
        distinguishes=pl.Boolean,
    )
    CELLS: ClassVar[Cells | None] = None
    BOUND: ClassVar[int] = SMALL

    bound: BoundPersonas
    reader: FeatureReader
    features: tuple[Feature, ...]

    @classmethod
    def of(cls, paths: Paths, fit: PersonaFit) -> Self:
        """The measure of the arguments of its public function."""
        return cls(BoundPersonas.of(paths, fit), FeatureReader.of(paths, fit.zone), fit.features)

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        return ()

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        return dict.fromkeys((" persona", " feature", *_SUMS), pl.Int64())

    def partial(self, part: Part, _: Dictionaries) -> pl.DataFrame:
        """The sums of one part."""
        customers = self.bound.observed.customers(part)
        persona, size = self.bound.placer.place(customers), len(self.bound.names)
        empty = pl.DataFrame(schema=self.schema)
        if not size or not len(persona):
            return empty
        raw = np.rint(self.reader.read(customers, self.features) * SCALE).astype(np.int64)
        people = np.bincount(persona, minlength=size)
        sums = np.zeros((2, size, len(self.features)), np.int64)
        np.add.at(sums[0], persona, raw)
        np.add.at(sums[1], persona, raw * raw)
        places = np.indices(sums[0].shape).reshape(2, -1)
        counts = np.repeat(people, len(self.features))
        rows = [*places, counts, sums[0].ravel(), sums[1].ravel()]
        return pl.DataFrame(dict(zip(self.schema, rows, strict=True)), schema=self.schema)

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the sums of parts."""
        return add_up(partials, [" persona", " feature"], self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `persona_traits`."""
        own = merged.sort(" persona", " feature")
        whole = own.group_by(" feature", maintain_order=True).agg(pl.col(*_SUMS).sum().name.suffix(" all"))
        table = own.join(whole, on=" feature", maintain_order="left")
        total = whole.sort(" feature").select(
            pl.lit(-1).cast(pl.Int64).alias(" persona"),
            " feature",
            *(pl.col(f"{name} all").alias(name) for name in _SUMS),
            *(pl.col(f"{name} all") for name in _SUMS),
        )
        rows = pl.concat([total, table.select(total.columns)]).with_columns(pl.col(*_SUMS).cast(pl.Float64))
        others = pl.col("customers all") - pl.col("customers")
        mean_all = pl.col("sum all") / pl.col("customers all")
        sd = (pl.col("squares all") / pl.col("customers all") - mean_all**2).clip(0).sqrt()
        found = rows.with_columns(
            (pl.col("sum") / pl.col("customers")).alias("mean"),
            pl.when(others > 0).then((pl.col("sum all") - pl.col("sum")) / others).alias("mean_others"),
            sd.alias("sd"),
        ).with_columns(
            pl.when(pl.col("sd") > 0)
            .then((pl.col("mean") - pl.col("mean_others")) / pl.col("sd"))
            .alias("difference_sd")
        )
        return self._named(found)

    def _named(self, found: pl.DataFrame) -> pl.DataFrame:
        """The rows with words, means in their own units, the most different features of a persona first."""
        is_log = [family == RHYTHM and value in LOGARITHMS for family, value in self.features]
        words = pl.DataFrame(
            {
                "family": [family for family, _ in self.features],
                "feature": [named(feature) for feature in self.features],
                "log": is_log,
            },
            schema={"family": pl.String, "feature": pl.String, "log": pl.Boolean},
        )
        names = pl.Series(PERSONA, self.bound.names, dtype=pl.String)
        table = pl.concat([found, words[found[" feature"]]], how="horizontal")
        place = table[" persona"]
        table = table.with_columns(
            names.gather(place.clip(0)).set(place < 0, None) if len(names) else pl.lit(None, pl.String).alias(PERSONA),
            (pl.col(" persona") < 0).alias(IS_TOTAL),
            pl.col("difference_sd").abs().fill_null(-1).alias(" size"),
            *(
                pl.when("log").then((pl.col(name) / SCALE).exp()).otherwise(pl.col(name) / SCALE).alias(name)
                for name in ("mean", "mean_others")
            ),
        ).sort(" persona", " size", " feature", descending=[False, True, False])
        rank = pl.int_range(pl.len()).over(" persona")
        shown = (pl.col(" size") >= DISTINCT) & (rank < MOST_TRAITS)
        return table.with_columns(shown.alias("distinguishes"), pl.col("customers").cast(pl.Int64)).select(*self.SCHEMA)

    def exactly(self, merged: pl.DataFrame) -> Self:  # noqa: ARG002
        """The same: nothing is a quantile."""
        return self


@measured_by(PersonaTraits)
def persona_traits(paths: Paths, fit: PersonaFit) -> pl.DataFrame:
    """How the customers of each persona move, beside all others.

    One row per persona and feature of the fit: the rows over all personas first (`is_total`), then persona by persona,
    the most different features first. Columns: `is_total` Boolean; `persona`, `family`, `feature` String; `customers`
    Int64; `mean`, `mean_others` Float64: shares of touches, or for `touches per session` and `sessions` geometric
    means; `difference_sd` Float64: the difference of the means in standard deviations over all customers in personas
    (of the logarithms, where means are geometric; null in rows over all, and where nobody varies); `distinguishes`
    Boolean: it is 0.5 or more, up or down, and one of the persona's five largest. Means are exact to five decimals of a
    customer's share. A fit without personas gives no rows. Raises `DefinitionError` for a fit made from other features,
    stages or touchpoint rules.

    >>> from analytics import fit_personas
    >>> visits = {f"a{i}": "a@0d[channel=app] a@1d[channel=app] a@2d[channel=app]" for i in range(20)}
    >>> visits |= {f"w{i}": "a@0d[channel=web] a@1d[channel=web] a@2d[channel=web]" for i in range(10)}
    >>> shop = Paths.from_text(visits, end="60d")
    >>> found = persona_traits(shop, fit_personas(shop, features=["channel"], k=2))
    >>> found.filter(persona="app", feature="app")["mean", "mean_others"].row(0)
    (1.0, 0.0)
    """
    return run(paths, PersonaTraits.of(paths, fit))


@dataclass(frozen=True, eq=False)
class PersonaProfile:
    """Counts the customers of each persona by the values of columns: a partial has one row per persona and value."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        persona=pl.String,
        column=pl.String,
        value=pl.String,
        customers=pl.Int64,
        known=pl.Int64,
        share=pl.Float64,
        share_others=pl.Float64,
        difference=pl.Float64,
        difference_low=pl.Float64,
        difference_high=pl.Float64,
        p_value=pl.Float64,
        p_corrected=pl.Float64,
    )
    CELLS: ClassVar[Cells | None] = None
    BOUND: ClassVar[int] = 1 << 18
    """A row per persona and value of the columns."""

    bound: BoundPersonas
    by: tuple[str, ...]

    @classmethod
    def of(cls, paths: Paths, portfolio: Portfolio, by: str | Sequence[str]) -> Self:
        """The measure of the arguments of its public function."""
        columns = (by,) if isinstance(by, str) else tuple(dict.fromkeys(by))
        stored = paths.stored
        stored.require(*columns)
        if wrong := [name for name in columns if name not in stored.dictionaries]:
            expected = f"one of {', '.join(name for name in stored.dictionaries)}"
            raise DefinitionError("A profile is of a column of text.", expected=expected, found=wrong[0])
        return cls(BoundPersonas.of(paths, portfolio), columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        return self.by

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        return {" persona": pl.Int64(), "column": pl.String(), "value": pl.String(), "customers": pl.Int64()}

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The customers of one part; a customer's value is the last that is known in the observation."""
        customers = self.bound.observed.customers(part)
        persona = self.bound.of_customers(part)
        bounds, times = customers.part.bounds(), customers.part.times()
        person = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
        rows = np.flatnonzero(times <= customers.last[person])
        tables = [pl.DataFrame(schema=self.schema)]
        for column in self.by:
            values = as_text(decoded(customers.part, [column], words))[column].gather(rows)
            last = (
                pl.DataFrame([pl.Series("person", person[rows]), values.alias("value")])
                .drop_nulls()
                .group_by("person", maintain_order=True)
                .last()
            )
            own = pl.DataFrame({" persona": persona[last["person"]], "value": last["value"]}).filter(
                pl.col(" persona") >= 0
            )
            counts = own.group_by(" persona", "value").agg(pl.len().cast(pl.Int64).alias("customers"))
            tables.append(counts.select(" persona", pl.lit(column).alias("column"), "value", "customers"))
        return pl.concat(tables, how="vertical_relaxed").cast(pl.Schema(self.schema))

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the rows of parts."""
        return add_up(partials, [" persona", "column", "value"], self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `persona_profile`."""
        total = merged.group_by("column", "value").agg(pl.col("customers").sum())
        known = merged.group_by(" persona", "column").agg(pl.col("customers").sum().alias("known"))
        all_known = total.group_by("column").agg(pl.col("customers").sum().alias("known"))
        places = pl.DataFrame({" persona": range(len(self.bound.names))}, schema={" persona": pl.Int64})
        cells = (
            places.join(total.select("column", "value", pl.col("customers").alias("all")), how="cross")
            .join(merged, on=[" persona", "column", "value"], how="left")
            .join(known, on=[" persona", "column"], how="left")
            .join(all_known.rename({"known": "all known"}), on="column", how="left")
            .with_columns(pl.col("customers", "known").fill_null(0))
        )
        k, n, all_k, all_n = (cells[name].to_numpy() for name in ("customers", "known", "all", "all known"))
        gap, test = newcombe(k, n, all_k - k, all_n - n), two_proportions_z(k, n, all_k - k, all_n - n)
        share, others = (
            pl.col("customers") / pl.col("known"),
            (pl.col("all") - pl.col("customers")) / (pl.col("all known") - pl.col("known")),
        )
        rows = cells.with_columns(
            share.alias("share"),
            others.alias("share_others"),
            (share - others).alias("difference"),
            pl.Series("difference_low", gap.low),
            pl.Series("difference_high", gap.high),
            pl.Series("p_value", test.p_value),
        ).with_columns(pl.selectors.float().fill_nan(None))
        p = rows["p_value"].fill_null(np.nan).to_numpy()
        rows = rows.with_columns(pl.Series("p_corrected", benjamini_hochberg(p), dtype=pl.Float64).fill_nan(None))
        whole = total.join(all_known, on="column").select(
            pl.lit(-1).cast(pl.Int64).alias(" persona"),
            "column",
            "value",
            "customers",
            "known",
            (pl.col("customers") / pl.col("known")).alias("share"),
        )
        order = pl.Series("column", self.by, dtype=pl.String)
        table = pl.concat([whole, rows], how="diagonal").with_columns(
            pl.col("column")
            .replace_strict(order.to_list(), list(range(len(order))), return_dtype=pl.Int64)
            .alias(" order"),
            (pl.col(" persona") < 0).alias(IS_TOTAL),
            pl.col(" persona")
            .replace_strict({-1: None, **dict(enumerate(self.bound.names))}, return_dtype=pl.String)
            .alias(PERSONA),
        )
        table = table.sort(" persona", " order", "customers", "value", descending=[False, False, True, False])
        missing = [pl.lit(None, dtype).alias(name) for name, dtype in self.SCHEMA.items() if name not in table.columns]
        return table.with_columns(missing).select(*self.SCHEMA)

    def exactly(self, merged: pl.DataFrame) -> Self:  # noqa: ARG002
        """The same: nothing is a quantile."""
        return self


@measured_by(PersonaProfile)
def persona_profile(paths: Paths, portfolio: Portfolio, by: str | Sequence[str]) -> pl.DataFrame:
    """Who the customers of each persona are, by columns of text that are no features: age, region, loyalty.

    A customer's value is the last that is known in the observation; who has none is not `known`. One row per persona,
    column and value that anybody has; those over all personas first (`is_total`), then persona by persona, columns in
    order, the most frequent values first. Columns: `is_total` Boolean; `persona`, `column`, `value` String;
    `customers`, `known` Int64 (of the persona, with a value in the column); `share` Float64 (customers / known);
    `share_others` Float64 (of all other personas); their `difference` with Newcombe's interval `difference_low`,
    `difference_high`; `p_value` of the test that both are equal (two proportions), `p_corrected` over all rows
    (Benjamini and Hochberg). Null where nobody is known on one side, and in rows over all. No touches give no rows.
    Raises `DefinitionError` for a column that is not there or not text, and as `with_personas` does.

    >>> from analytics import PersonaRule, PersonaRules, TouchShare
    >>> rules = PersonaRules([PersonaRule("App", TouchShare("channel", "app", at_least=0.5)), PersonaRule("Others")])
    >>> visits = {"ann": "a@0d[channel=app,age=20s] a@1d[channel=app] a@2d[channel=app]",
    ...           "bo": "a@0d[channel=web,age=60s] a@1d[channel=web] a@2d[channel=web]"}
    >>> found = persona_profile(Paths.from_text(visits, end="60d"), rules, "age")
    >>> found.filter(persona="App")["value", "customers", "difference"].rows()
    [('20s', 1, 1.0), ('60s', 0, -1.0)]
    """
    return run(paths, PersonaProfile.of(paths, portfolio, by))
