"""The addresses of this app."""

from django.urls import URLPattern, URLResolver, path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from coordinator.payments.api.views import PaymentEventsView, PaymentsView, PaymentView
from coordinator.payments.webhooks import webhook

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/payments/", PaymentsView.as_view(), name="payments"),
    path("api/v1/payments/<str:number>/", PaymentView.as_view(), name="payment"),
    path(
        "api/v1/payments/<str:number>/events/", PaymentEventsView.as_view(), name="payment-events"
    ),
    path("api/schema/", SpectacularJSONAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("webhooks/<slug:provider>/", webhook, name="webhook"),
]
