"""The shop's own pages."""

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, JsonResponse

from core.tasks import print_receipt


def receipt(request: HttpRequest, number: str) -> HttpResponse:
    """POST orders a receipt, GET says what became of it."""
    if request.method == "POST":
        print_receipt.delay(number)
        return HttpResponse(status=202)
    found = cache.get(f"receipt:{number}")
    return HttpResponse(status=404) if found is None else JsonResponse(found)
