"""The Django project: domains, cache and request paths. Never imports Celery or workers."""
