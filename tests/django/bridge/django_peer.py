"""A peer for run.py with Django's own sessions behind it.

Django's session tests must pass with this peer, and must fail if `--broken` chooses a faulty
variant of Django in mutants.py.
"""

import argparse
import json
import logging
import sys
import warnings
from datetime import datetime
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

sys.path.append(str(Path(__file__).resolve().parent.parent))

import django.conf
import pymysql
from django.conf import settings

pymysql.install_as_MySQLdb()
settings.configure(INSTALLED_APPS=["django.contrib.sessions"], LOGGING_CONFIG=None)
django.setup()

import django.test.signals
from django.contrib.sessions import middleware
from django.contrib.sessions.backends import file
from django.contrib.sessions.middleware import SessionMiddleware
from django.core import signing
from django.core.signals import setting_changed
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

import mutants
from line import cache_setting, tag, untag


class Clock:
    """The time that the current request contains."""

    now = datetime.now().astimezone()

    @classmethod
    def time(cls) -> float:
        return cls.now.timestamp()


class Log(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.entries: list[dict] = []

    def emit(self, record: logging.LogRecord) -> None:
        entry = {
            "logger": record.name,
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        self.entries.append(entry)


class Peer:
    def __init__(self) -> None:
        self.handles: dict[int, object] = {}
        self.made = 0
        self.settings: dict = {}

    def answer(self, request: dict):
        if "now" in request:
            Clock.now = datetime.fromisoformat(request.pop("now"))
        if "engine" in request:
            request["engine"] = import_module(
                f"django.contrib.sessions.backends.{request['engine']}"
            ).SessionStore
        return getattr(self, request.pop("op"))(**request)

    def configure(self, settings: dict) -> None:
        database = settings.pop("DATABASE")
        engine = database.pop("vendor").replace("sqlite", "sqlite3")
        database = {name.upper(): value for name, value in database.items()}
        new = settings | {
            "CACHES": {
                alias: cache_setting(cache) for alias, cache in settings.pop("CACHES").items()
            },
            "DATABASES": {"default": database | {"ENGINE": f"django.db.backends.{engine}"}},
        }
        for name, value in new.items():
            if name not in self.settings or self.settings[name] != value:
                setattr(django.conf.settings, name, value)
                if name == "DATABASES":
                    # Django has no signal for this setting, so replace the connections here.
                    connections.settings = connections.configure_settings(value)
                    for connection in connections.all(initialized_only=True):
                        del connections[connection.alias]
                else:
                    setting_changed.send(sender=Peer, setting=name, value=value, enter=True)
        self.settings = new
        if "_storage_path" in vars(file.SessionStore):
            del file.SessionStore._storage_path

    # The store.

    def check(self, engine) -> None:
        engine()

    def encode(self, engine, data) -> dict:
        return {"encoded": engine().encode(data)}

    def decode(self, engine, encoded) -> dict:
        return {"data": engine().decode(encoded)}

    def load(self, engine, session_key) -> dict:
        session = engine(session_key)
        data = session.load()
        return {"data": data, "session_key": session.session_key, "modified": session.modified}

    def exists(self, engine, session_key) -> dict:
        return {"exists": bool(engine().exists(session_key))}

    def create(self, engine, data) -> dict:
        session = engine()
        session._session_cache = data
        session.create()
        return {"session_key": session.session_key}

    def save(self, engine, session_key, data, must_create) -> dict:
        session = engine(session_key)
        session._session_cache = data
        session.save(must_create=must_create)
        return {"session_key": session.session_key}

    def delete(self, engine, session_key) -> None:
        engine().delete(session_key)

    def clear_expired(self, engine) -> None:
        engine.clear_expired()

    def cache_key(self, engine, session_key) -> dict:
        return {"cache_key": engine(session_key).cache_key}

    def key_to_file(self, engine, session_key) -> dict:
        return {"path": engine()._key_to_file(session_key)}

    # The session object.

    def new(self, engine, session_key) -> dict:
        self.made += 1
        session = self.handles[self.made] = engine(session_key)
        return {"handle": self.made, "state": state(session)}

    def drop(self, handle) -> None:
        del self.handles[handle]

    def call(self, handle, method, args) -> dict:
        session = self.handles[handle]
        args = {name: untag(value) for name, value in args.items()}
        special = getattr(Special, method, None)
        result = special(session, **args) if special else getattr(session, method)(**args)
        if method in ("keys", "values", "items"):
            result = list(result)
        return {"result": tag(result), "state": state(session)}

    # The middleware.

    def process_response(self, handle, request_has_cookie, status, vary) -> dict:
        session = self.handles[handle]
        request, response = HttpRequest(), HttpResponse(status=status)
        request.session = session
        if request_has_cookie:
            request.COOKIES[settings.SESSION_COOKIE_NAME] = "carried"
        if vary is not None:
            response.headers["Vary"] = vary
        response = SessionMiddleware(lambda request: response).process_response(request, response)
        return {
            "set_cookie": [morsel.OutputString() for morsel in response.cookies.values()],
            "vary": response.headers.get("Vary"),
            "state": state(session),
        }


class Special:
    """Methods whose names or arguments in the protocol differ from those in Django."""

    getitem = staticmethod(lambda session, key: session[key])
    set = staticmethod(lambda session, key, value: session.__setitem__(key, value))
    has_key = staticmethod(lambda session, key: key in session)
    update = staticmethod(lambda session, data: session.update(data))
    peek = staticmethod(lambda session: session._session_cache)
    unload = staticmethod(lambda session: session.__delattr__("_session_cache"))
    set_accessed = staticmethod(lambda session, value: setattr(session, "accessed", value))
    set_modified = staticmethod(lambda session, value: setattr(session, "modified", value))
    set_session_key = staticmethod(lambda session, value: setattr(session, "_session_key", value))
    encode = staticmethod(lambda session, data: session.encode(data))
    decode = staticmethod(lambda session, encoded: session.decode(encoded))
    exists = staticmethod(lambda session, session_key: bool(session.exists(session_key)))
    new_session_key = staticmethod(lambda session: session._get_new_session_key())
    cache_key = staticmethod(lambda session: session.cache_key)
    key_to_file = staticmethod(lambda session, session_key: session._key_to_file(session_key))


setattr(Special, "del", staticmethod(lambda session, key: session.__delitem__(key)))


def state(session) -> dict:
    return {
        "session_key": session.session_key,
        "accessed": session.accessed,
        "modified": session.modified,
        "loaded": hasattr(session, "_session_cache"),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--broken", choices=sorted(mutants.MUTANTS))
    broken = arguments.parse_args().broken
    if broken:
        mutants.MUTANTS[broken]()

    warnings.simplefilter("ignore")
    timezone.now = lambda: Clock.now
    signing.time = middleware.time = SimpleNamespace(time=Clock.time)
    log = Log()
    logging.getLogger("django").addHandler(log)
    peer = Peer()
    for text in sys.stdin:
        request = json.loads(text)
        reply = {"id": request.pop("id")}
        log.entries = []
        try:
            reply["ok"] = peer.answer(request)
        except Exception as error:
            message = str(error.args[0]) if isinstance(error, KeyError) else str(error)
            reply["error"] = {"type": type(error).__name__, "message": message}
        if log.entries:
            reply["log"] = log.entries
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
