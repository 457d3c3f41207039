"""/v1/payment_intents: what a shop does with its payments."""

from collections.abc import Iterator
from functools import partial

from aiohttp import web

from tools.simulator import lifecycle
from tools.simulator.calls import Call, serve
from tools.simulator.errors import StripeError, invalid
from tools.simulator.forms import (
    get_boolean,
    get_integer,
    get_metadata,
    get_text,
    require_text,
)
from tools.simulator.pages import LIST_FIELDS, Range, make_page, page_limit
from tools.simulator.payloads import Payload, show_intent
from tools.simulator.payment import Payment
from tools.simulator.store import creation_key

_URL = "/v1/payment_intents"
_EXPANDABLE = ("latest_charge", "latest_charge.refunds")
_IN_LIST = ("data.latest_charge", "data.latest_charge.refunds")
_CURRENCIES = frozenset({"usd", "eur", "gbp", "jpy"})
_CAPTURE_METHODS = frozenset({"automatic", "automatic_async", "manual"})
_REASONS = frozenset({"abandoned", "duplicate", "fraudulent", "requested_by_customer"})
_MAX_AMOUNT = 99_999_999


def routes() -> list[web.RouteDef]:
    """Return the routes of this module."""
    one = f"{_URL}/{{intent}}"
    return [
        web.post(
            _URL,
            serve(
                create,
                "amount",
                "automatic_payment_methods",
                "capture_method",
                "confirm",
                "currency",
                "description",
                "metadata",
                "payment_method",
                "payment_method_types",
                "return_url",
            ),
        ),
        web.get(_URL, serve(list_intents, *LIST_FIELDS, "created")),
        # A browser sends the client secret with its public key.
        web.get(one, serve(retrieve, "client_secret")),
        web.post(one, serve(update, "description", "metadata", "payment_method")),
        web.post(f"{one}/confirm", serve(confirm, "payment_method", "return_url", "client_secret")),
        web.post(f"{one}/capture", serve(capture, "amount_to_capture")),
        web.post(f"{one}/cancel", serve(cancel, "cancellation_reason")),
    ]


def create(call: Call) -> Payload:
    """Make a payment, and try to pay it at once if `confirm` says so."""
    currency = require_text(call.form, "currency").lower()
    if currency not in _CURRENCIES:
        raise invalid(f"Invalid currency: {currency}", param="currency")
    require_text(call.form, "amount")
    amount = get_integer(call.form, "amount", at_least=1, at_most=_MAX_AMOUNT) or 0
    how = get_text(call.form, "capture_method") or "automatic"
    if how not in _CAPTURE_METHODS:
        raise invalid(f"Invalid capture_method: {how}", param="capture_method")
    pays = get_boolean(call.form, "confirm")
    method = get_text(call.form, "payment_method")
    if pays and method is None:
        raise invalid("You must provide a payment_method to confirm.", param="payment_method")
    expand = call.expanded(*_EXPANDABLE)
    made = lifecycle.create(
        call.provider.next_id("pi"),
        amount,
        currency,
        call.provider.now(),
        metadata=get_metadata(call.form) or {},
        capture_method=how,
        description=get_text(call.form, "description"),
        method=method,
    )
    payment = call.provider.apply(made, call.cause)
    call.about.append(payment.id)
    if pays:
        payment = _pay(call, payment, None)
    return show_intent(payment, expand)


def retrieve(call: Call) -> Payload:
    """Show a payment."""
    expand = call.expanded(*_EXPANDABLE)
    call.about.append(call.path["intent"])
    return show_intent(call.provider.see(call.path["intent"]), expand)


def update(call: Call) -> Payload:
    """Change what is written on a payment, or attach a payment method."""
    expand = call.expanded(*_EXPANDABLE)
    changed = lifecycle.update(
        _payment(call),
        call.provider.now(),
        metadata=get_metadata(call.form),
        method=get_text(call.form, "payment_method"),
        description=get_text(call.form, "description"),
    )
    return show_intent(call.provider.apply(changed, call.cause), expand)


def confirm(call: Call) -> Payload:
    """Try to pay."""
    expand = call.expanded(*_EXPANDABLE)
    payment = _pay(call, _payment(call), get_text(call.form, "payment_method"))
    return show_intent(payment, expand)


def capture(call: Call) -> Payload:
    """Take the authorized money."""
    expand = call.expanded(*_EXPANDABLE)
    amount = get_integer(call.form, "amount_to_capture")
    captured = lifecycle.capture(_payment(call), call.provider.now(), amount)
    return show_intent(call.provider.apply(captured, call.cause), expand)


def cancel(call: Call) -> Payload:
    """Give a payment up."""
    expand = call.expanded(*_EXPANDABLE)
    reason = get_text(call.form, "cancellation_reason")
    if reason is not None and reason not in _REASONS:
        raise invalid(f"Invalid cancellation_reason: {reason}", param="cancellation_reason")
    canceled = lifecycle.cancel(_payment(call), call.provider.now(), reason)
    return show_intent(call.provider.apply(canceled, call.cause), expand)


def list_intents(call: Call) -> Payload:
    """Show a page of the payments, newest first."""
    expand = [path.removeprefix("data.") for path in call.expanded("data", *_IN_LIST)]
    limit, bounds = page_limit(call.form), Range(call.form)
    backwards = "ending_before" in call.form
    found = _newer(call, bounds) if backwards else _older(call, bounds)
    page = make_page(found, limit, _URL, partial(show_intent, expand=expand), backwards=backwards)
    call.about.extend(intent["id"] for intent in page["data"])
    return page


def _older(call: Call, bounds: Range) -> Iterator[Payment]:
    """Go through the payments within bounds, newest first, from `starting_after` on."""
    provider = call.provider
    start = (bounds.last + 1, "")
    if (after := get_text(call.form, "starting_after")) is not None:
        start = min(start, creation_key(provider.find(after)))
    for payment in provider.store.created_before(start, provider.seen_as_of()):
        if payment.created < bounds.first:
            return
        yield payment


def _newer(call: Call, bounds: Range) -> Iterator[Payment]:
    """Go through the payments within bounds, oldest first, from `ending_before` on."""
    provider = call.provider
    start = creation_key(provider.find(get_text(call.form, "ending_before") or ""))
    for payment in provider.store.created_after(start, provider.seen_as_of()):
        if payment.created > bounds.last:
            return
        if payment.created >= bounds.first:
            yield payment


def _payment(call: Call) -> Payment:
    """Return the payment that the path names, to be changed."""
    call.about.append(call.path["intent"])
    return call.provider.find(call.path["intent"])


def _pay(call: Call, payment: Payment, method: str | None) -> Payment:
    """Try to pay; a declined card is Stripe's 402, and the payment keeps the attempt."""
    tried = lifecycle.confirm(payment, call.provider.now(), method=method)
    payment = call.provider.apply(tried, call.cause)
    if (failure := payment.failure) is None:
        return payment
    error = StripeError(
        402,
        "card_error",
        failure.message,
        code=failure.code,
        decline_code=failure.decline_code,
        charge=payment.failed_charge,
    )
    error.body["payment_intent"] = show_intent(payment)
    raise error
