"""The product's addresses, and beside them what it is compared with."""

from django.urls import include, path

from bench import views

urlpatterns = [
    path("bench/constant/<str:number>", views.ConstantView.as_view()),
    path("bench/openedx/<str:number>", views.OpenEdxView.as_view()),
    path("bench/django/<str:number>", views.stock_cache),
    path("bench/ours/<str:number>", views.our_cache),
    path("", include("coordinator.urls")),
]
