"""The service's addresses, and the link that signs staff in: for the embedded run alone."""

from django.urls import include, path

from coordinator.urls import handler400, handler403, handler404, handler500
from tools.embedded.entering import enter

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

urlpatterns = [
    path("enter/<str:token>/", enter, name="enter"),
    path("", include("coordinator.urls")),
]
