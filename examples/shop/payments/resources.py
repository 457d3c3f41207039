import json
from urllib.request import urlopen

from django.conf import settings

from coordinator import Loaded, Standing, register
from payments.models import Payment


@register(Payment)
def payments(number: str, standing: Standing) -> Loaded:
    url = f"{settings.FULFILMENT_URL}/payments/{standing.upstream_id}"
    with urlopen(url, timeout=10) as answer:
        body = answer.read()
    payment = json.loads(body)
    return Loaded(payload=body, state=payment["state"], owner=payment["customer"])
