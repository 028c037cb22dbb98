"""The connection to a peer, which is the program under test.

Each request and each reply is a JSON object on one line.
"""

import json
import logging
import shlex
import subprocess
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.exceptions import InvalidSessionKey, SessionInterrupted
from django.core.cache.backends.base import InvalidCacheBackendError
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

ERRORS = {
    error.__name__: error
    for error in (
        CreateError,
        ImproperlyConfigured,
        InvalidCacheBackendError,
        InvalidSessionKey,
        KeyError,
        NotImplementedError,
        RuntimeError,
        SessionInterrupted,
        UpdateError,
        ValueError,
    )
}

# The short names of Django's cache backends in the protocol.
BACKENDS = {
    "django.core.cache.backends.redis.RedisCache": "redis",
    "django.core.cache.backends.memcached.PyMemcacheCache": "memcached",
    "django.core.cache.backends.dummy.DummyCache": "dummy",
    "django.core.cache.backends.locmem.LocMemCache": "locmem",
}

PLAIN_SETTINGS = [
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "USE_TZ",
    "TIME_ZONE",
    "SESSION_COOKIE_NAME",
    "SESSION_COOKIE_AGE",
    "SESSION_COOKIE_DOMAIN",
    "SESSION_COOKIE_PATH",
    "SESSION_COOKIE_SECURE",
    "SESSION_COOKIE_HTTPONLY",
    "SESSION_COOKIE_SAMESITE",
    "SESSION_SAVE_EVERY_REQUEST",
    "SESSION_EXPIRE_AT_BROWSER_CLOSE",
    "SESSION_CACHE_ALIAS",
]


class PeerError(Exception):
    """The peer violates the protocol or does not answer."""


class Line:
    def __init__(self, command: str):
        self.command = command
        self.process = subprocess.Popen(
            shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )
        self.id = 0
        self.configured: dict | None = None
        # The handles of session objects that Python has destroyed. They are dropped before the next
        # request, because a destructor may run in the middle of a request.
        self.dropped: list[int] = []

    def ask(self, op: str, **fields: object):
        # Tests change settings at any time, and not always with a signal, so compare all settings
        # with those that the peer has.
        current = current_settings()
        if current != self.configured:
            self.exchange({"op": "configure", "settings": current})
            self.configured = current
        while self.dropped:
            self.exchange({"op": "drop", "handle": self.dropped.pop()})
        return self.exchange({"op": op, "now": timezone.now().isoformat(), **fields})

    def exchange(self, request: dict):
        self.id += 1
        self.process.stdin.write(json.dumps({"id": self.id, **request}) + "\n")
        self.process.stdin.flush()
        text = self.process.stdout.readline()
        if not text:
            raise PeerError(f"the peer ended with status {self.process.wait()} at {request['op']}")
        reply = json.loads(text)
        if reply.get("id") != self.id:
            raise PeerError(f"the peer answers request {reply.get('id')} instead of {self.id}")
        for entry in reply.get("log", []):
            logging.getLogger(entry["logger"]).log(
                getattr(logging, entry["level"].upper()), entry["message"]
            )
        if error := reply.get("error"):
            raise ERRORS.get(error["type"], PeerError)(error["message"])
        return reply["ok"]

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def current_settings() -> dict:
    path = settings.SESSION_FILE_PATH
    database = settings.DATABASES["default"]
    return {name: getattr(settings, name) for name in PLAIN_SETTINGS} | {
        "SESSION_FILE_PATH": None if path is None else str(path),
        "CACHES": {alias: cache(setting) for alias, setting in settings.CACHES.items()},
        "DATABASE": {
            "vendor": database["ENGINE"].rpartition(".")[2].replace("sqlite3", "sqlite"),
            "name": str(database["NAME"]),
            "user": database.get("USER") or "",
            "password": database.get("PASSWORD") or "",
            "host": database.get("HOST") or "",
            "port": str(database.get("PORT") or ""),
        },
    }


def cache(setting: dict) -> dict:
    """Converts Django's setting of a cache to its form in the protocol."""
    backend = BACKENDS.get(setting["BACKEND"], setting["BACKEND"])
    location = setting.get("LOCATION", "")
    if backend == "memcached" and "//" not in location:
        location = f"memcached://{location}"
    return {
        "backend": backend,
        "location": location,
        "key_prefix": setting.get("KEY_PREFIX", ""),
        "version": setting.get("VERSION", 1),
    }


def cache_setting(cache: dict) -> dict:
    """Converts a cache in the protocol back to Django's setting, for a peer that is Django."""
    names = {short: backend for backend, short in BACKENDS.items()}
    location = cache["location"]
    return {
        "BACKEND": names.get(cache["backend"], cache["backend"]),
        "LOCATION": urlsplit(location).netloc if cache["backend"] == "memcached" else location,
        "KEY_PREFIX": cache["key_prefix"],
        "VERSION": cache["version"],
    }


def tag(value: object) -> object:
    """Returns the value in its JSON form: dates and durations become objects with one member."""
    if isinstance(value, datetime):
        return {"$datetime": value.isoformat()}
    if isinstance(value, timedelta):
        return {"$timedelta_us": value // timedelta(microseconds=1)}
    return value


def untag(value: object) -> object:
    match value:
        case {"$datetime": text}:
            return datetime.fromisoformat(text)
        case {"$timedelta_us": microseconds}:
            return timedelta(microseconds=microseconds)
    return value
