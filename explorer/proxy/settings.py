"""`[explore]`: the proxy that `journeys explore --behind-proxy` is asked through."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network
from typing import Final
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from expectations.config.file import Section
from expectations.errors import ConfigurationError

_TAKEN: Final = ("host", "origin", "cookie", "authorization", "content-type", "content-length", "connection")


class ExploreSettings(Section):
    """`[explore]`: who stands before the explorer where others than this machine's own users ask it.

    Only `journeys explore --behind-proxy` reads it, and needs all three keys.
    """

    address: str = Field(
        "", description="address of the explorer in the readers' browsers, https://name, without a path"
    )
    user_header: str = Field(
        "", description="header in which the proxy says who asks; it replaces what a browser sends"
    )
    proxies: tuple[str, ...] = Field((), description="addresses or networks of the proxy, such as 10.0.0.7")

    @field_validator("address")
    @classmethod
    def _is_an_origin(cls, address: str) -> str:
        parts = urlsplit(address)
        if address and (parts.scheme not in ("http", "https") or address != f"{parts.scheme}://{parts.netloc}".lower()):
            raise ValueError("an address is https:// and a name in small letters, without a path")
        if "@" in parts.netloc or (address and not parts.hostname):
            raise ValueError("an address has a name, and no login")
        return address

    @field_validator("user_header")
    @classmethod
    def _is_a_header(cls, name: str) -> str:
        if name and (not name.replace("-", "").isalnum() or not name.isascii()):
            raise ValueError("a header has letters, digits and hyphens")
        if name.lower() in _TAKEN:
            raise ValueError("a header of its own, such as X-Forwarded-User")
        return name

    @field_validator("proxies")
    @classmethod
    def _are_networks(cls, proxies: Sequence[str]) -> Sequence[str]:
        for each in proxies:
            if ip_network(each).prefixlen == 0:
                raise ValueError(f"{each} is everybody; name the proxy")
        return proxies

    @property
    def host(self) -> str:
        """The name by which browsers ask."""
        return urlsplit(self.address).hostname or ""

    def named(self, where: str) -> ExploreSettings:
        """These settings. Raises `ConfigurationError` where a key is missing."""
        if missing := [key for key in ("address", "user_header", "proxies") if not getattr(self, key)]:
            raise ConfigurationError(
                "The proxy before the explorer is not named.",
                where=where,
                expected="[explore] with address, user_header and proxies",
                found=f"no {', '.join(missing)}",
                do='write [explore], then address = "https://explore.example.com", user_header = "X-Forwarded-User" '
                'and proxies = ["10.0.0.7"]',
            )
        return self
