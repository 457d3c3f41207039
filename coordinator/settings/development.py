"""Development: nothing to install but Python packages; one process runs everything.

With MEMCACHED_SERVERS, CELERY_BROKER_URL and DATABASE_URL in the environment the parts run apart.
"""

from coordinator import addresses
from coordinator.settings import base
from coordinator.settings.base import *
from coordinator.settings.caches import local_memory
from coordinator.settings.environment import BASE_DIR, env, listed

# Known to all who can read this file; production refuses each of them.
SECRET_KEY = env.str("DJANGO_SECRET_KEY", "insecure-development-key-known-to-everybody-0123456789")
JWT_SECRET_KEY = env.str("JWT_SECRET_KEY", "insecure-development-jwt-key-known-to-everybody")
STRIPE_API_KEY = env.str("STRIPE_API_KEY", "sk_test_insecure_development")
STRIPE_WEBHOOK_SECRETS = listed("STRIPE_WEBHOOK_SECRETS", ["whsec_insecure_development"])

DEBUG = env.bool("DJANGO_DEBUG", False)
JWT_AUTH = base.jwt_auth(JWT_SECRET_KEY)

DATABASE_URL = env.str("DATABASE_URL", f"sqlite:///{BASE_DIR / 'development.sqlite3'}")
DATABASES = base.databases(DATABASE_URL)

CACHES = (
    base.memcached_caches()
    if base.MEMCACHED_SERVERS
    else local_memory(
        prefix=base.COORDINATOR_CACHE_PREFIX,
        timeout_seconds=base.COORDINATOR_ENTRY_TIMEOUT_SECONDS,
    )
)

CELERY_BROKER_URL = addresses.address(env.str("CELERY_BROKER_URL", "memory://"))
CELERY_BROKER_TRANSPORT_OPTIONS = base.broker_transport_options(CELERY_BROKER_URL)
