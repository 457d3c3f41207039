"""Stands for the client of the slow service that the real code has."""

CALLS: list[str] = []
ENROLLMENTS: dict[str, dict[str, str]] = {}


def fetch(enrollment_id: str) -> dict[str, str]:
    """Return what the service says of one enrollment."""
    CALLS.append(enrollment_id)
    return ENROLLMENTS[enrollment_id]
