"""The root of all addresses; each app declares its own."""

from django.contrib import admin
from django.urls import include, path

from coordinator.web import problems

urlpatterns = [
    path("", include("coordinator.payments.urls")),
    path("", include("coordinator.operations.urls")),
    path("", include("coordinator.operations.status.urls")),
    path("admin/", admin.site.urls),
]

# Unknown addresses and unforeseen errors answer like the rest.
handler400 = problems.handler(400)
handler403 = problems.handler(403)
handler404 = problems.handler(404)
handler500 = problems.handler(500)
