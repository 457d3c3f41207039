"""The addresses of the status page."""

from django.urls import URLPattern, URLResolver, path

from coordinator.operations.status import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.front, name="front"),
    path("status/", views.now, name="status-now"),
    path("status/find/", views.find, name="status-find"),
    path("status/things/<slug:resource>/<str:identifier>/", views.one, name="status-thing"),
    path("status/abandoned/", views.abandoned, name="status-abandoned"),
    path("status/findings/", views.findings, name="status-findings"),
    path("status/upstream/", views.upstream, name="status-upstream"),
    path("status/work/", views.work, name="status-work"),
    path("status/done/", views.interventions, name="status-done"),
    path("status/help/", views.explained, name="status-help"),
    path("status/do/<slug:name>/", views.act, name="status-act"),
]
