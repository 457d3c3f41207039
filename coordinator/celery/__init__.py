"""Celery adapters: tasks, receivers, doorbell, beats, task lifecycle."""
