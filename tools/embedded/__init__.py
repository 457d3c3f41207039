"""The whole system in one process, for development: ``python manage.py embedded``.

Web server, Celery worker and beat are threads here, because LocMemCache is one process's own and
they have to share it; the provider is a simulator, in a process of its own as upstream always is.
"""
