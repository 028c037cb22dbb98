"""The settings of the Django peer: Django's defaults and the values in the environment."""

import json
import os
from urllib.parse import unquote, urlsplit

import pymysql

pymysql.install_as_MySQLdb()


def database(url: str) -> dict:
    engines = {"sqlite": "sqlite3", "postgres": "postgresql", "mysql": "mysql"}
    parts = urlsplit(url)
    setting = {"ENGINE": f"django.db.backends.{engines[parts.scheme]}"}
    if parts.scheme == "sqlite":
        # Two processes write to the file. A writer waits until the other process has finished.
        options = {"timeout": 30, "transaction_mode": "IMMEDIATE"}
        return setting | {"NAME": parts.path.removeprefix("/"), "OPTIONS": options}
    return setting | {
        "NAME": parts.path.removeprefix("/"),
        "HOST": parts.hostname,
        "PORT": parts.port,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
    }


def cache(url: str) -> dict:
    setting = {
        "KEY_PREFIX": os.environ.get("CACHE_KEY_PREFIX", ""),
        "VERSION": int(os.environ.get("CACHE_VERSION", "1")),
    }
    if url.startswith("redis:"):
        return setting | {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}
    if url.startswith("memcached:"):
        backend = "django.core.cache.backends.memcached.PyMemcacheCache"
        return setting | {"BACKEND": backend, "LOCATION": urlsplit(url).netloc}
    return setting | {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}


ALLOWED_HOSTS = ["*"]
CACHES = {"default": cache(os.environ.get("CACHE_URL", ""))}
DATABASES = {"default": database(os.environ["DB_URL"])}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
]
LOGGING_CONFIG = None
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "views"
SECRET_KEY = os.environ["SECRET_KEY"]
SECRET_KEY_FALLBACKS = json.loads(os.environ.get("SECRET_KEY_FALLBACKS") or "[]")
SESSION_ENGINE = os.environ.get("SESSION_ENGINE", "django.contrib.sessions.backends.db")
SESSION_FILE_PATH = os.environ.get("SESSION_FILE_PATH") or None
TIME_ZONE = "UTC"
USE_TZ = True

globals().update(json.loads(os.environ.get("SETTINGS_JSON") or "{}"))
