"""Heartbeats: a file that a process touches while it gets on with its work, and a look at its age.

``python -m coordinator.operations.heartbeat worker`` ends with 0 if the worker's last beat is
recent, else with 1 and a sentence: a health check for containers that starts neither Django nor
Celery and uses no network. The file is ``<role>`` in ``COORDINATOR_HEARTBEAT_DIR``; the directory
belongs to one process.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

#: The environment's name for the directory, which is a setting as well.
DIRECTORY: Final = "COORDINATOR_HEARTBEAT_DIR"
#: The register in the shared cache of the processes that live: for people, not for health checks.
REGISTER: Final = "processes"
ROLES: Final = ("worker", "beat")
#: What `check` takes for recent: several beats, and the longest that a beat waits for its broker.
MAX_AGE_SECONDS: Final = 60.0


def touch(directory: Path, role: str) -> None:
    """Note that the process in this role lives now; raise OSError if that can't be written."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / role).touch()


def age_seconds(directory: Path, role: str, now: float) -> float | None:
    """Return how long before `now` (seconds since the epoch) the last beat was; None without any.

    Never below 0: a clock that was set back makes no beat come from the future.
    """
    try:
        return max(0.0, now - (directory / role).stat().st_mtime)
    except FileNotFoundError:
        return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if the last beat is recent, else say what is wrong and return 1."""
    parser = argparse.ArgumentParser(
        prog="python -m coordinator.operations.heartbeat",
        description="End with 0 if the process in this role has shown lately that it lives.",
    )
    parser.add_argument("role", choices=ROLES)
    parser.add_argument(
        "--max-age",
        type=float,
        default=MAX_AGE_SECONDS,
        metavar="SECONDS",
        help="how old the last beat may be (%(default)g)",
    )
    given = parser.parse_args(arguments)
    directory = os.environ.get(DIRECTORY, "")
    if not directory:
        return _ill(f"{DIRECTORY} is not set: no heartbeat is written.")
    age = age_seconds(Path(directory), given.role, time.time())
    if age is None:
        return _ill(f"There was no heartbeat of the {given.role} in {directory} yet.")
    if age > given.max_age:
        return _ill(f"The last heartbeat of the {given.role} was {age:.0f} seconds ago.")
    return 0


def _ill(why: str) -> int:
    sys.stderr.write(f"{why}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
