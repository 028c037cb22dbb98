"""Django's session engines, backed by a peer, which is the program under test.

A class made by `stored` runs Django's session object in this process, with the peer as the store.
A class made by `remote` runs both the session object and the store in the peer. All classes are
called SessionStore, because Django derives the salt of the signatures from the name.

`own` is Django's own class of the same engine. The classes use it to check the signatures and the
cache keys of the peer. Most of Django's tests would not notice a wrong signature or cache key,
because these tests only read what the peer itself has written.
"""

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.middleware import SessionMiddleware
from django.contrib.sessions.models import Session
from django.utils.module_loading import import_string

from line import Line, tag, untag

ENGINES = ("db", "cache", "cached_db", "file", "signed_cookies")


def stored(line: Line, name: str, own: type) -> type:
    class SessionStore(SessionBase):
        def __init__(self, session_key=None):
            ask("check")
            super().__init__(session_key)

        def encode(self, session_dict):
            encoded = ask("encode", data=session_dict)["encoded"]
            agree(own().decode(encoded), session_dict, "the signed data as Django reads them")
            return encoded

        def decode(self, session_data):
            return ask("decode", encoded=session_data)["data"]

        def load(self):
            loaded = ask("load", session_key=self.session_key)
            self._session_key = loaded["session_key"]
            self.modified = self.modified or loaded["modified"]
            return loaded["data"]

        def exists(self, session_key=None):
            return ask("exists", session_key=session_key)["exists"]

        def create(self):
            data = self._get_session(no_load=True)
            self._session_key = ask("create", data=data)["session_key"]
            self.modified = True

        def save(self, must_create=False):
            if self.session_key is None:
                return self.create()
            data = self._get_session(no_load=must_create)
            saved = ask("save", session_key=self.session_key, data=data, must_create=must_create)
            self._session_key = saved["session_key"]

        def delete(self, session_key=None):
            if session_key is None:
                session_key = self.session_key
            if session_key is not None:
                ask("delete", session_key=session_key)

        @classmethod
        def clear_expired(cls):
            ask("clear_expired")

        @classmethod
        async def aclear_expired(cls):
            cls.clear_expired()

        @property
        def cache_key(self):
            key = ask("cache_key", session_key=self._get_or_create_session_key())["cache_key"]
            agree(key, own(self.session_key).cache_key, "the cache key")
            return key

        def _key_to_file(self, session_key=None):
            key = session_key or self._get_or_create_session_key()
            return ask("key_to_file", session_key=key)["path"]

    def ask(op: str, **fields: object):
        return line.ask(op, engine=name, **fields)

    if name == "signed_cookies":
        # The key is the cookie itself, so the store has nothing to create or to delete.
        def create(self):
            self.modified = True

        def save(self, must_create=False):
            data = self._session
            saved = ask("save", session_key=self.session_key, data=data, must_create=must_create)
            self._session_key = saved["session_key"]
            agree(
                own(self.session_key).load(),
                data,
                "the signed cookie as Django reads it",
            )
            self.modified = True

        def delete(self, session_key=None):
            self._session_key = ""
            self._session_cache = {}
            self.modified = True

        async def acycle_key(self):
            self.save()

        SessionStore.create, SessionStore.save, SessionStore.delete = create, save, delete
        SessionStore.cycle_key, SessionStore.acycle_key = save, acycle_key
    return finish(SessionStore, name)


