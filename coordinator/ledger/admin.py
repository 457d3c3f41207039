"""The change log in the admin: to look at, and to try again what was abandoned."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from coordinator.ledger import queue
from coordinator.ledger.models import Change


@admin.register(Change)
class ChangeAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Read-only, but for "try again"."""

    list_display = (
        "recorded_at",
        "resource",
        "identifier",
        "revision",
        "state",
        "event_type",
        "outcome",
        "reason",
        "attempts",
    )
    list_filter = ("outcome", "resource", "state", "confirm")
    search_fields = ("identifier", "event_id", "correlation_id")
    ordering = ("-id",)
    actions = ("try_again",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: only `record_change` writes here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Change | None = None) -> bool:
        """Refuse: the log is append-only."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Change | None = None) -> bool:
        """Refuse: pruning does it, by age."""
        return False

    @admin.action(description="Try the abandoned ones again", permissions=["view"])
    def try_again(self, request: HttpRequest, changes: QuerySet[Change]) -> None:
        """Put the selected abandoned changes back into the queue."""
        count = queue.retry(changes.values_list("pk", flat=True))
        self.message_user(request, f"{count} put back into the queue.")
