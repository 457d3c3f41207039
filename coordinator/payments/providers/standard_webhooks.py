"""Signatures as https://www.standardwebhooks.com says, for providers without their own library.

Headers ``webhook-id``, ``webhook-timestamp`` (seconds since the epoch) and ``webhook-signature``
(one or several ``v1,<base64>``, separated by blanks); a secret is ``whsec_`` and its base64.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence

from coordinator.payments.providers.base import BadSignature

_PREFIX = "whsec_"


def sign(body: bytes, event_id: str, timestamp: int, secret: str) -> str:
    """Return the signature of `body`, as the header carries it."""
    signed = b"%s.%d.%s" % (event_id.encode(), timestamp, body)
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def verify(
    body: bytes, headers: Mapping[str, str], secrets: Sequence[str], tolerance_seconds: int
) -> str:
    """Return the event's id if one of `secrets` signed it within the tolerance.

    Raise BadSignature otherwise. Every secret and every signature is compared, in constant time,
    so that the time taken says nothing about which came close.
    """
    event_id = headers.get("webhook-id", "")
    sent = headers.get("webhook-timestamp", "")
    if not (sent.isascii() and sent.isdigit() and len(sent) <= 12 and event_id):
        raise BadSignature
    given = [signature.encode() for signature in headers.get("webhook-signature", "").split()]
    matching = [
        hmac.compare_digest(sign(body, event_id, int(sent), secret).encode(), signature)
        for secret in secrets
        for signature in given
    ]
    if not any(matching) or abs(time.time() - int(sent)) > tolerance_seconds:
        raise BadSignature
    return event_id


def _key(secret: str) -> bytes:
    """Return the secret's bytes; raise BadSignature for one that was mistyped."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise BadSignature from None
    if not key:
        raise BadSignature
    return key
