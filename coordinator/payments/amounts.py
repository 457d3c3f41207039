"""Writes amounts of minor units as people read them."""

from typing import Final

# ISO 4217's minor units, where they are not hundredths.
_WITHOUT: Final = frozenset(
    {"bif", "clp", "djf", "gnf", "isk", "jpy", "kmf", "krw", "pyg", "rwf", "ugx", "vnd", "vuv"}
    | {"xaf", "xof", "xpf"}
)
_THOUSANDTHS: Final = frozenset({"bhd", "iqd", "jod", "kwd", "lyd", "omr", "tnd"})


def in_words(amount: int, currency: str) -> str:
    """Return `amount`, in minor units of `currency` (ISO 4217, any case), like 1,234.50 USD."""
    code = currency.lower()
    digits = 0 if code in _WITHOUT else 3 if code in _THOUSANDTHS else 2
    whole, part = divmod(abs(amount), 10**digits)
    sign = "-" if amount < 0 else ""
    fraction = f".{part:0{digits}}" if digits else ""
    return f"{sign}{whole:,}{fraction} {code.upper()}"
