"""What every environment shares. Each setting is read from the environment by its own name."""

import base64
import json
from typing import Any

from coordinator import __version__
from coordinator.settings import brokers, caches, environment, own
from coordinator.settings.databases import database
from coordinator.settings.environment import env, listed
from coordinator.settings.own import *

# --- Django -------------------------------------------------------------------------------------

BASE_DIR = environment.BASE_DIR
DEBUG = False
ALLOWED_HOSTS: list[str] = listed("DJANGO_ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = listed("DJANGO_CSRF_TRUSTED_ORIGINS")
ROOT_URLCONF = "coordinator.urls"
WSGI_APPLICATION = "coordinator.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
USE_I18N = False
STATIC_URL = "/static/"
STATIC_ROOT = env.str("DJANGO_STATIC_ROOT", str(BASE_DIR / "static"))
# A webhook or an API call is a few kilobytes; whatever is bigger is refused before it is read.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "coordinator.core",
    "coordinator.ledger",
    "coordinator.warmer",
    "coordinator.celery",
    "coordinator.payments",
    "coordinator.orders",
    "coordinator.operations",
    # This service's Celery app, by name only.
    "workers",
]

MIDDLEWARE = [
    # Around all else: no answer goes out without them.
    "coordinator.web.middleware.secure",
    # Early, so that every log line of a request carries its correlation id.
    "coordinator.web.middleware.correlate",
    # What was refused before Django saw it gets its answer here.
    "coordinator.web.bodies.answer_refused",
    # Before all that looks at host names, sessions or users: probes have none.
    "coordinator.operations.probes.answer_probes",
    # Before all that a read with a token does not need: sessions, CSRF, messages.
    "coordinator.web.fast_read.answer_reads",
    "django.middleware.security.SecurityMiddleware",
    # Before anything that might read the cache: a request never sees what an earlier one, served
    # by the same thread, had remembered.
    "edx_django_utils.cache.middleware.RequestCacheMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # After authentication: only staff may force a miss, so it has to know who asks.
    "edx_django_utils.cache.middleware.TieredCacheMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Authentication and the API -----------------------------------------------------------------

JWT_PUBLIC_SIGNING_JWK_SET = env.str("JWT_PUBLIC_SIGNING_JWK_SET", "")
JWT_ISSUER = env.str("JWT_ISSUER", "http://127.0.0.1:8000/oauth2")
JWT_AUDIENCE = env.str("JWT_AUDIENCE", "coordinator")
# By how much the identity service's clock and ours may differ.
JWT_LEEWAY_SECONDS = env.float("JWT_LEEWAY_SECONDS", 10, validate=environment.NOT_NEGATIVE)


def jwt_auth(secret_key: str) -> dict[str, Any]:
    """Return JWT_AUTH for tokens signed with a key of the public set, or with `secret_key`.

    Either may be empty, not both: a system check refuses that.
    """
    return {
        "JWT_ALGORITHM": "HS256",
        "JWT_SECRET_KEY": secret_key or None,
        # Never empty: without a key in this set, edx-drf-extensions' own decoder (10.9), where
        # another package calls it, takes a token as verified, no matter which key signed it.
        "JWT_PUBLIC_SIGNING_JWK_SET": JWT_PUBLIC_SIGNING_JWK_SET or symmetric_key_set(secret_key),
        "JWT_ISSUER": JWT_ISSUER,
        "JWT_AUDIENCE": JWT_AUDIENCE,
        "JWT_ISSUERS": [
            {"ISSUER": JWT_ISSUER, "SECRET_KEY": secret_key or None, "AUDIENCE": JWT_AUDIENCE},
        ],
        "JWT_AUTH_HEADER_PREFIX": "JWT",
        "JWT_VERIFY_EXPIRATION": True,
        "JWT_VERIFY_AUDIENCE": True,
        "JWT_LEEWAY": JWT_LEEWAY_SECONDS,
        "JWT_DECODE_HANDLER": "coordinator.web.tokens.verify",
    }


def symmetric_key_set(secret_key: str) -> str:
    """Return the JSON of a key set that holds `secret_key` only, for HS256."""
    encoded = base64.urlsafe_b64encode(secret_key.encode()).rstrip(b"=").decode()
    return json.dumps({"keys": [{"kty": "oct", "k": encoded}]})


EDX_DRF_EXTENSIONS = {
    "JWT_PAYLOAD_USER_ATTRIBUTE_MAPPING": {"administrator": "is_staff", "email": "email"},
    "OAUTH2_USER_INFO_URL": None,
}

# No vendor's agent by default; edx-django-utils would look for New Relic's at every request.
OPENEDX_TELEMETRY: list[str] = listed("OPENEDX_TELEMETRY")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "edx_rest_framework_extensions.auth.jwt.authentication.JwtAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_VERSIONING_CLASS": None,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    # Errors are problem documents, also those of DRF's own views.
    "EXCEPTION_HANDLER": "coordinator.web.errors.handle",
    # ?format= would answer 404 for what Accept alone decides.
    "URL_FORMAT_OVERRIDE": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Coordinator",
    "DESCRIPTION": "Payments, answered from entries that were warm before anyone asked.",
    "VERSION": __version__,
    "SERVE_INCLUDE_SCHEMA": False,
    "OAS_VERSION": "3.1.0",
    # From the package beside it: the page works without asking anybody else's server.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "POSTPROCESSING_HOOKS": ["coordinator.payments.api.schema.add_components"],
}

