"""Who may see and do what on the status page: staff only, and each by a permission of its own."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache

LABEL: Final = "coordinator_operations"
#: What the overview needs; pages that show more need another one besides.
VIEW: Final = f"{LABEL}.view_status"

View = Callable[..., HttpResponse]


def may_see(user: Any, *permissions: str) -> bool:
    """Return True for an active member of staff who has all of `permissions` and the page's own."""
    return bool(user.is_active and user.is_staff and user.has_perms([VIEW, *permissions]))


def may_do(user: Any, permission: str) -> bool:
    """Return True for a member of staff who sees the page and has the action's permission."""
    return may_see(user, f"{LABEL}.{permission}")


def for_staff(*permissions: str) -> Callable[[View], View]:
    """Return a decorator: others are sent to sign in, and staff without the permission gets 403."""

    def decorate(view: View) -> View:
        @wraps(view)
        @never_cache
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            user = request.user
            if not (user.is_active and user.is_staff):
                return redirect_to_login(request.get_full_path(), reverse("admin:login"))
            if not may_see(user, *permissions):
                return forbidden(request)
            return view(request, *args, **kwargs)

        return checked

    return decorate


def forbidden(request: HttpRequest) -> HttpResponse:
    """Return the page that says which kind of permission is missing, and who can give it."""
    return render(request, "coordinator/status/forbidden.html", status=403)
