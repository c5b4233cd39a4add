"""The digest of a definition: numbers are compared only with those that were made by the same one."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest_of(meaning: Any) -> str:
    """Twelve hexadecimal digits that stand for a definition, given as a value of JSON.

    >>> digest_of(["a"]) == digest_of(["a"]), digest_of(["a"]) == digest_of(["b"])
    (True, False)
    """
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:12]
