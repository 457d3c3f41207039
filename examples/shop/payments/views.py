import json
from datetime import datetime

from django.http import HttpRequest, HttpResponse

from coordinator import Event, record_change
from payments.models import Payment


def event(request: HttpRequest) -> HttpResponse:
    told = json.loads(request.body)
    record_change(
        Payment,
        Event(
            event_id=told["id"],
            event_type=told["type"],
            number=told["number"],
            upstream_id=told["payment"],
            occurred_at=datetime.fromisoformat(told["at"]),
            content={name: told[name] for name in ("state", "customer", "order")},
        ),
    )
    return HttpResponse(status=204)
