"""The WSGI application that a web server runs: ``coordinator.wsgi:application``."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coordinator.settings.development")

_django = get_wsgi_application()

# Both need settings, which are there only now.
from django.conf import settings  # noqa: E402

from coordinator.web.bodies import BoundedBodies  # noqa: E402

application = BoundedBodies(
    _django,
    most_requests=settings.COORDINATOR_BODY_THREADS,
    most_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
    timeout_seconds=settings.COORDINATOR_BODY_TIMEOUT_SECONDS,
)
