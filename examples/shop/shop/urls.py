"""The shop's addresses."""

from django.urls import path

from core import views as core
from orders import views as orders

urlpatterns = [
    path("orders/<number>", orders.order),
    path("events", orders.event),
    path("receipts/<number>", core.receipt),
]
