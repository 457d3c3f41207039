"""Warms what has changed, keeps warm what is open, and repairs what is not. Knows no Celery."""
