"""A link that signs a member of staff in, once: how the status page of `make run` is entered.

The run's database is new, so it has no account. The link's secret is random and held in this
process alone: development's signing key is in the repository, and a signature would prove nothing.
"""

import hmac
import secrets
from threading import Lock

from django.contrib.auth import get_user_model, login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from coordinator.operations.access import is_from_here

_ACCOUNT = "staff"
_lock = Lock()
_issued = ""


def link(url: str) -> str:
    """Return a link to the server at `url` that works once; the one before it works no more."""
    global _issued
    with _lock:
        _issued = secrets.token_urlsafe(24)
        return f"{url}/enter/{_issued}/"


@never_cache
@require_GET
def enter(request: HttpRequest, token: str) -> HttpResponse:
    """Sign the run's own superuser in, for the holder of the link, on this machine; else 404."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    if not is_from_here(request.META.get("REMOTE_ADDR", ""), headers) or not _is_used_now(token):
        raise Http404
    accounts = get_user_model()._default_manager
    user, _ = accounts.get_or_create(
        username=_ACCOUNT,
        # No password: nothing but such a link signs it in.
        defaults={"is_staff": True, "is_superuser": True, "password": "!"},
    )
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return redirect("status-now")


def _is_used_now(token: str) -> bool:
    """Return True to the first who comes with what was issued last."""
    global _issued
    with _lock:
        right = bool(_issued) and hmac.compare_digest(_issued.encode(), token.encode())
        if right:
            _issued = ""
        return right
