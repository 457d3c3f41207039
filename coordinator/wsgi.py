"""The WSGI application that a web server runs: ``coordinator.wsgi:application``."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coordinator.settings.development")

application = get_wsgi_application()
