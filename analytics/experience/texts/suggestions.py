"""Groups of words in the texts that have no theme yet: a suggestion for the codebook. A person names a theme.

Texts are weighed by TF-IDF and parted by non-negative matrix factorization (scikit-learn), apart for low scores, other
scores and no score. Words in more than nine of ten texts, and in fewer than three, drop out.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import polars as pl

from analytics.experience.texts.codebook import Theme, theme_bits
from analytics.experience.texts.landed_texts import Texts, texts_of
from analytics.experience.voice import SCORE, SURVEY
from analytics.statistics.satisfaction import LOW_SCORES
from analytics.store.encoding import Dictionaries, as_text
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

MIN_TEXTS: Final = 10
"""Fewer texts suggest nothing."""
MIN_WITH_WORD: Final = 3
MAX_SHARE: Final = 0.9
FAINT: Final = 0.1
"""A word that weighs less than this share of the heaviest of a group is none of its words."""
WORDS: Final = 5
SCORES: Final = ("low", "not low", "no score")
SUGGESTED: Final = pl.Schema(
    {
        **{"scores": pl.String(), "group": pl.Int64(), "words": pl.List(pl.String)},
        **{"responses": pl.Int64(), "texts": pl.Int64()},
    }
)


def suggest_themes(
    paths: Paths, codebook: Sequence[Theme] = (), texts: Texts | None = None, *, groups: int = 12
) -> pl.DataFrame:
    """Which words stand together in the texts without a theme: at most so many groups per class of scores.

    One row per group: `scores` String (`low`: NPS up to 6, CSAT up to 2, CES up to 3; `not low`; `no score`), `group`
    Int64 from 1, `words` List (up to five, each in three texts of the class or more), `responses` Int64 (texts that are
    nearest to the group), `texts` Int64 (without a theme, in the class). Groups with most texts come first; equal data
    give equal groups. A class with fewer than ten texts has none. Raises `DefinitionError` for fewer than 1 group.

    >>> said = ["the lift is broken", "no parking place"]
    >>> told = {f"c{n}": f"tell@{n}m[feedback_text={said[n % 2]}]" for n in range(30)}
    >>> suggest_themes(Paths.from_text(told), groups=2)["responses"].to_list()
    [15, 15]
    """
    if groups < 1:
        raise DefinitionError("A suggestion has groups.", expected="at least 1", found=str(groups))
    given = texts_of(paths) if texts is None else texts
    without = given.rows.filter(pl.Series(theme_bits(given.rows["text"], codebook) == 0))
    score = [name for name in (SURVEY, SCORE) if name in paths.schema]
    parts = paths.each(partial(_scored_in, given.key, score, without))
    rows = pl.concat(parts) if parts else pl.DataFrame(schema={"text": pl.String, "scores": pl.String})
    tables = [_groups_of(rows.filter(scores=name)["text"], name, groups) for name in SCORES]
    return pl.concat([pl.DataFrame(schema=SUGGESTED), *tables])


def _scored_in(key: str, score: Sequence[str], found: pl.DataFrame, part: Part, words: Dictionaries) -> pl.DataFrame:
    """The texts of a part, each with the class of its score."""
    touches = as_text(decoded(part, [key, *score], words)).join(found, on=key, maintain_order="left")
    if len(score) < 2:
        return touches.select("text", scores=pl.lit(SCORES[2]))
    low = pl.any_horizontal((pl.col(SURVEY) == name) & (pl.col(SCORE) <= top) for name, top in LOW_SCORES.items())
    has_score = pl.col(SURVEY).is_in(list(LOW_SCORES)) & pl.col(SCORE).is_not_null()
    scores = pl.when(has_score.fill_null(False)).then(pl.when(low).then(pl.lit(SCORES[0])).otherwise(pl.lit(SCORES[1])))
    return touches.select("text", scores=scores.otherwise(pl.lit(SCORES[2])))


def _groups_of(texts: pl.Series, scores: str, groups: int) -> pl.DataFrame:
    """The groups of words of one class of scores."""
    if len(texts) < MIN_TEXTS:
        return pl.DataFrame(schema=SUGGESTED)
    from sklearn.decomposition import non_negative_factorization
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer

    ordered = texts.sort()
    weigh = TfidfVectorizer(
        lowercase=True,
        strip_accents=None,
        min_df=MIN_WITH_WORD,
        max_df=MAX_SHARE,
        token_pattern=r"(?u)\b[^\W\d_]{3,}\b",
    )
    try:
        weights = weigh.fit_transform(ordered.to_list())
    except ValueError:  # every word is in fewer than three texts, or in nearly all
        return pl.DataFrame(schema=SUGGESTED)
    names = weigh.get_feature_names_out()
    size = min(groups, len(names), weights.shape[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # groups that are nearly found suggest words as well
        nearness, components, _ = non_negative_factorization(
            weights, n_components=size, init="nndsvda", max_iter=400, tol=1e-3, random_state=0
        )
    nearest = nearness.argmax(axis=1)
    held = nearness.max(axis=1) > 0
    rows: list[dict[str, Any]] = []
    for place in range(size):
        order = sorted(range(len(names)), key=lambda at: (-components[place][at], names[at]))[:WORDS]
        words = [str(names[at]) for at in order if components[place][at] > FAINT * components[place].max()]
        count = int(((nearest == place) & held).sum())
        if words and count:
            rows.append({"scores": scores, "words": words, "responses": count, "texts": len(texts)})
    rows.sort(key=lambda row: (-row["responses"], row["words"]))
    return pl.DataFrame([{"group": number, **row} for number, row in enumerate(rows, 1)], schema=SUGGESTED)
