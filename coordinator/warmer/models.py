"""Tables of the warmer: the kill switches, watermarks of long work, findings of `verify`."""

from django.db import models
from django.utils import timezone

from coordinator.ledger.transactions import run_again


class Switch(models.Model):
    """How one kill switch is thrown: the truth that the shared cache only carries."""

    name = models.CharField(max_length=32, primary_key=True)
    position = models.CharField(max_length=32)
    changed_at = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField(
        null=True, blank=True, help_text="From then on the setting holds again; empty: no end."
    )
    changed_by = models.CharField(max_length=150, blank=True)
    reason = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.position}"


class Watermark(models.Model):
    """How far a piece of long work has come, so that it goes on from there."""

    name = models.CharField(max_length=200, primary_key=True)
    reached_at = models.DateTimeField(null=True, blank=True)
    position = models.BigIntegerField(default=0)
    saved_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.name} at {self.reached_at or self.position}"

    @classmethod
    @run_again
    def reach(cls, name: str, **columns: object) -> None:
        """Set these columns of the watermark `name`, which is made if there is none."""
        cls._default_manager.update_or_create(name=name, defaults=columns)


class Finding(models.Model):
    """One mismatch that verifying found, kept as evidence: which fields differ, never a payload."""

    class Between(models.TextChoices):
        """Which two of the three did not agree."""

        ENTRY = "entry", "entry and upstream"
        LEDGER = "ledger", "ledger and upstream"

    found_at = models.DateTimeField(default=timezone.now, db_index=True)
    resource = models.CharField(max_length=64)
    identifier = models.CharField(max_length=64)
    revision = models.PositiveBigIntegerField()
    between = models.CharField(max_length=16, choices=Between.choices)
    entry_etag = models.CharField(max_length=64, blank=True)
    upstream_etag = models.CharField(max_length=64, blank=True)
    entry_age_seconds = models.FloatField(null=True, blank=True)
    differing = models.CharField(max_length=500, help_text="Names of the fields that differ.")
    repaired = models.BooleanField(default=False)

    class Meta:
        ordering = ("-found_at",)

    def __str__(self) -> str:
        return f"{self.resource}.{self.identifier} r{self.revision}: {self.differing}"
