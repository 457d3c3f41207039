import json
from datetime import datetime

from django.http import HttpRequest, HttpResponse

from coordinator import Event, Outcome, read, record_change
from orders.models import Order
from orders.resources import orders


def event(request: HttpRequest) -> HttpResponse:
    told = json.loads(request.body)
    record_change(
        Order,
        Event(
            event_id=told["id"],
            event_type=told["type"],
            number=told["number"],
            upstream_id=told["order"],
            occurred_at=datetime.fromisoformat(told["at"]),
            content={"state": told["state"], "customer": told["customer"]},
        ),
    )
    return HttpResponse(status=204)


def order(request: HttpRequest, number: str) -> HttpResponse:
    found = read(orders, number)
    if found.entry is None:
        return HttpResponse(status=404)
    answer = HttpResponse(found.entry.payload, content_type="application/json")
    answer["X-Cache"] = "hit" if found.outcome is Outcome.HIT else "miss"
    return answer
