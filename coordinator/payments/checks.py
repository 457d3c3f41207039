"""System checks: each wrong setting of this app, explained where ``manage.py`` is run.

Ids ``coordinator.payments.E001`` and following.
"""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from coordinator.payments import providers

_STRIPE = "coordinator.payments.providers.stripe.StripeProvider"


@checks.register(checks.Tags.security)
def check_provider(**_: Any) -> list[checks.CheckMessage]:
    """Return what is wrong with the provider's settings."""
    try:
        providers.current()
    except ImproperlyConfigured as error:
        return [_error("E001", str(error), "Name a class by its dotted path.")]
    return _check_stripe() if settings.COORDINATOR_PROVIDER == _STRIPE else []


def _check_stripe() -> list[checks.CheckMessage]:
    found = []
    key: str = settings.STRIPE_API_KEY
    if not key:
        found.append(_error("E002", "STRIPE_API_KEY is empty.", "Set it, or choose a provider."))
    live_key = key.startswith(("sk_live_", "rk_live_"))
    test_key = key.startswith(("sk_test_", "rk_test_"))
    if (live_key and not settings.STRIPE_LIVEMODE) or (test_key and settings.STRIPE_LIVEMODE):
        found.append(
            _error(
                "E003",
                "STRIPE_API_KEY and STRIPE_LIVEMODE are of different modes.",
                "A live key needs STRIPE_LIVEMODE=true, a test key false: events of the other "
                "mode are refused.",
            )
        )
    if not any(secret.strip() for secret in settings.STRIPE_WEBHOOK_SECRETS):
        found.append(
            _error(
                "E004",
                "STRIPE_WEBHOOK_SECRETS is empty, so every webhook would be refused.",
                "Take the signing secret (whsec_...) from the event destination's page, or from "
                "what `stripe listen` prints.",
            )
        )
    if not 0 < settings.STRIPE_WEBHOOK_TOLERANCE_SECONDS <= 3600:
        found.append(
            _error(
                "E005",
                "STRIPE_WEBHOOK_TOLERANCE_SECONDS is not between 1 and 3600.",
                "Without a tolerance a captured webhook could be replayed for ever.",
            )
        )
    return found


def _error(number: str, message: str, hint: str) -> checks.CheckMessage:
    return checks.Error(message, hint=hint, id=f"coordinator.payments.{number}")