def remote(line: Line, name: str, own: type) -> type:
    class SessionStore(SessionBase):
        handle = None

        def __init__(self, session_key=None):
            self.serializer = import_string(settings.SESSION_SERIALIZER)
            made = line.ask("new", engine=name, session_key=session_key)
            self.handle, self.state = made["handle"], made["state"]

        def __del__(self):
            if self.handle is not None:
                line.dropped.append(self.handle)

        def call(self, method, **args):
            done = line.ask(
                "call", handle=self.handle, method=method, args={k: tag(v) for k, v in args.items()}
            )
            self.state = done["state"]
            return untag(done["result"])

        accessed = property(
            lambda self: self.state["accessed"],
            lambda self, to: self.call("set_accessed", value=to),
        )
        modified = property(
            lambda self: self.state["modified"],
            lambda self, to: self.call("set_modified", value=to),
        )
        session_key = property(lambda self: self.state["session_key"])
        _session_key = property(
            lambda self: self.state["session_key"],
            lambda self, to: self.call("set_session_key", value=to),
        )

        @property
        def _session_cache(self):
            if not self.state["loaded"]:
                raise AttributeError("_session_cache")
            return self.call("peek")

        @_session_cache.deleter
        def _session_cache(self):
            self.call("unload")

        def __getitem__(self, key):
            return self.call("getitem", key=key)

        def __setitem__(self, key, value):
            self.call("set", key=key, value=value)

        def __delitem__(self, key):
            self.call("del", key=key)

        def __contains__(self, key):
            return self.call("has_key", key=key)

        has_key = __contains__

        def get(self, key, default=None):
            return self.call("get", key=key, default=default)

        def pop(self, key, *default, **named):
            return self.call(
                "pop", key=key, **dict(zip(["default"], default, strict=False)), **named
            )

        def setdefault(self, key, value):
            return self.call("setdefault", key=key, value=value)

        def update(self, dict_):
            self.call("update", data=dict_)

        def items(self):
            return [tuple(item) for item in self.call("items")]

        def encode(self, session_dict):
            encoded = self.call("encode", data=session_dict)
            agree(own().decode(encoded), session_dict, "the signed data as Django reads them")
            return encoded

        def decode(self, session_data):
            return self.call("decode", encoded=session_data)

        def set_expiry(self, value):
            self.call("set_expiry", value=value)

        def exists(self, session_key=None):
            return self.call("exists", session_key=session_key)

        def save(self, must_create=False):
            self.call("save", must_create=must_create)

        def delete(self, session_key=None):
            self.call("delete", session_key=session_key)

        def get_expiry_age(self, **kwargs):
            return self.call("get_expiry_age", **kwargs)

        def get_expiry_date(self, **kwargs):
            return self.call("get_expiry_date", **kwargs)

        def _get_new_session_key(self):
            return self.call("new_session_key")

        @property
        def cache_key(self):
            key = self.call("cache_key")
            agree(key, own(self.session_key).cache_key, "the cache key")
            return key

        def _key_to_file(self, session_key=None):
            return self.call("key_to_file", session_key=session_key)

        @classmethod
        def clear_expired(cls):
            line.ask("clear_expired", engine=name)

    def without_arguments(method: str):
        return lambda self: self.call(method)

    for method in (
        "keys",
        "values",
        "clear",
        "is_empty",
        "set_test_cookie",
        "test_cookie_worked",
        "delete_test_cookie",
        "get_expire_at_browser_close",
        "load",
        "create",
        "flush",
        "cycle_key",
    ):
        setattr(SessionStore, method, without_arguments(method))

    def in_async(method: str):
        async def wrapped(self, *args, **kwargs):
            return getattr(self, method)(*args, **kwargs)

        return wrapped

    for method in [name for name in dir(SessionBase) if hasattr(SessionBase, f"a{name}")]:
        setattr(SessionStore, f"a{method}", in_async(method))
    SessionStore.aset = in_async("__setitem__")

    @classmethod
    async def aclear_expired(cls):
        cls.clear_expired()

    SessionStore.aclear_expired = aclear_expired
    return finish(SessionStore, name)


def agree(theirs: object, djangos: object, what: str) -> None:
    if theirs != djangos:
        raise AssertionError(f"{what}: {theirs!r} instead of {djangos!r}")


def finish(store: type, name: str) -> type:
    store.__qualname__ = "SessionStore"
    if name in ("db", "cached_db"):
        store.get_model_class = classmethod(lambda cls: Session)
    if name in ("cache", "cached_db"):

        async def acache_key(self):
            return self.cache_key

        store.acache_key = acache_key
    if name == "file":

        def storage_path(cls):
            # The tests delete this attribute when they change the setting.
            cls._storage_path = settings.SESSION_FILE_PATH
            return cls._storage_path

        store._get_storage_path = classmethod(storage_path)
        made = store.__init__

        def init(self, session_key=None):
            made(self, session_key)
            self._get_storage_path()

        store.__init__ = init
    return store


def middleware(line: Line) -> type:
    class RemoteMiddleware(SessionMiddleware):
        def process_response(self, request, response):
            done = line.ask(
                "process_response",
                handle=request.session.handle,
                request_has_cookie=settings.SESSION_COOKIE_NAME in request.COOKIES,
                status=response.status_code,
                vary=response.headers.get("Vary"),
            )
            request.session.state = done["state"]
            if done["vary"] is not None:
                response.headers["Vary"] = done["vary"]
            for text in done["set_cookie"]:
                response.cookies.load(text)
                lines = [morsel.OutputString() for morsel in response.cookies.values()]
                if text not in lines:
                    raise AssertionError(f"Set-Cookie differs from what Python writes: {text}")
            return response

    return RemoteMiddleware
