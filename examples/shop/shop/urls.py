"""The shop's addresses."""

from django.urls import path

from core import views as core
from orders import views as orders
from payments import views as payments

urlpatterns = [
    path("orders/<number>", orders.order),
    path("events", orders.event),
    path("payments/events", payments.event),
    path("receipts/<number>", core.receipt),
]
