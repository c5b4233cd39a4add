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
from functools import cache
from typing import Final

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_WRITTEN: Final = re.compile(r"[\s(]*\+?[0-9\s().\-/\u00a0\u2010-\u2015]{3,60}")


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
    is_address = at and name and host and not re.search(r"[\s\ud800-\udfff]", text)
    return _digest(text) if is_address else None


def phone_hash(number: str, country: str = "") -> str | None:
    """SHA-256 of a phone number as E.164 (`+4930123456`); None for what is no number.

    `country` is the calling code, such as `49`, of numbers that are written without one: they are read as they are
    dialled in its country (the United States for `1`, Russia for `7`). Without it they give None, as the same digits
    are other people's in other countries. An extension (`ext. 12`) or a letter gives None: who shares a switchboard is
    not one person.

    >>> phone_hash("+49 (0)30 / 123-456") == phone_hash("030 123456", country="49") == phone_hash("004930123456")
    True
    >>> phone_hash("06 6982 0000", country="39") == phone_hash("+39 06 6982 0000")
    True
    >>> phone_hash("030 123456")
    """
    text = unicodedata.normalize("NFKC", number).strip().lower()
    if _DIGEST.fullmatch(text):
        return text
    return _digest(e164) if _WRITTEN.fullmatch(text) and (e164 := _e164(text, country)) else None


def known_calling_code(code: str) -> str:
    """A calling code of `journeys.toml`, when it is a country's or empty. Raises ValueError."""
    if code and _region(code) is None:
        raise ValueError("expected the calling code of a country, such as 49")
    return code


def _e164(number: str, country: str) -> str | None:
    """The number as E.164 when it has a length that numbers of its country have."""
    import phonenumbers as known

    digits = re.sub(r"[^0-9+]", "", number)
    try:
        read = known.parse(f"+{digits[2:]}" if digits.startswith("00") else digits, _region(country))
    except known.NumberParseException:
        return None
    if known.is_possible_number_with_reason(read) != known.ValidationResult.IS_POSSIBLE:
        return None
    return known.format_number(read, known.PhoneNumberFormat.E164)


@cache
def _region(code: str) -> str | None:
    """The country that numbers of a calling code are read as; None for what is no country's code."""
    import phonenumbers as known

    digits = code.removeprefix("+")
    region = known.region_code_for_country_code(int(digits)) if digits.isdecimal() else None
    return region if region in known.SUPPORTED_REGIONS else None


HASHES: Final[dict[str, Callable[[str], str | None]]] = {"email": email_hash, "phone": phone_hash}
"""The hashes by the word under which a mapping of fields may ask for them."""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
