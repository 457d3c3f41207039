import json
from urllib.request import urlopen

from django.conf import settings

from coordinator import Loaded, Standing, register
from orders.models import Order


@register(Order)
def orders(number: str, standing: Standing) -> Loaded:
    with urlopen(f"{settings.FULFILMENT_URL}/orders/{standing.upstream_id}", timeout=10) as answer:
        body = answer.read()
    order = json.loads(body)
    return Loaded(payload=body, state=order["state"], owner=order["customer"])
