"""Production: memcached, PostgreSQL and Redis, and no secret that has a default."""

from django.core.exceptions import ImproperlyConfigured

from coordinator import addresses
from coordinator.settings import base
from coordinator.settings.base import *
from coordinator.settings.environment import count_or_none, env, listed

REQUIRED = [
    "DJANGO_SECRET_KEY",
    "DJANGO_ALLOWED_HOSTS",
    "DATABASE_URL",
    "MEMCACHED_SERVERS",
    "CELERY_BROKER_URL",
]
# Another provider's secrets are for its own checks to ask for.
REQUIRED_BY_PROVIDER = {
    "coordinator.payments.providers.stripe.StripeProvider": [
        "STRIPE_API_KEY",
        "STRIPE_WEBHOOK_SECRETS",
    ],
    "coordinator.payments.providers.rest.RestProvider": [
        "COORDINATOR_REST_TOKEN",
        "COORDINATOR_REST_WEBHOOK_SECRETS",
    ],
}
required = REQUIRED + REQUIRED_BY_PROVIDER.get(base.COORDINATOR_PROVIDER, [])
# All at once, rather than one at every attempt to start.
if missing := [name for name in required if not env.str(name, "").strip()]:
    message = (
        f"Production has no default for {', '.join(missing)}. Set each in the environment, or set "
        "NAME_FILE to the path of a file that holds it. docs/settings.md lists all settings."
    )
    raise ImproperlyConfigured(message)

COORDINATOR_PRODUCTION = True

SECRET_KEY = env.str("DJANGO_SECRET_KEY")
ALLOWED_HOSTS = listed("DJANGO_ALLOWED_HOSTS")
STRIPE_API_KEY = env.str("STRIPE_API_KEY", "")
STRIPE_WEBHOOK_SECRETS = listed("STRIPE_WEBHOOK_SECRETS")

# The identity service signs with its private key, and JWT_PUBLIC_SIGNING_JWK_SET verifies that;
# a shared secret is a second way in, for deployments that still have one.
JWT_SECRET_KEY = env.str("JWT_SECRET_KEY", "")
if not (JWT_SECRET_KEY or base.JWT_PUBLIC_SIGNING_JWK_SET):
    message = (
        "No key verifies who asks: set JWT_PUBLIC_SIGNING_JWK_SET to the identity service's "
        "public key set (or JWT_SECRET_KEY to the secret that it shares)."
    )
    raise ImproperlyConfigured(message)
JWT_AUTH = base.jwt_auth(JWT_SECRET_KEY)

DATABASE_URL = env.str("DATABASE_URL")
DATABASES = base.databases(DATABASE_URL)
CACHES = base.memcached_caches()
CELERY_BROKER_URL = addresses.address(env.str("CELERY_BROKER_URL"))
CELERY_BROKER_TRANSPORT_OPTIONS = base.broker_transport_options(CELERY_BROKER_URL)

# Only over HTTPS. Health and metrics are asked for from inside, where TLS has already ended.
SECURE_SSL_REDIRECT = env.bool("DJANGO_SECURE_SSL_REDIRECT", True)
SECURE_REDIRECT_EXEMPT = [r"^health", r"^metrics"]
# Only where a proxy sets this header itself: a client that reaches the server could forge it.
if env.bool("DJANGO_TRUST_FORWARDED_PROTO", False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = count_or_none("DJANGO_HSTS_SECONDS", 31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
X_FRAME_OPTIONS = "DENY"
