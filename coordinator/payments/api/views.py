"""``/api/v1/payments/``: one payment, several at once, and how one came to be what it is.

A warm answer is the stored bytes: no serializer, no parsing, and no database query beyond the one
that authentication takes. A user who may not read a payment gets the answer for one that doesn't
exist, and costs upstream nothing.
"""

import logging
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from coordinator import Lookup, Outcome, check_identifier, is_identifier, read, read_many
from coordinator.core import clock, resource
from coordinator.errors import CoordinatorError
from coordinator.payments.api import history, schema
from coordinator.web import answers, errors, problems
from coordinator.web.readers import NotRestricted, Reader, TokenAuthentication, reader_of
from coordinator.web.throttling import ReadThrottle

logger = logging.getLogger(__name__)

MOST_NUMBERS = 100
EVENTS_ON_A_PAGE = 50


class ReadView(APIView):
    """What the views share: who may come in, and how errors look."""

    # Tokens first: they decide what a 401 challenges with.
    authentication_classes = (TokenAuthentication, SessionAuthentication)
    permission_classes = (IsAuthenticated, NotRestricted)
    throttle_classes = (ReadThrottle,)
    renderer_classes = (JSONRenderer,)
    # A description of the view in a form of DRF's own; the schema says it better.
    metadata_class = None
    http_method_names = ("get", "head")

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view, outside any transaction: within one, a reader seeds no pointer.

        ATOMIC_REQUESTS would have every reader ask the ledger until the next change.
        """
        return transaction.non_atomic_requests(super().as_view(**initkwargs))

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let the caller in or refuse, and remember how long that took."""
        began = perf_counter()
        super().initial(request, *args, **kwargs)
        self.admitted_at = perf_counter()
        self._admit_milliseconds = (self.admitted_at - began) * 1000

    def get_exception_handler(self) -> Any:
        """Return the handler that answers with problem documents."""
        return errors.handle

    def timing(self) -> answers.Timing:
        """Return what the parts took until now."""
        read = (perf_counter() - self.admitted_at) * 1000
        return answers.Timing(admit=self._admit_milliseconds, read=read)


class PaymentView(ReadView):
    """One payment."""

    @extend_schema(**schema.ONE)
    def get(self, request: Request, number: str) -> HttpResponse:
        """Return the payment's details, if it is the caller's or the caller is staff."""
        reader = reader_of(request)
        lookup = read(resource.get("payment"), number, allowed=reader.may_read)
        if lookup.outcome in (Outcome.ABSENT, Outcome.DENIED) or lookup.entry is None:
            return problems.not_found()
        log_staff(reader, [lookup])
        now = clock.current().now()
        return answers.one(_plain(request), lookup, lookup.entry, now, self.timing())


class PaymentsView(ReadView):
    """Several payments at once."""

    def things_asked_for(self, request: Request) -> int:
        """Return how many payments this request counts as: for the throttle."""
        return len(_numbers(request))

    @extend_schema(**schema.MANY)
    def get(self, request: Request) -> HttpResponse:
        """Return those of the numbers that are the caller's; the others are simply absent."""
        numbers = _numbers(request)
        if "" in numbers:
            raise errors.BadQuery("Name payments: ?numbers=EDX-1001,EDX-1002.")
        if len(numbers) > MOST_NUMBERS:
            raise errors.BadQuery(f"At most {MOST_NUMBERS} numbers at once.")
        reader = reader_of(request)
        found = read_many(
            resource.get("payment"), filter(is_identifier, numbers), allowed=reader.may_read
        )
        lookups = {
            number: one
            for number, one in found.items()
            if isinstance(one, Lookup) and one.entry is not None
        }
        failed = {n: one for n, one in found.items() if isinstance(one, CoordinatorError)}
        if failed and not lookups:
            # Nothing to say but "not now": then say it where every client looks for it.
            raise next(iter(failed.values()))
        log_staff(reader, list(lookups.values()))
        return answers.many(_plain(request), lookups, list(failed), self.timing())


class PaymentEventsView(ReadView):
    """One payment's history."""

    @extend_schema(**schema.EVENTS)
    def get(self, request: Request, number: str) -> HttpResponse:
        """Return how the payment's state came about, newest first, page by page."""
        reader = reader_of(request)
        owner = history.owner_of(check_identifier(number))
        if owner is None or not reader.may_read(owner):
            return problems.not_found()
        before = _whole_number(request, "before", least=1, most=2**63 - 1)
        limit = _whole_number(request, "limit", least=1, most=100) or EVENTS_ON_A_PAGE
        if reader.is_staff and not reader.owns(owner):
            _log_read(reader, [f"payment.{number}"])
        body = history.page(number, before=before, limit=limit)
        return answers.fresh(_plain(request), body, self.timing())


def log_staff(reader: Reader, lookups: Sequence[Lookup]) -> None:
    """Log which payments of others a member of staff has read: who, which, never what."""
    if reader.is_staff:
        foreign = [
            one.entry_name
            for one in lookups
            if one.entry is not None and not reader.owns(one.entry.owner)
        ]
        if foreign:
            _log_read(reader, foreign)


def _log_read(reader: Reader, names: Sequence[str]) -> None:
    logger.info(
        "payment.read_by_staff", extra={"account": reader.account, "entries": ",".join(names)}
    )


def _plain(request: Request) -> HttpRequest:
    # Private API of DRF 3.16: it has no public name for Django's request.
    return request._request  # noqa: SLF001


def _numbers(request: Request) -> list[str]:
    """Return the numbers asked for, in their order; commas separate them."""
    return ",".join(request.query_params.getlist("numbers")).split(",")


def _whole_number(request: Request, name: str, *, least: int, most: int) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    # ASCII digits alone: int() takes far more than a number should look like.
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and least <= int(text) <= most):
        raise errors.BadQuery(f"{name} is a whole number from {least} to {most}.")
    return int(text)
