"""Django's pages for accounts and staff, and a home page that counts visits like LocalLibrary."""

from django.contrib import admin
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import include, path


def home(request: HttpRequest) -> HttpResponse:
    visits = request.session.get("num_visits", 0) + 1
    request.session["num_visits"] = visits
    return render(request, "home.html", {"visits": visits})


urlpatterns = [
    path("accounts/login/", LoginView.as_view(template_name="admin/login.html")),
    path("accounts/", include("django.contrib.auth.urls")),
    path("admin/", admin.site.urls),
    path("catalog/", home),
]
