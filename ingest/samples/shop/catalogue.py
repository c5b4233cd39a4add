"""The catalogue of the simulated shop: pages, products, campaigns and busy hours."""

from __future__ import annotations

from typing import Final

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
"""Times in the simulation are milliseconds since 1970 UTC, durations are milliseconds."""

SITE: Final = "https://shop.example"
CURRENCY: Final = "EUR"
SLOW_PAGE: Final = "garden"
CATEGORIES: Final = ("kitchen", "living", "bedroom", "bath", "office", "kids", "lighting", SLOW_PAGE)

PRODUCTS: Final = tuple(
    (f"SKU-{n:04d}", CATEGORIES[n % len(CATEGORIES)], 599 + 100 * ((n * 37) % 190)) for n in range(240)
)
"""(sku, category, price in cents)."""

ADS: Final = (
    ("spring-sale", "google", "cpc"),
    ("brand", "google", "cpc"),
    ("new-arrivals", "instagram", "paid_social"),
    ("retargeting", "facebook", "paid_social"),
    ("how-to-videos", "youtube", "video"),
)
"""(campaign, source, medium)."""

NEWSLETTERS: Final = ("newsletter-a", "newsletter-b", "newsletter-c", "welcome", "win-back")
PARTNERS: Final = ("homeblog", "pricefinder", "cashback-club")


def _clock(weights: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(hour for hour, weight in enumerate(weights) for _ in range(weight))


SCREEN_HOURS: Final = _clock((2, 1, 1, 1, 1, 2, 4, 6, 6, 6, 7, 7, 8, 7, 6, 6, 7, 8, 10, 12, 13, 12, 8, 4))
OPENING_HOURS: Final = _clock((0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 8, 9, 8, 7, 7, 8, 9, 10, 8, 4, 0, 0, 0, 0))
"""Hours of the day, each repeated in proportion to how busy it is, so that a uniform draw gives busy hours."""
