import json
import uuid
from typing import Any

from django.utils import timezone

from coordinator import Event, read, record_change
from enrollments.models import Enrollment
from enrollments.resources import enrollments


def get_cache(enrollment_id: str) -> dict[str, Any] | None:
    found = read(enrollments, enrollment_id)
    return None if found.entry is None else json.loads(found.entry.payload)


def set_cache(enrollment_id: str, value: dict[str, Any]) -> None:
    happened(enrollment_id, {"state": value["status"], "lms_user_id": value["user"]})


def invalidate(enrollment_id: str) -> None:
    happened(enrollment_id, {})


def happened(enrollment_id: str, content: dict[str, Any]) -> None:
    record_change(
        Enrollment,
        Event(
            event_id=uuid.uuid4().hex,
            event_type="enrollment.changed",
            number=enrollment_id,
            upstream_id=enrollment_id,
            occurred_at=timezone.now(),
            content=content,
        ),
    )
