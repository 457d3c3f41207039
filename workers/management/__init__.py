"""Commands for ``manage.py`` that need Celery or the workers."""
