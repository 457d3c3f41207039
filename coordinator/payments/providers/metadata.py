"""Reads our own words in the provider's metadata: whose payment it is, and for which order.

The provider keeps them for us as free text that anybody with access to its dashboard can edit, so
each is checked before it gets near a key, a query or a log line.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from coordinator import InvalidIdentifier, check_identifier
from coordinator.payments.providers.base import UnusableMetadata

OWNER_MAX_LENGTH = 64
ORDER_MAX_LENGTH = 255
_OWNER = re.compile(r"[A-Za-z0-9@.+-]+(?:_[A-Za-z0-9@.+-]+)*")


@dataclass(frozen=True, slots=True)
class Ours:
    """What the metadata of one of our payments says; `owner` is empty where it names no user."""

    number: str
    owner: str
    order_reference: str


def read(metadata: Mapping[str, str] | None) -> Ours | None:
    """Return what is ours in `metadata`, None if this payment isn't ours.

    Raise UnusableMetadata if it claims to be, under a number that can't be one. An owner that can't
    be an LMS user id is no owner: then only staff may read the payment.
    """
    if not metadata:
        return None
    number = metadata.get(settings.COORDINATOR_METADATA_NUMBER, "")
    if not number:
        return None
    try:
        check_identifier(number)
    except InvalidIdentifier:
        raise UnusableMetadata from None
    owner = metadata.get(settings.COORDINATOR_METADATA_OWNER, "")
    order = metadata.get(settings.COORDINATOR_METADATA_ORDER, "")
    return Ours(number=number, owner=check_owner(owner), order_reference=check_order(order))


def check_owner(text: str) -> str:
    """Return `text` if it can be an LMS user id, else the empty string: no owner."""
    return text if len(text) <= OWNER_MAX_LENGTH and _OWNER.fullmatch(text) else ""


def check_order(text: str) -> str:
    """Return the printable part of `text`, as long as the column is.

    PostgreSQL takes no NUL, and control characters have no place on a screen.
    """
    return "".join(filter(str.isprintable, text))[:ORDER_MAX_LENGTH]