# --- The cache, the ledger's database, and the logs ----------------------------------------------


def memcached_caches() -> dict[str, Any]:
    """Return CACHES for MEMCACHED_SERVERS."""
    return caches.memcached(
        own.MEMCACHED_SERVERS,
        prefix=own.COORDINATOR_CACHE_PREFIX,
        timeout_seconds=own.COORDINATOR_ENTRY_TIMEOUT_SECONDS,
    )


def databases(url: str) -> dict[str, dict[str, Any]]:
    """Return DATABASES for the one database at `url`, with our limits."""
    return {
        "default": database(
            url,
            statement_timeout_seconds=own.DATABASE_STATEMENT_TIMEOUT_SECONDS,
            lock_timeout_seconds=own.DATABASE_LOCK_TIMEOUT_SECONDS,
            idle_in_transaction_timeout_seconds=own.DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_SECONDS,
            connection_max_age_seconds=own.DATABASE_CONNECTION_MAX_AGE_SECONDS,
            pooled=own.DATABASE_POOLED,
        )
    }


def broker_transport_options(url: str) -> dict[str, Any]:
    """Return Celery's options for the broker at `url`, with our limits."""
    return brokers.transport_options(
        url,
        visibility_timeout_seconds=own.CELERY_VISIBILITY_TIMEOUT_SECONDS,
        sentinel_master=own.CELERY_BROKER_SENTINEL_MASTER,
        sentinel_password=own.CELERY_BROKER_SENTINEL_PASSWORD,
    )


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {"()": "coordinator.logs.PlainFormatter"},
        "json": {"()": "coordinator.logs.JSONFormatter"},
    },
    # On the handler: a filter on a logger does not see what its children log.
    "filters": {"correlation": {"()": "coordinator.correlation.CorrelationFilter"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": own.COORDINATOR_LOG_FORMAT,
            "filters": ["correlation"],
        },
    },
    "root": {"handlers": ["console"], "level": own.COORDINATOR_LOG_LEVEL},
    "loggers": {
        # Django gives this one handlers of its own; with ours at the root, each line came twice.
        "django": {"handlers": [], "level": own.COORDINATOR_LOG_LEVEL, "propagate": True},
        "django.server": {"handlers": [], "level": own.COORDINATOR_LOG_LEVEL, "propagate": True},
        # Every 404 of a client that polls is no warning; what went wrong in here is an error.
        "django.request": {"level": "ERROR"},
        # At INFO it writes users' e-mail addresses; a token that can't be verified is a 401 like
        # any other, not an error with a traceback that any sender can cause.
        "edx_rest_framework_extensions": {"level": "WARNING"},
        "edx_rest_framework_extensions.auth.jwt.decoder": {"level": "CRITICAL"},
    },
}
