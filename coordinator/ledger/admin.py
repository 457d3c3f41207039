"""The change log in the admin: to look at, and to try again what was abandoned."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from coordinator.ledger import queue
from coordinator.ledger.models import UNSETTLED, Change


class Settled(admin.SimpleListFilter):
    """Changes that wait, or whose pointer is not confirmed; and the others."""

    title = "settled"
    parameter_name = "settled"

    def lookups(
        self, request: HttpRequest, model_admin: "admin.ModelAdmin[Change]"
    ) -> list[tuple[str, str]]:
        """Return the choices."""
        return [("no", "unsettled"), ("yes", "settled")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Change]) -> QuerySet[Change]:
        """Return the chosen ones."""
        match self.value():
            case "no":
                return queryset.filter(UNSETTLED)
            case "yes":
                return queryset.exclude(UNSETTLED)
        return queryset


@admin.register(Change)
class ChangeAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Read-only, but for "try again"."""

    list_display = (
        "recorded_at",
        "identifier",
        "state",
        "how_it_ended",
        "reason",
        "seconds",
        "event_type",
        "revision",
        "attempts",
    )
    list_filter = (Settled, "outcome", "resource", "state", "confirm")
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

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Return True for those who may change changes: nothing else of them can be changed."""
        user = request.user
        return user.is_active and user.has_perm("coordinator_ledger.change_change")

    @admin.display(description="outcome", ordering="outcome")
    def how_it_ended(self, change: Change) -> str:
        """Return the outcome; of one without it, that it waits."""
        if not change.outcome:
            return "unsettled"
        return change.outcome if change.settled else f"{change.outcome}, unconfirmed"

    @admin.display(description="seconds", ordering="ended_at")
    def seconds(self, change: Change) -> str:
        """Return how long after its recording the outcome was known."""
        if change.ended_at is None:
            return "-"
        return f"{(change.ended_at - change.recorded_at).total_seconds():.3f}"

    @admin.action(description="Try the abandoned ones again", permissions=["retry"])
    def try_again(self, request: HttpRequest, changes: QuerySet[Change]) -> None:
        """Put the selected abandoned changes back into the queue."""
        count = queue.retry(changes.values_list("pk", flat=True))
        self.message_user(request, f"{count} put back into the queue.")
