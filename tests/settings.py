"""Tests: the development settings; DATABASE_URL and MEMCACHED_SERVERS choose other servers."""

from coordinator.settings import base
from tools.settings import *

# A hash that takes a tenth of a second on purpose would be most of what some tests do.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# Its counters are fed from a thread, into whatever cache is there then: tests of it turn it on.
COORDINATOR_STATUS = False

# The developer's own environment must not decide what a test sees.
DEBUG = False
COORDINATOR_CACHE_PREFIX = "tests"
CELERY_BROKER_URL = "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = base.broker_transport_options(CELERY_BROKER_URL)
