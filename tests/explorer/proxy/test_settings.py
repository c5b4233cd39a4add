"""`[explore]` names one address, one header, and a proxy that is not everybody."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

import journeys.commands  # noqa: F401 - registers the commands
from expectations.errors import ConfigurationError
from explorer.proxy.settings import ExploreSettings
from explorer.server import listener
from tests.explorer.asking import commanded


@pytest.mark.parametrize(
    "given",
    [
        {"address": "explore.example.com"},
        {"address": "ftp://explore.example.com"},
        {"address": "https://explore.example.com/"},
        {"address": "https://explore.example.com/path"},
        {"address": "https://me:secret@explore.example.com"},
        {"address": "https://"},
        {"address": "https://Explore.example.com"},
        {"user_header": "X User"},
        {"user_header": "Host"},
        {"user_header": "X-Forwarded-User:"},
        {"proxies": ["0.0.0.0/0"]},
        {"proxies": ["::/0"]},
        {"proxies": ["proxy.example.com"]},
        {"proxies": ["10.0.0.7/8"]},
    ],
)
def test_what_lets_in_everybody_or_nobody_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ExploreSettings.model_validate(given)


def test_a_proxy_that_is_not_named_is_said(config: Path) -> None:
    with pytest.raises(ConfigurationError, match="not named") as refused:
        commanded(f"journeys explore --behind-proxy --config={config}")
    assert refused.value.found == "no address, user_header, proxies"


def test_other_hosts_need_a_proxy() -> None:
    with pytest.raises(ConfigurationError, match="this machine only") as refused:
        listener("0.0.0.0", 0)
    assert "--behind-proxy" in (refused.value.do or "")
    with listener("0.0.0.0", 0, behind_proxy=True) as listening:
        assert listening.getsockname()[0] == "0.0.0.0"
