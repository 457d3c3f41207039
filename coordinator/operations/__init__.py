"""What operators look at: health, metrics, and the commands that need no Celery."""
