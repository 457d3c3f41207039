"""docs/backends.md says what of Django and its libraries works on our backends: tried here."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.sessions.backends.cache import SessionStore as CacheSession
from django.contrib.sessions.backends.cached_db import SessionStore as CachedDbSession
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.template import Context, Engine
from django.test import RequestFactory
from django.views.decorators.cache import cache_page
from rest_framework.throttling import SimpleRateThrottle

pytestmark = pytest.mark.usefixtures("each_cache")


def test_cache_sessions_keep_what_json_keeps() -> None:
    session = CacheSession()
    session["basket"] = {"items": [1, "two", None]}
    session.save()
    assert CacheSession(session.session_key)["basket"] == {"items": [1, "two", None]}


def test_a_cached_db_session_whose_update_is_refused_is_read_from_the_database(
    sqlite_ledger: None,
) -> None:
    session = CachedDbSession()
    session["basket"] = 1
    session.save()
    # The database's serialiser makes a list of it; the cache refuses a tuple, and Django logs that.
    session["basket"] = (2, 3)
    session.save()
    assert CachedDbSession(session.session_key)["basket"] == [2, 3]


class Throttle(SimpleRateThrottle):
    rate = "2/min"

    def get_cache_key(self, request: Any, view: Any) -> str:
        return "throttled"


def test_drfs_throttling_counts() -> None:
    assert [Throttle().allow_request(None, None) for _ in range(3)] == [True, True, False]  # type: ignore[arg-type]  # it asks neither


def test_cache_page_is_refused_with_what_to_do() -> None:
    @cache_page(60)
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("page")

    with pytest.raises(TypeError, match="no pickles"):
        view(RequestFactory().get("/"))


def test_template_fragments_are_refused_with_what_to_do() -> None:
    engine = Engine(libraries={"cache": "django.templatetags.cache"})
    template = engine.from_string("{% load cache %}{% cache 60 part %}text{% endcache %}")
    with pytest.raises(TypeError, match=r"SafeString.*no pickles"):
        template.render(Context())


def test_a_pickled_model_instance_is_refused_with_what_to_do() -> None:
    from django.contrib.auth.models import User

    with pytest.raises(TypeError, match="no pickles"):
        cache.set("user", User(username="ada"))
