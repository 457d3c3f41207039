"""The shop's settings. PostgreSQL is found by libpq's own variables: PGHOST, PGPORT, PGUSER."""

import os

SECRET_KEY = os.environ.get("SHOP_SECRET_KEY", "for-this-example-only")
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "shop.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "coordinator.core",
    "coordinator.ledger",
    "coordinator.warmer",
    "coordinator.celery",
    "core",
    "orders",
    "payments",
]

MIDDLEWARE = [
    "edx_django_utils.cache.middleware.RequestCacheMiddleware",
    "django.middleware.common.CommonMiddleware",
]

CACHES = {
    # The shop's own, as it was.
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": os.environ.get("SHOP_CACHE", "redis://127.0.0.1:6379/1"),
    },
    # Coordinator's, which no other code writes to.
    "entries": {
        "BACKEND": "coordinator.memcached.PyMemcacheCache",
        "LOCATION": os.environ.get("SHOP_MEMCACHED", "127.0.0.1:11211"),
        "KEY_PREFIX": "shop",
    },
}
COORDINATOR_CACHE = "entries"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("PGDATABASE", "shop"),
        "OPTIONS": {
            "options": "-c statement_timeout=15000 -c idle_in_transaction_session_timeout=15000"
        },
    }
}

FULFILMENT_URL = os.environ.get("FULFILMENT_URL", "http://127.0.0.1:8090")
