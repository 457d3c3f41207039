"""Tests: the development settings; DATABASE_URL and MEMCACHED_SERVERS choose other servers."""

from coordinator.settings import base
from coordinator.settings.brokers import transport_options
from tools.settings import *

# A hash that takes a tenth of a second on purpose would be most of what some tests do.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# The developer's own environment must not decide what a test sees.
DEBUG = False
COORDINATOR_CACHE_PREFIX = "tests"
CELERY_BROKER_URL = "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = transport_options(
    CELERY_BROKER_URL, visibility_timeout_seconds=base.CELERY_VISIBILITY_TIMEOUT_SECONDS
)
