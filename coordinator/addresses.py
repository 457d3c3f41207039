"""Writes the address of a Redis so that all who read it understand the same.

A Redis is reached by kombu (publishing, consuming), by redis-py (health) and by limits (the
budget). They disagree about TLS where an address says nothing of it, and about spellings; so an
address is written in what all three understand, once, when it is read from the environment.
"""

from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

#: What ``ssl_cert_reqs`` may say: whether the server's certificate is verified.
VERIFICATIONS: Final = ("required", "optional", "none")

# Names of Python's ssl module, which Celery's documentation uses.
_CELERYS: Final = {f"CERT_{name.upper()}": name for name in VERIFICATIONS}
# As redis-py reads a truth value; kombu knows the last of them alone.
_FALSE: Final = frozenset({"0", "F", "N", "NO", "FALSE"})


def address(url: str) -> str:
    """Return `url`, one address or several separated by ";", with TLS said so that all know it.

    ``rediss://`` verifies the server's certificate and name unless it says otherwise. Celery's
    ``CERT_REQUIRED`` becomes redis-py's ``required``, and so on; what is neither stays as it is,
    for a system check to refuse.
    """
    return ";".join(_address(one) for one in url.split(";"))


def verification(url: str) -> str | None:
    """Return what `url` says of verifying certificates, None if it says nothing of it."""
    return _options(url).get("ssl_cert_reqs")


def _address(url: str) -> str:
    options = _options(url)
    wanted = dict(options)
    if url.startswith("rediss://"):
        wanted.setdefault("ssl_cert_reqs", "required")
    if (verified := wanted.get("ssl_cert_reqs")) is not None:
        wanted["ssl_cert_reqs"] = _CELERYS.get(verified.upper(), verified)
        if verified.lower() in VERIFICATIONS:
            wanted["ssl_cert_reqs"] = verified.lower()
    if (name := wanted.get("ssl_check_hostname")) is not None:
        wanted["ssl_check_hostname"] = "false" if name.upper() in _FALSE else "true"
    if wanted == options:
        return url
    before, _, _ = url.partition("?")
    return f"{before}?{urlencode(wanted, safe='/')}"


def _options(url: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    except ValueError:
        return {}
