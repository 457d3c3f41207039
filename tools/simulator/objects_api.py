"""/v1/charges, /v1/refunds, /v1/disputes and /v1/events: what belongs to a payment."""

from itertools import takewhile

from aiohttp import web

from tools.simulator import aftermath
from tools.simulator.calls import Call, serve
from tools.simulator.errors import invalid, missing
from tools.simulator.events import SimulatedEvent, show_event
from tools.simulator.forms import get_integer, get_metadata, get_text, get_texts
from tools.simulator.pages import LIST_FIELDS, Range, make_page, page_limit, turn_to
from tools.simulator.payloads import Payload, show_charge, show_dispute, show_refund
from tools.simulator.payment import Charge, Dispute, Payment, Refund

_REASONS = frozenset({"duplicate", "fraudulent", "requested_by_customer"})


def routes() -> list[web.RouteDef]:
    """Return the routes of this module."""
    return [
        web.get("/v1/charges/{charge}", serve(retrieve_charge)),
        web.get("/v1/charges/{charge}/refunds", serve(list_refunds, *LIST_FIELDS)),
        web.post(
            "/v1/refunds",
            serve(create_refund, "payment_intent", "charge", "amount", "reason", "metadata"),
        ),
        web.get("/v1/refunds", serve(list_refunds, *LIST_FIELDS, "charge", "payment_intent")),
        web.get("/v1/disputes", serve(list_disputes, *LIST_FIELDS, "charge", "payment_intent")),
        web.get("/v1/events", serve(list_events, *LIST_FIELDS, "created", "type", "types")),
        web.get("/v1/events/{event}", serve(retrieve_event)),
    ]


def retrieve_charge(call: Call) -> Payload:
    """Show a charge."""
    expand = call.expanded("refunds", "payment_intent")
    payment, charge = call.provider.see_charge(call.path["charge"])
    call.about.append(payment.id)
    return show_charge(payment, charge, expand)


def create_refund(call: Call) -> Payload:
    """Give money back, of a payment or of its charge."""
    call.expanded()
    payment = _refunded_payment(call)
    call.about.append(payment.id)
    reason = get_text(call.form, "reason")
    if reason is not None and reason not in _REASONS:
        raise invalid(f"Invalid reason: {reason}", param="reason")
    refunded = aftermath.refund(
        payment,
        call.provider.now(),
        get_integer(call.form, "amount", at_least=1),
        reason=reason,
        metadata=get_metadata(call.form),
    )
    payment = call.provider.apply(refunded, call.cause)
    charge = payment.charges[-1]
    return show_refund(payment, charge, charge.refunds[-1])


def list_refunds(call: Call) -> Payload:
    """Show a page of the refunds of a payment or of a charge, newest first."""
    call.expanded()
    payment, charges = _seen_charges(call)
    call.about.append(payment.id)
    of = {refund.id: charge for charge in charges for refund in charge.refunds}
    newest_first = [refund for charge in charges for refund in charge.refunds][::-1]
    page, backwards = turn_to(call.form, newest_first)

    def show(refund: Refund) -> Payload:
        return show_refund(payment, of[refund.id], refund)

    return make_page(page, page_limit(call.form), "/v1/refunds", show, backwards=backwards)


def list_disputes(call: Call) -> Payload:
    """Show a page of the disputes of a payment or of a charge, newest first."""
    call.expanded()
    payment, charges = _seen_charges(call)
    call.about.append(payment.id)
    of = {charge.dispute.id: charge for charge in charges if charge.dispute is not None}
    newest_first = [charge.dispute for charge in charges if charge.dispute is not None][::-1]
    page, backwards = turn_to(call.form, newest_first)

    def show(dispute: Dispute) -> Payload:
        return show_dispute(payment, of[dispute.id], dispute)

    return make_page(page, page_limit(call.form), "/v1/disputes", show, backwards=backwards)


def retrieve_event(call: Call) -> Payload:
    """Show an event."""
    call.expanded()
    if (event := call.provider.events.find(call.path["event"])) is None:
        raise missing("event", call.path["event"], "id")
    return show_event(event)


def list_events(call: Call) -> Payload:
    """Show a page of the events, newest first. Events never lag: they are what runs ahead."""
    call.expanded()
    bounds = Range(call.form)
    types = set(get_texts(call.form, "types"))
    if (only := get_text(call.form, "type")) is not None:
        types.add(only)

    def wanted(event: SimulatedEvent) -> bool:
        return event.created <= bounds.last and (not types or _matches(event.type, types))

    recent = takewhile(
        lambda event: event.created >= bounds.first, call.provider.events.newest_first()
    )
    page, backwards = turn_to(call.form, filter(wanted, recent))
    return make_page(page, page_limit(call.form), "/v1/events", show_event, backwards=backwards)


def _matches(event_type: str, types: set[str]) -> bool:
    """Return whether the type is one of `types`, which may end in .* as with Stripe."""
    return any(
        event_type.startswith(each[:-1]) if each.endswith(".*") else event_type == each
        for each in types
    )


def _refunded_payment(call: Call) -> Payment:
    """Return the payment that is to be refunded, named by itself or by its charge."""
    if (payment_id := get_text(call.form, "payment_intent")) is not None:
        return call.provider.find(payment_id)
    if (charge_id := get_text(call.form, "charge")) is None:
        message = "One of the following params should be provided: payment_intent or charge."
        raise invalid(message, code="parameter_missing")
    found = call.provider.store.get_by_charge(charge_id)
    if found is None:
        raise missing("charge", charge_id, "charge")
    return found[0]


def _seen_charges(call: Call) -> tuple[Payment, tuple[Charge, ...]]:
    """Return the payment that the request is about and its charges, or the one it names."""
    charge_id = call.path.get("charge") or get_text(call.form, "charge")
    if charge_id is not None:
        payment, charge = call.provider.see_charge(charge_id)
        return payment, (charge,)
    if (payment_id := get_text(call.form, "payment_intent")) is None:
        raise invalid("The simulator needs a payment_intent or a charge to list what is its own.")
    payment = call.provider.see(payment_id)
    return payment, payment.charges
