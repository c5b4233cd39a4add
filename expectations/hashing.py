"""How do two sources find that they mean one person, without either keeping an address? By a hash of its usual form.

An e-mail address or phone number is brought into one form, then hashed with SHA-256 and written in small hexadecimal
letters, as advertising platforms do it, so that lists of theirs match. What is hashed already stays as it is. A hash
is a pseudonym, not anonymous: who has the address can find the hash.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable
from typing import Final

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_PUNCTUATION: Final = re.compile(r"[\s().\-/\u00a0\u2010-\u2015]")
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_TRUNK: Final = re.compile(r"\(0\)")


def email_hash(address: str) -> str | None:
    """SHA-256 of an e-mail address without blanks around it and in small letters; None for what is no address.

    >>> email_hash(" Ann@Example.com ") == email_hash("ann@example.com")
    True
    >>> email_hash("ann at home")
    """
    text = unicodedata.normalize("NFC", address).strip().lower()
    if _DIGEST.fullmatch(text):
        return text
    name, at, host = text.rpartition("@")
    return _digest(text) if at and name and host and not re.search(r"\s", text) else None


def phone_hash(number: str, country: str = "") -> str | None:
    """SHA-256 of a phone number as E.164 (`+4930123456`); None for what is no number.

    `country` is the calling code, such as `49`, of numbers that are written without one; without it they give None,
    as the same digits are other people's in other countries.

    >>> phone_hash("+49 (0)30 / 123-456") == phone_hash("030 123456", country="49") == phone_hash("004930123456")
    True
    >>> phone_hash("030 123456")
    """
    text = unicodedata.normalize("NFKC", number).strip().lower()
    if _DIGEST.fullmatch(text):
        return text
    digits = _PUNCTUATION.sub("", _TRUNK.sub("", text) if text.startswith(("+", "00")) else text)
    if digits.startswith("00"):
        digits = f"+{digits[2:]}"
    elif not digits.startswith("+") and country:
        digits = f"+{country.lstrip('+0')}{digits.removeprefix('0')}"
    return _digest(digits) if _NUMBER.fullmatch(digits) else None


HASHES: Final[dict[str, Callable[[str], str | None]]] = {"email": email_hash, "phone": phone_hash}
"""The hashes by the word under which a mapping of fields may ask for them."""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
