"""The cluster as its users meet it: the shop that makes payments, their owners who read them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import urllib3
from django.db.models import Count

from coordinator.ledger.models import UNSETTLED, Change
from coordinator.payments.models import Payment
from tests.acceptance.cluster.nodes import Node
from tests.acceptance.cluster.place import Place, answers, beat, has_said, simulator, web
from tests.integration.payments.simulated import SimulatorServer
from tests.integration.payments.tokens import bearer
from tools.report.answers import ReadAnswer, read_answer

T = TypeVar("T")

PATIENCE_SECONDS = 30.0
_LOOK_AGAIN_SECONDS = 0.02

API_KEY = "sk_test_of_the_cluster"
WEBHOOK_SECRET = "whsec_of_the_cluster"
JWT_KEY = "the-key-of-the-cluster-that-is-long-enough-for-hs256"
OWNER = "42"

#: Short, so that a test sees the end of each; in the proportions of production.
TUNING = {
    "COORDINATOR_SETTLE_EVERY_SECONDS": "0.5",
    "COORDINATOR_SETTLE_PAGE": "5",
    "COORDINATOR_USER_READS_PER_MINUTE": "0",
    "COORDINATOR_LOAD_CONCURRENCY": "5",
    "COORDINATOR_UPSTREAM_CONNECT_TIMEOUT_SECONDS": "1",
    "COORDINATOR_UPSTREAM_READ_TIMEOUT_SECONDS": "2",
    "COORDINATOR_UPSTREAM_TIMEOUT_SECONDS": "2",
    "COORDINATOR_LEASE_TIMEOUT_SECONDS": "3",
    "COORDINATOR_CLAIM_SECONDS": "4",
    "CELERY_TASK_SOFT_TIME_LIMIT_SECONDS": "3",
    "CELERY_TASK_TIME_LIMIT_SECONDS": "4",
    "CELERY_VISIBILITY_TIMEOUT_SECONDS": "10",
}


def environment(place: Place, broker_url: str, memcached: str) -> dict[str, str]:
    """Return production's settings for the programs of one cluster."""
    return {
        "DJANGO_SETTINGS_MODULE": "coordinator.settings.production",
        "DJANGO_SECRET_KEY": "of-the-cluster-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789",
        "DJANGO_ALLOWED_HOSTS": "*",
        "DJANGO_SECURE_SSL_REDIRECT": "false",
        "DATABASE_URL": place.database().url,
        "CELERY_BROKER_URL": broker_url,
        "MEMCACHED_SERVERS": memcached,
        "JWT_SECRET_KEY": JWT_KEY,
        "STRIPE_API_BASE": f"http://{place.address('simulator')}",
        "STRIPE_API_KEY": API_KEY,
        "STRIPE_WEBHOOK_SECRETS": WEBHOOK_SECRET,
        "COORDINATOR_LOG_FORMAT": "plain",
        **TUNING,
    }


class System:
    """One web server, a beat and a simulator, with what the tests do to them and ask of them."""

    def __init__(self, place: Place, settings: Mapping[str, str]) -> None:
        self._place = place
        self.settings = settings
        self.web = self.start_web("web-1")
        self.beat = place.program("beat", beat, settings, has_said("Sending due task"))
        self._simulator = place.program(
            "simulator",
            simulator(f"http://{place.address('web-1')}/webhooks/stripe/", API_KEY, WEBHOOK_SECRET),
            {},
            answers("/_simulator/health"),
        )
        for node in (self.web, self.beat, self._simulator):
            node.ready()
        self.provider = SimulatorServer()
        self.provider.port = int(self._simulator.outside.rpartition(":")[2])

    def start_web(self, name: str) -> Node:
        """Start a web server, and return without waiting for it."""
        return self._place.program(name, web, self.settings, answers("/readyz"))

    # -- the shop ------------------------------------------------------------------------------

    def pay(self, *numbers: str) -> list[str]:
        """Let somebody pay, once for each number; return the provider's ids."""
        return [self.provider.pay(number, OWNER) for number in numbers]

    def pay_and_refund(self, *numbers: str) -> None:
        """Let each be paid and given back, and return once the ledger knows it.

        A refund's event carries no entry, so each of them has to be loaded.
        """
        for intent_id in self.pay(*numbers):
            self.provider.shopper.v1.refunds.create({"payment_intent": intent_id})
        self.wait_until_recorded(*numbers, state="refunded")

    def loads_begun(self) -> int:
        """Return how many loads of a payment the provider has been asked for, answered or not.

        (Which payment it was, the provider counts with its answer.)
        """
        kinds = self.provider.control("GET", "stats")["by_kind"]
        return int(kinds.get("GET /v1/payment_intents/{intent}", 0))

    def begin_slow_loads(self, seconds: float) -> None:
        """Let each request to the provider take so long from now on, and count them anew."""
        self.provider.control("PATCH", "config", {"stall_seconds": seconds})
        self.provider.forget_requests()

    def end_slow_loads(self) -> None:
        """Let the provider be quick again."""
        self.provider.control("PATCH", "config", {"stall_seconds": 0})

    # -- the owners ----------------------------------------------------------------------------

    def read(self, number: str, *, web: Node | None = None) -> ReadAnswer:
        """Return what the payment's owner gets, over a new connection; no answer is an error."""
        host, _, port = (web or self.web).outside.rpartition(":")
        with urllib3.HTTPConnectionPool(host, int(port), timeout=PATIENCE_SECONDS) as pool:
            answer = pool.request(
                "GET",
                f"/api/v1/payments/{number}/",
                headers=bearer(int(OWNER), key=JWT_KEY),
                retries=False,
            )
            return read_answer(answer.status, answer.headers, answer.data)

    # -- the ledger ----------------------------------------------------------------------------

    def wait_until_recorded(self, *numbers: str, state: str = "succeeded") -> None:
        """Return once the ledger has these payments in this state."""
        self.wait_until(
            lambda: Payment.objects.filter(number__in=numbers, state=state).count() == len(numbers)
        )

    def wait_until_settled(self) -> None:
        """Return once no change is unsettled."""
        self.wait_until(lambda: not Change.objects.filter(UNSETTLED).exists())

    def outcomes(self) -> dict[str, int]:
        """Return how many changes ended in which way."""
        counted = Change.objects.values_list("outcome").annotate(Count("pk"))
        return dict(counted.order_by("outcome"))

    def wait_until(self, look: Callable[[], T]) -> T:
        """Return what `look` returns as soon as it is true; fail when time is up."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := look()):
            assert time.monotonic() < deadline, self.describe()
            time.sleep(_LOOK_AGAIN_SECONDS)
        return found

    def describe(self) -> str:
        """Return where everything stands, for a test that has waited in vain."""
        fields = ("identifier", "revision", "outcome", "reason", "attempts")
        open_changes = list(Change.objects.filter(UNSETTLED).values(*fields)[:10])
        return f"outcomes {self.outcomes()}, unsettled {open_changes}"
