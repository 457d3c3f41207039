"""The addresses of this app."""

from django.urls import URLPattern, URLResolver, path

from coordinator.operations import probes

# `probes.answer_probes` answers these long before; here for those who bring a session.
urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", probes.healthz, name="healthz"),
    path("readyz", probes.readyz, name="readyz"),
    path("metrics", probes.metrics, name="metrics"),
]
