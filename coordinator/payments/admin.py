"""Payments in the admin site, to look at: only `record_change` writes them."""

from django.contrib import admin
from django.http import HttpRequest

from coordinator.payments.amounts import in_words
from coordinator.payments.models import Payment


@admin.register(Payment)
class PaymentAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Search by any identifier, filter by state; nothing can be added, changed or deleted."""

    list_display = (
        "number",
        "state",
        "revision",
        "lms_user_id",
        "asked_for",
        "received",
        "given_back",
        "occurred_at",
        "changed_at",
    )
    list_filter = ("state", "provider", "currency")
    search_fields = ("number", "upstream_id", "lms_user_id", "order_reference")
    ordering = ("-changed_at",)
    show_full_result_count = False

    def has_add_permission(self, _: HttpRequest) -> bool:
        """Return False: a payment comes from the provider."""
        return False

    def has_change_permission(self, _: HttpRequest, __: Payment | None = None) -> bool:
        """Return False: an edit here would be a state that no pointer and no entry follows."""
        return False

    def has_delete_permission(self, _: HttpRequest, __: Payment | None = None) -> bool:
        """Return False: erasing is a command, which takes log and cache along."""
        return False

    @admin.display(description="amount", ordering="amount")
    def asked_for(self, payment: Payment) -> str:
        """Return what was asked for, as people write it."""
        return in_words(payment.amount, payment.currency)

    @admin.display(description="received", ordering="amount_received")
    def received(self, payment: Payment) -> str:
        """Return what was received, as people write it."""
        return in_words(payment.amount_received, payment.currency)

    @admin.display(description="refunded", ordering="amount_refunded")
    def given_back(self, payment: Payment) -> str:
        """Return what was given back, as people write it."""
        return in_words(payment.amount_refunded, payment.currency)
