"""Which themes do customers write of, how often, and are those less satisfied who do?

A **text** is a touch with free text. It has every theme of the codebook that fits, or none. Like a response, it belongs
to the customer's last touch before it within the lookback that is neither a response nor a text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl

from analytics.engine.analysis import IS_TOTAL, answer, measured_by
from analytics.engine.partials import add_up, counted_by_customer
from analytics.engine.run import run
from analytics.experience.texts.codebook import Theme, theme_bits
from analytics.experience.texts.landed_texts import Texts, texts_of
from analytics.experience.touch_measure import TouchMeasure
from analytics.experience.voice import SCORE, SURVEY, attributed, is_response
from analytics.paths.view import By, View
from analytics.statistics.corrections import benjamini_hochberg
from analytics.statistics.intervals import newcombe
from analytics.statistics.satisfaction import LOW_SCORES
from analytics.statistics.shares import customer_columns, customers_of, effective, share_columns, square_columns
from analytics.statistics.tests import two_proportions_z
from analytics.store.columns import AT, CUSTOMER
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.config.durations import duration

THEME: Final = "theme"
_BITS: Final = " bits"
_OF_TEXTS: Final = ("responses", "texts")
_LOW: Final = ("low", "scored")
_LOW_OTHERS: Final = ("low_others", "scored_others")


@dataclass(frozen=True, eq=False)
class Themes(TouchMeasure):
    """Counts texts by group and theme, with low scores among them and among the others.

    `found` has what touches have in column `key`, and the bits of the themes that the text has.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(
        theme=pl.String,
        texts=pl.Int64,
        responses=pl.Int64,
        customers=pl.Int64,
        customers_without=pl.Int64,
        share_of_texts=pl.Float64,
        share_of_texts_low=pl.Float64,
        share_of_texts_high=pl.Float64,
        scored=pl.Int64,
        low=pl.Int64,
        customers_low=pl.Int64,
        customers_not_low=pl.Int64,
        low_rate=pl.Float64,
        low_rate_low=pl.Float64,
        low_rate_high=pl.Float64,
        low_rate_others=pl.Float64,
        difference=pl.Float64,
        difference_low=pl.Float64,
        difference_high=pl.Float64,
        p_value=pl.Float64,
        p_corrected=pl.Float64,
    )
    OWN: ClassVar[Mapping[str, Any]] = {SURVEY: pl.String, SCORE: pl.Float64}
    SHARES: ClassVar[tuple[tuple[str, str], ...]] = (_OF_TEXTS, _LOW, _LOW_OTHERS)
    ANSWERED: ClassVar[tuple[str, ...]] = ("texts", "responses", "without", "scored", "low", "not_low", *_LOW_OTHERS)
    BEHIND: ClassVar[Mapping[str, str]] = {
        "customers": "responses",
        "customers_without": "without",
        "customers_low": "low",
        "customers_not_low": "not_low",
    }
    COUNTS: ClassVar[tuple[str, ...]] = tuple(
        dict.fromkeys(
            [
                *ANSWERED,
                *(name for share in SHARES for name in square_columns(*share)),
                *map(customers_of, BEHIND.values()),
            ]
        )
    )

    lookback: timedelta
    names: tuple[str, ...]
    key: str
    found: pl.DataFrame

    @classmethod
    def of(
        cls,
        paths: Paths,
        codebook: Sequence[Theme],
        texts: Texts | None = None,
        *,
        by: By = (),
        lookback: str | timedelta = "7d",
        **options: Any,
    ) -> Self:
        """The measure of the arguments of `themes`."""
        view = View("customer", by=by, **options).checked(paths, [*cls.SCHEMA, CUSTOMER, AT, SURVEY, SCORE])
        given = texts_of(paths) if texts is None else texts
        bits = pl.Series(_BITS, theme_bits(given.rows["text"], codebook), pl.UInt64)
        found = given.rows.select(given.key).with_columns(bits)
        return cls(view, duration(lookback), tuple(theme.name for theme in codebook), given.key, found)

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        return tuple(dict.fromkeys([*super().columns, self.key]))

    @property
    def own(self) -> Mapping[str, Any]:
        """The columns of touches that are read, with the key of texts."""
        return {**self.OWN, self.key: self.found.schema[self.key]}

    @property
    def keys(self) -> list[str]:
        """The columns that name a count."""
        return [*self.view.keys, THEME]

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        return {**self.view.key_schema, THEME: pl.String, **dict.fromkeys(self.COUNTS, pl.Int64)}

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The counts of a part."""
        rows = self.rows(part, words).join(self.found, on=self.key, how="left", maintain_order="left")
        has_text = pl.col(_BITS).is_not_null()
        scored = is_response()
        low = pl.any_horizontal((pl.col(SURVEY) == name) & (pl.col(SCORE) <= top) for name, top in LOW_SCORES.items())
        texts = rows.filter(has_text).select(
            CUSTOMER, AT, _BITS, scored.alias("is scored"), (scored & low.fill_null(False)).alias("is low")
        )
        if self.view.groups:
            texts = attributed(texts, rows.filter(~has_text, ~scored), self.view.groups, self.lookback)
        texts = self.keyed(texts.filter(self.is_in_range()))
        counts = counted_by_customer(
            pl.concat([texts.select(*self.view.keys, **self._counted(place)) for place in range(len(self.names) + 1)]),
            self.keys,
            self.ANSWERED,
            shares=self.SHARES,
            people_of=list(self.BEHIND.values()),
        )
        return counts.select(*self.schema)

    def _counted(self, place: int) -> dict[str, pl.Expr]:
        """What a text adds to each count of a theme; after the last theme, to those of no theme."""
        bits, is_last = pl.col(_BITS), place == len(self.names)
        has = bits == 0 if is_last else (bits & pl.lit(1 << place, pl.UInt64)) > 0
        counts = {
            "texts": pl.lit(True),
            "responses": has,
            "without": ~has,
            "scored": has & pl.col("is scored"),
            "low": has & pl.col("is low"),
            "not_low": has & pl.col("is scored") & ~pl.col("is low"),
            "scored_others": ~has & pl.col("is scored"),
            "low_others": ~has & pl.col("is low"),
        }
        name = pl.lit(None if is_last else self.names[place], pl.String)
        return {
            THEME: name,
            " person": pl.col(CUSTOMER),
            **{key: count.cast(pl.Int64) for key, count in counts.items()},
        }

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts; every theme has a row of the total, whether there are texts or not."""
        rows = len(self.names) + 1
        empty = pl.DataFrame(
            {
                name: [True] * rows
                if name == IS_TOTAL
                else [*self.names, None]
                if name == THEME
                else [0 if name in self.COUNTS else None] * rows
                for name in self.schema
            },
            schema=self.schema,
        )
        return add_up([empty, *partials], self.keys, self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `themes`."""
        own, others = effective(merged, *_LOW), effective(merged, *_LOW_OTHERS)
        ends, test = newcombe(*own, *others), two_proportions_z(*own, *others)
        is_theme = merged[THEME].is_not_null()
        table = merged.with_columns(
            *share_columns(merged, "share_of_texts", *_OF_TEXTS),
            *share_columns(merged, "low_rate", *_LOW),
            share_columns(merged, "low_rate_others", *_LOW_OTHERS)[0],
            pl.Series("difference_low", ends.low),
            pl.Series("difference_high", ends.high),
            pl.Series("p_value", np.where(is_theme.to_numpy(), test.p_value, np.nan)),
            *customer_columns(self.BEHIND),
        ).with_columns(
            pl.col("difference_low", "difference_high", "p_value").fill_nan(None),
            difference=pl.col("low_rate") - pl.col("low_rate_others"),
        )
        corrected = pl.col("p_value").map_batches(_corrected, return_dtype=pl.Float64).over(IS_TOTAL)
        order = {name: place for place, name in enumerate(self.names)}
        place = pl.col(THEME).replace_strict(order, default=len(order), return_dtype=pl.Int64)
        return (
            table.with_columns(corrected.alias("p_corrected"), place.alias(" place"))
            .sort(pl.col(IS_TOTAL).not_(), *self.view.groups, " place", nulls_last=False)
            .select(*self.view.groups, *self.SCHEMA)
        )


def _corrected(p_values: pl.Series) -> pl.Series:
    """The corrected p-values of those that are known."""
    known = p_values.is_not_null()
    found = np.full(len(p_values), np.nan)
    found[known.to_numpy()] = benjamini_hochberg(p_values.drop_nulls().to_numpy())
    return pl.Series(found).fill_nan(None)


@measured_by(Themes)
def themes(
    paths: Paths,
    codebook: Sequence[Theme],
    texts: Texts | None = None,
    *,
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    lookback: str | timedelta = "7d",
) -> pl.DataFrame:
    """How often customers write of each theme of a codebook, and how many of them give low scores.

    `texts` are those of a lake (`landed_texts`); without them those of the text column `feedback_text`. Columns: those
    of `by`, of the touch that a text belongs to; `is_total` Boolean (the rows over all groups come first); `theme`
    String in the order of the codebook (null, the last: texts without a theme); Int64: `texts` (all in the group),
    `responses` (those with the theme), `customers` (distinct, who wrote of it), `customers_without` (who wrote a text
    that has it not); `share_of_texts` Float64 with its Wilson interval `share_of_texts_low`, `share_of_texts_high`,
    judged by customers. Then of those with a score: `scored`, `low` (NPS up to 6, CSAT up to 2, CES up to 3),
    `customers_low`, `customers_not_low`; `low_rate` with its interval; `low_rate_others`, that of all other texts; the
    `difference` with Newcombe's interval `difference_low`, `difference_high`; `p_value` (two proportions), and
    `p_corrected` (Benjamini and Hochberg, over the themes of the total, and over those of all groups). Texts without
    a theme are not tested. A text may have several themes: shares do not add up. Shares are null without a text, rates
    without a score. No touches give the rows of the total, of zeros.

    Touches that do not meet `where` are ignored. Only texts from `start` (inclusive) to `end` (exclusive) count. Raises
    `DefinitionError` for an unknown column, a lookback without a unit, paths without texts, two themes of one name.

    >>> book = [Theme(name="Payment", any=["pay*"])]
    >>> shop = Paths.from_text({"ann": "tell@1m[feedback_text=Paying failed]", "bo": "tell@1m[feedback_text=ok]"})
    >>> themes(shop, book)["theme", "texts", "responses", "share_of_texts"].rows()
    [('Payment', 2, 1, 0.5), (None, 2, 1, 0.5)]
    """
    asked = Themes.of(paths, codebook, texts, by=by, where=where, start=start, end=end, lookback=lookback)
    return run(paths, asked)
