"""Masks refused messages for display: letters become x, digits become 9, everything else stays.

In JSON, field names stay if they look like names; every value is masked.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

_NAME: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$.-]{0,40}")
_LETTER: Final = re.compile(r"[^\W\d_]")
_DIGIT: Final = re.compile(r"\d")


def masked(raw: bytes | None, longest: int = 240) -> str:
    """Mask a message, cut to `longest` characters.

    >>> masked(b'{"customer_id": "ann-17", "score": 9, "vip": true}')
    '{"customer_id":"xxx-99","score":9,"vip":true}'
    >>> masked(b"\\xffAnn")
    '\ufffdxxx'
    """
    if raw is None:
        return ""
    try:
        text = orjson.dumps(_masked(orjson.loads(raw)), option=orjson.OPT_PASSTHROUGH_SUBCLASS).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, RecursionError):
        text = _masked_text(raw[: 4 * longest].decode("utf-8", "replace"))
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name if _NAME.fullmatch(name) else _masked_text(name): _masked(held) for name, held in value.items()}
    if isinstance(value, list):
        return [_masked(held) for held in value]
    if isinstance(value, str):
        return _masked_text(value)
    if isinstance(value, bool) or value is None:
        return value
    return 9 if isinstance(value, int) else 9.9


def _masked_text(text: str) -> str:
    return _DIGIT.sub("9", _LETTER.sub("x", text))
