"""`manage.py smoke`: send a payment through the running system, and look at how it is read."""

import json
import secrets
import time
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import stripe
import urllib3
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from coordinator.ledger.models import Change, ChangeOutcome
from coordinator.payments.models import Payment
from tools.report.answers import How, ReadAnswer, read_answer
from tools.shoppers.people import Person
from tools.shoppers.tokens import token_credential
from tools.simulator.clients import DEFAULT_SHOPPER_KEY

T = TypeVar("T")

_OWNER, _STRANGER = 42, 43
_LOOK_AGAIN_SECONDS = 0.02
_CALL_SECONDS = 15.0


class _Read(NamedTuple):
    """An answer of the API, and what it took."""

    answer: ReadAnswer
    cache_status: str
    milliseconds: float


class Command(BaseCommand):
    """Makes a payment at the simulated provider, waits until it is warm, and reads it."""

    help = (
        "Send a payment through the running system: made at the simulated provider, recorded by "
        "its webhook, warmed by a worker, read by its owner. Ends with 1 if any of that fails."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--api", default="http://127.0.0.1:8000", help="the web server")
        parser.add_argument("--simulator", default="http://127.0.0.1:12111", help="the provider")
        parser.add_argument("--shopper-key", default=DEFAULT_SHOPPER_KEY)
        parser.add_argument("--seconds", type=float, default=60, help="how long each step may take")

    def handle(
        self, *args: Any, api: str, simulator: str, shopper_key: str, seconds: float, **options: Any
    ) -> None:
        """Go from step to step, and say what came of each."""
        self._patience = seconds
        api, simulator = api.rstrip("/"), simulator.rstrip("/")
        self._until("web is not ready", lambda: _status(f"{api}/readyz") == 200)
        self._tell("ready", api)

        number = f"SMOKE-{secrets.token_hex(4).upper()}"
        began = time.monotonic()
        intent_id = self._pay(simulator, shopper_key, number)
        self._tell("paid", f"{number}, 49.00 USD, {intent_id}", began)

        payment = self._until(
            "no webhook has told of the payment",
            lambda: Payment.objects.filter(number=number, state="succeeded").first(),
        )
        self._tell("recorded", f"revision {payment.revision}: {payment.state}", began)

        change = self._until(
            "no worker has warmed it",
            lambda: (
                Change.objects.filter(
                    identifier=number, revision=payment.revision, confirmed_at__isnull=False
                )
                .exclude(outcome="")
                .first()
            ),
        )
        if change.outcome != ChangeOutcome.WARMED:
            raise CommandError(f"its change ended as {change.outcome}: {change.reason}")
        self._tell("warmed", f"attempt {change.attempts}", began)

        loads = _loads(simulator, intent_id)
        owner, stranger = (_read(api, number, user_id) for user_id in (_OWNER, _STRANGER))
        self._tell("read", f"{owner.answer.status}, {owner.milliseconds:.1f} ms")
        self._tell("", f"Cache-Status: {owner.cache_status}")
        self._tell("stranger", str(stranger.answer.status))
        self._tell(
            "upstream", f"{loads} to warm it, {_loads(simulator, intent_id) - loads} to read"
        )
        if owner.answer.how is not How.HIT or owner.answer.state != payment.state:
            raise CommandError(f"the first read was no hit: {owner.answer}")
        if stranger.answer.status != 404:
            raise CommandError("another user was shown the payment")
        self.stdout.write(self.style.SUCCESS("OK: the first read was a hit."))

    def _tell(self, step: str, what: str, began: float | None = None) -> None:
        after = "" if began is None else f" after {time.monotonic() - began:.2f} s"
        self.stdout.write(f"{step:>9}  {what}{after}")

    def _until(self, trouble: str, look: Callable[[], T | None]) -> T:
        """Return what `look` finds; raise CommandError with the trouble when time is up."""
        deadline = time.monotonic() + self._patience
        while not (found := look()):
            if time.monotonic() > deadline:
                raise CommandError(f"{trouble}, after {self._patience:g} seconds")
            # Other processes do the work: there is nothing to wait on but what they leave behind.
            time.sleep(_LOOK_AGAIN_SECONDS)
        return found

    def _pay(self, simulator: str, shopper_key: str, number: str) -> str:
        """Buy something as the shop would, and return the provider's id of the payment."""
        shop = stripe.StripeClient(shopper_key, base_addresses={"api": simulator})
        try:
            made = shop.v1.payment_intents.create(
                {
                    "amount": 4900,
                    "currency": "usd",
                    "metadata": {
                        settings.COORDINATOR_METADATA_NUMBER: number,
                        settings.COORDINATOR_METADATA_OWNER: str(_OWNER),
                        settings.COORDINATOR_METADATA_ORDER: f"ORDER-{number}",
                    },
                    "payment_method": "pm_card_visa",
                    "confirm": True,
                }
            )
        except stripe.StripeError as error:
            raise CommandError(f"the provider at {simulator} took no payment: {error}") from error
        return made.id


def _status(url: str) -> int:
    """Return the status of a request, 0 without an answer."""
    try:
        return urllib3.request("GET", url, timeout=_CALL_SECONDS, retries=False).status
    except urllib3.exceptions.HTTPError:
        return 0


def _loads(simulator: str, intent_id: str) -> int:
    """Return how many requests about one payment the simulator has had from us."""
    url = f"{simulator}/_simulator/stats?payment_intent={intent_id}"
    stats = json.loads(urllib3.request("GET", url, timeout=_CALL_SECONDS).data)
    return int(stats["requests_per_payment"][intent_id])


def _read(api: str, number: str, user_id: int) -> _Read:
    """Read a payment as a user."""
    began = time.perf_counter()
    answer = urllib3.request(
        "GET",
        f"{api}/api/v1/payments/{number}/",
        headers=_credential(user_id),
        timeout=_CALL_SECONDS,
    )
    took = (time.perf_counter() - began) * 1000
    return _Read(
        read_answer(answer.status, answer.headers, answer.data),
        answer.headers.get("Cache-Status", "none"),
        took,
    )


def _credential(user_id: int) -> Mapping[str, str]:
    """Return the header with a user's token, as the identity service would sign it."""
    issuer = settings.JWT_AUTH["JWT_ISSUERS"][0]
    if not issuer["SECRET_KEY"]:
        raise CommandError("without JWT_SECRET_KEY only the identity service can sign a token")
    sign = token_credential(
        issuer["SECRET_KEY"], issuer=issuer["ISSUER"], audience=issuer["AUDIENCE"]
    )
    return sign(Person(user_id))
