"""A task that takes its time, for workers that are to be disturbed: ``celery -A`` this module."""

import time
from pathlib import Path

from workers.app import app

__all__ = ["app", "nap"]


@app.task
def nap(note: str, seconds: float) -> None:
    """Write a first word, sleep, and write the last one."""
    path = Path(note)
    path.write_text("begun")
    time.sleep(seconds)
    path.write_text("done")
