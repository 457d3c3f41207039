"""What operators did on the status page: who, what and why, append-only."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class Intervention(models.Model):
    """One action of a member of staff. Never changed, never deleted here."""

    at = models.DateTimeField(default=timezone.now, db_index=True)
    by = models.CharField(max_length=150, help_text="The name of the account.")
    action = models.CharField(max_length=32)
    target = models.CharField(max_length=200, help_text="What it was done to, in words.")
    reason = models.CharField(max_length=200)
    result = models.CharField(max_length=300, blank=True)

    class Meta:
        default_permissions = ("view",)
        permissions: ClassVar = [
            ("view_status", "Can see the status page"),
            ("throw_switch", "Can pause warming and bypass the cache"),
            ("warm_thing", "Can warm one thing, and settle its changes, now"),
            ("verify_thing", "Can verify now"),
            ("ask_upstream", "Can see what upstream says of one thing"),
            ("retry_changes", "Can try abandoned changes again"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target} by {self.by}"
