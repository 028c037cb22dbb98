"""Faulty variants of Django. Each must fail a check; otherwise the checks prove nothing."""

from collections.abc import Callable
from types import SimpleNamespace

from django.conf import settings
from django.contrib.auth import base_user
from django.contrib.sessions import middleware
from django.contrib.sessions.backends import base, cache, cached_db, db, file, signed_cookies
from django.core import signing
from django.utils.cache import patch_vary_headers

STORES = [store.SessionStore for store in (db, cache, cached_db, file)]


def wrap(owner: object, name: str, make: Callable) -> None:
    setattr(owner, name, make(getattr(owner, name)))


def resurrects() -> None:
    """A save restores a session that was deleted concurrently."""

    def make(save):
        def wrapped(self, must_create=False):
            try:
                return save(self, must_create)
            except base.UpdateError:
                return save(self, must_create=True)

        return wrapped

    for store in (db.SessionStore, cache.SessionStore, file.SessionStore):
        wrap(store, "save", make)


def ignores_expiry() -> None:
    """Sessions do not expire."""

    def row(self):
        found = self.model.objects.filter(session_key=self.session_key).first()
        if found is None:
            self._session_key = None
        return found

    db.SessionStore._get_session_from_db = row
    for store in (cache, cached_db):
        store.SessionStore.get_expiry_age = lambda self, **_: settings.SESSION_COOKIE_AGE + 3600
    wrap(file.SessionStore, "_expiry_date", lambda _: lambda self, data: 3600)

    def loads(*arguments, max_age=None, **named):
        return signing.loads(*arguments, **named)

    signed_cookies.signing = SimpleNamespace(loads=loads, dumps=signing.dumps)


def uses_a_wrong_salt() -> None:
    """Signatures use another salt, and cache keys another prefix."""
    base.SessionBase.key_salt = "cloakroom.sessions.SessionStore"
    for store in (cache, cached_db):
        store.SessionStore.cache_key_prefix = "cloakroom.sessions"
    salt = "cloakroom.sessions.cookies"
    signed_cookies.signing = SimpleNamespace(
        loads=lambda text, **named: signing.loads(text, **named | {"salt": salt}),
        dumps=lambda data, **named: signing.dumps(data, **named | {"salt": salt}),
    )


def adopts_unknown_keys() -> None:
    """A request with an unknown key gets a session under that key."""

    def make(load):
        def wrapped(self):
            key = self.session_key
            data = load(self)
            if self.session_key is None:
                self._session_key = key
            return data

        return wrapped

    for store in STORES:
        wrap(store, "load", make)
    resurrects()


def sorts_items() -> None:
    """Items are returned in alphabetical order."""
    wrap(base.SessionBase, "items", lambda items: lambda self: sorted(items(self)))


def saves_on_errors() -> None:
    """A response with status 500 saves the session and sets the cookie."""

    def make(process):
        def wrapped(self, request, response):
            status, response.status_code = response.status_code, 200
            response = process(self, request, response)
            response.status_code = status
            return response

        return wrapped

    wrap(middleware.SessionMiddleware, "process_response", make)


def varies_always() -> None:
    """Every response varies on the cookie, even if the session was not accessed."""

    def make(process):
        def wrapped(self, request, response):
            response = process(self, request, response)
            patch_vary_headers(response, ("Cookie",))
            return response

        return wrapped

    wrap(middleware.SessionMiddleware, "process_response", make)


def keeps_the_key() -> None:
    """A login keeps the key."""
    base.SessionBase.cycle_key = lambda self: None


def ignores_passwords() -> None:
    """A change of the password does not end sessions."""
    base_user.AbstractBaseUser._get_session_auth_hash = lambda self, secret=None: "0" * 64


def mixes_visitors() -> None:
    """All visitors share their items."""
    base.SessionBase._session_cache = {}


MUTANTS = {
    mutant.__name__: mutant
    for mutant in (
        resurrects,
        ignores_expiry,
        uses_a_wrong_salt,
        adopts_unknown_keys,
        sorts_items,
        saves_on_errors,
        varies_always,
        keeps_the_key,
        ignores_passwords,
        mixes_visitors,
    )
}
