"""What verifying found, in the admin: to look at."""

from django.contrib import admin
from django.http import HttpRequest

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
