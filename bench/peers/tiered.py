"""Plain TieredCache, and the pattern that Open edX's service was built on.

That one (from its description): the payment's states are asked for one after the other, PAID and
then PROCESSING, and what is found is validated by a Django REST framework serializer.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from django.core.cache import caches  # noqa: TID251  # what TieredCache sits on, as it comes
from edx_django_utils.cache import (  # noqa: TID251  # the peer itself
    RequestCache,
    TieredCache,
    get_cache_key,
    utils,
)
from rest_framework import serializers

from bench import things
from bench.rounds import Contestant

_SECONDS = 1800


class PaymentSerializer(serializers.Serializer[dict[str, Any]]):
    """What that service checked at each hit."""

    number = serializers.CharField()
    state = serializers.CharField()
    amount = serializers.IntegerField()
    currency = serializers.CharField()
    filler = serializers.CharField()


def contestants(names: Sequence[str], size: int) -> list[Contestant]:
    """Return one get of TieredCache, and the old pattern in its better and its worse case."""
    # It sits on the alias "default", which is our backend here; a stock project's is Django's own.
    utils.django_cache = caches["django"]
    for name in names:
        details = {
            "number": name,
            "state": things.STATE,
            "amount": 4200,
            "currency": "usd",
            "filler": "x" * (size - 90),
        }
        TieredCache.set_all_tiers(_key(name, "plain"), things.payload(name, size), _SECONDS)
        TieredCache.set_all_tiers(_key(f"{name}-a", "PAID"), details, _SECONDS)
        TieredCache.set_all_tiers(_key(f"{name}-b", "PROCESSING"), details, _SECONDS)
    plain = [_key(name, "plain") for name in names]

    def tiered(times: int) -> None:
        for key in islice(plain, times):
            TieredCache.get_cached_response(key)

    def paid(times: int) -> None:
        for name in islice(names, times):
            old_pattern(f"{name}-a")

    def processing(times: int) -> None:
        for name in islice(names, times):
            old_pattern(f"{name}-b")

    forget = RequestCache.clear_all_namespaces
    return [
        Contestant("TieredCache, one key", tiered, before=forget),
        Contestant("the old Open edX pattern, paid", paid, before=forget),
        Contestant("the old Open edX pattern, processing", processing, before=forget),
    ]


def old_pattern(name: str) -> dict[str, Any]:
    """Return the payment's validated details."""
    for state in ("PAID", "PROCESSING"):
        response = TieredCache.get_cached_response(_key(name, state))
        if response.is_found:
            serializer = PaymentSerializer(data=response.value)
            serializer.is_valid(raise_exception=True)
            validated: dict[str, Any] = serializer.validated_data
            return validated
    raise LookupError(name)


def _key(name: str, state: str) -> str:
    return str(get_cache_key(cache_name="payment", identifier=name, version=state))
