#!/usr/bin/env python
"""Runs Django's commands for this project."""

import os
import sys


def main() -> None:
    """Run the command named on the command line, by default with a checkout's settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tools.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
        from django.db import Error
        from environs import EnvError
    except ImportError as error:
        raise SystemExit(
            "The project's packages are not installed for this interpreter. `make run` makes a "
            "virtual environment and runs in it; `.venv/bin/python manage.py` uses that one."
        ) from error
    try:
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, EnvError) as error:
        # Somebody set something wrong: the sentence helps, the way there doesn't.
        if "--traceback" in sys.argv:
            raise
        raise SystemExit(f"error: {error}") from error
    except Error as error:
        # From a command of Django's own: ours tell it themselves.
        from coordinator.operations.database_trouble import sentence

        said = sentence(error)
        if said is None or "--traceback" in sys.argv:
            raise
        raise SystemExit(f"error: {said}") from error


if __name__ == "__main__":
    main()
