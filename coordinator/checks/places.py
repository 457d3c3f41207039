"""Where things are: cache, broker, database, and the lists and names that say so."""

import difflib
import os
import re
from collections.abc import Iterator

from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from coordinator.core import conf

LOCAL_MEMORY = "coordinator.memcached.LocMemCache"
MEMCACHED = "coordinator.memcached.PyMemcacheCache"
_SERVER = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})|(?:unix:)?/\S+")
_HOST = re.compile(r"\*|\.?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]")


def cache_shared_with_the_worker() -> Iterator[checks.CheckMessage]:
    """A worker in another process warms a LocMemCache that no request will ever see."""
    if _cache_backend() == LOCAL_MEMORY and not _broker_is_in_process():
        yield checks.Error(
            "LocMemCache belongs to one process, but CELERY_BROKER_URL "
            f"({_without_password(settings.CELERY_BROKER_URL)}) sends the work to another: what a "
            "worker warms, no request would find.",
            hint="Set MEMCACHED_SERVERS as well, or leave CELERY_BROKER_URL out and run "
            "everything in one process with `make run`.",
            id="coordinator.E001",
        )


def lists() -> Iterator[checks.CheckMessage]:
    """Lists are separated by commas, and each part has the form that its reader expects."""
    for server in settings.MEMCACHED_SERVERS:
        match = _SERVER.fullmatch(server)
        if not match or (match["port"] and not 0 < int(match["port"]) < 65_536):
            yield checks.Error(
                f"MEMCACHED_SERVERS names {server!r}, which is no address.",
                hint="Separate by commas what looks like host:port, [IPv6 address]:port, or "
                "unix:/path of a socket.",
                id="coordinator.E009",
            )
    if len(set(settings.MEMCACHED_SERVERS)) != len(settings.MEMCACHED_SERVERS):
        yield checks.Error(
            "MEMCACHED_SERVERS names a server twice.",
            hint="Every process must be given the same servers, each of them once.",
            id="coordinator.E009",
        )
    for host in settings.ALLOWED_HOSTS:
        if not _HOST.fullmatch(host):
            yield checks.Error(
                f"DJANGO_ALLOWED_HOSTS names {host!r}, which is no host name.",
                hint="Give host names without scheme, port or path, separated by commas.",
                id="coordinator.E009",
            )
    for secret in settings.STRIPE_WEBHOOK_SECRETS:
        if not secret.startswith("whsec_") or any(letter.isspace() for letter in secret):
            # The value itself is a secret, and this text goes to logs.
            yield checks.Error(
                "STRIPE_WEBHOOK_SECRETS has a part that is no signing secret.",
                hint="Give what Stripe calls the endpoint's signing secret, whsec_...; several "
                "(while one replaces another) are separated by commas.",
                id="coordinator.E009",
            )


def production_servers() -> Iterator[checks.CheckMessage]:
    """What runs in one process, or in one file, is for development."""
    if not settings.COORDINATOR_PRODUCTION:
        return
    if settings.DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
        yield checks.Error(
            "Production keeps its ledger in PostgreSQL, not in "
            f"{settings.DATABASES['default']['ENGINE']}.",
            hint="Set DATABASE_URL to postgres://user:password@host/name.",
            id="coordinator.E010",
        )
    if _broker_is_in_process():
        yield checks.Error(
            "The memory:// broker ends with its process: no worker would ever get a task.",
            hint="Set CELERY_BROKER_URL to redis://host:port/0.",
            id="coordinator.E010",
        )


def cache_backend() -> Iterator[checks.CheckMessage]:
    """The pointer needs compare-and-set, and nothing in the cache may be a pickle."""
    alias = conf.cache_alias()
    if not _has_compare_and_set():
        yield checks.Error(
            f"CACHES[{alias!r}] is {_cache_backend() or 'missing'}, and only our own two backends "
            "have compare-and-set and keep no pickles.",
            hint=f"Use {MEMCACHED} or {LOCAL_MEMORY} there, or name another alias in "
            "COORDINATOR_CACHE: your other caches may be what they like.",
            id="coordinator.E011",
        )
    elif (
        _cache_backend() == LOCAL_MEMORY
        and settings.CACHES[alias].get("OPTIONS", {}).get("MAX_ENTRIES", 300) < 1_000
    ):
        yield checks.Warning(
            "LocMemCache drops entries at random, without a word, once it holds MAX_ENTRIES.",
            hint="Give it OPTIONS with a MAX_ENTRIES of three times the things that are asked for.",
            id="coordinator.W003",
        )


def serialised_writers() -> Iterator[checks.CheckMessage]:
    """On SQLite two deferred transactions both read the row that one of them then changes."""
    database = settings.DATABASES["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        mode = database.get("OPTIONS", {}).get("transaction_mode")
        if str(mode).upper() not in {"IMMEDIATE", "EXCLUSIVE"}:
            yield checks.Error(
                f"SQLite begins transactions as {mode or 'DEFERRED'}: it ignores SELECT FOR "
                "UPDATE, so two writers could accept changes on top of the same revision.",
                hint="Set OPTIONS['transaction_mode'] of the database to IMMEDIATE.",
                id="coordinator.E014",
            )


def misspelt_names() -> Iterator[checks.CheckMessage]:
    """A setting under a name that is not read looks set and isn't."""
    known = {name for name in dir(settings) if name.startswith("COORDINATOR_")}
    for name in sorted(os.environ):
        if not name.startswith("COORDINATOR_") or name.removesuffix("_FILE") in known:
            continue
        # Others set variables that begin so too (Kubernetes, for a service of that name), so only
        # what is nearly one of ours is worth a word.
        if meant := difflib.get_close_matches(name, known, n=1, cutoff=0.85):
            yield checks.Warning(
                f"{name} is set in the environment, but there is no such setting.",
                hint=f"Did you mean {meant[0]}? docs/settings.md lists them all.",
                id="coordinator.W001",
            )


def _cache_backend() -> str:
    return str(settings.CACHES.get(conf.cache_alias(), {}).get("BACKEND", ""))


def _has_compare_and_set() -> bool:
    """Return True for our two backends, and for a host's own that extends one of them."""
    try:
        return hasattr(import_string(_cache_backend()), "compare_and_set")
    except ImportError:
        return False


def _broker_is_in_process() -> bool:
    return str(getattr(settings, "CELERY_BROKER_URL", "memory:")).startswith("memory:")


def _without_password(url: str) -> str:
    """Return an address with what stands before its host left out."""
    scheme, separator, rest = str(url).partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
