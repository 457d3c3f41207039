"""What verifying found, and what members of staff did, in the admin: to look at."""

from django.contrib import admin
from django.http import HttpRequest

from coordinator.operations.models import Intervention
from coordinator.warmer.models import Finding


@admin.register(Finding)
class FindingAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Read-only: evidence."""

    list_display = (
        "found_at",
        "resource",
        "identifier",
        "revision",
        "between",
        "differing",
        "repaired",
    )
    list_filter = ("between", "repaired", "resource")
    search_fields = ("identifier",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: verifying finds them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Finding | None = None) -> bool:
        """Refuse: evidence stays as it was found."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Finding | None = None) -> bool:
        """Refuse: evidence is kept."""
        return False


@admin.register(Intervention)
class InterventionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Read-only: what members of staff did stays as it was written down."""

    list_display = ("at", "by", "action", "target", "reason", "result")
    list_filter = ("action", "by")
    ordering = ("-at",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: only what was done is written down."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Intervention | None = None) -> bool:
        """Refuse: the table is append-only."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Intervention | None = None) -> bool:
        """Refuse: the table is append-only."""
        return False
