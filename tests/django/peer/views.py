"""The endpoints read and change the session of a request, and answer with JSON.

`/foreign` is for values that only Python can store.
"""

import json
import time
from datetime import datetime, timedelta
from decimal import Decimal

import django
from django.contrib import auth, messages
from django.http import HttpRequest, JsonResponse
from django.middleware.csrf import get_token
from django.urls import path
from django.views.decorators.csrf import csrf_exempt


def health(request: HttpRequest, body: dict):
    return {"ok": True, "impl": f"django {django.get_version()}"}


def untouched(request: HttpRequest, body: dict):
    return {"ok": True}


def get(request: HttpRequest, body: dict):
    key = request.GET["key"]
    return {"present": key in request.session, "value": request.session.get(key)}


def dump(request: HttpRequest, body: dict):
    session = request.session
    items = list(session.items())
    return {
        "items": items,
        "session_key": session.session_key,
        "expiry_age": session.get_expiry_age(),
        "expire_at_browser_close": session.get_expire_at_browser_close(),
    }


def set_item(request: HttpRequest, body: dict):
    request.session[body["key"]] = body["value"]
    return {"ok": True}


def incr(request: HttpRequest, body: dict):
    value = request.session.get(body["key"], 0)
    time.sleep(body.get("ms", 0) / 1000)
    request.session[body["key"]] = value + 1
    return {"value": value + 1}


def del_item(request: HttpRequest, body: dict):
    present = body["key"] in request.session
    if present:
        del request.session[body["key"]]
    return {"present": present}


def clear(request: HttpRequest, body: dict):
    request.session.clear()
    return {"ok": True}


def flush(request: HttpRequest, body: dict):
    request.session.flush()
    return {"ok": True}


def cycle(request: HttpRequest, body: dict):
    request.session.cycle_key()
    return {"ok": True}


def expiry(request: HttpRequest, body: dict):
    match body["value"]:
        case {"timedelta": seconds}:
            value = timedelta(seconds=seconds)
        case {"datetime": text}:
            value = datetime.fromisoformat(text)
        case value:
            pass
    request.session.set_expiry(value)
    return {"ok": True}


def fail(request: HttpRequest, body: dict):
    request.session[body["key"]] = body["value"]
    return JsonResponse({"ok": False}, status=body["status"])


def whoami(request: HttpRequest, body: dict):
    user = request.user
    known = user.is_authenticated
    return {
        "user": user.get_username() if known else None,
        "user_id": str(user.pk) if known else None,
    }


def login(request: HttpRequest, body: dict):
    user = auth.authenticate(request, username=body["username"], password=body["password"])
    if user is None:
        return JsonResponse({"error": "wrong name or password"}, status=401)
    auth.login(request, user)
    return whoami(request, body)


def logout(request: HttpRequest, body: dict):
    auth.logout(request)
    return {"ok": True}


def change_password(request: HttpRequest, body: dict):
    if not request.user.is_authenticated:
        return JsonResponse({"error": "not logged in"}, status=401)
    request.user.set_password(body["password"])
    request.user.save()
    auth.update_session_auth_hash(request, request.user)
    return {"ok": True}


def message(request: HttpRequest, body: dict):
    messages.add_message(
        request, body["level"], body["text"], extra_tags=body.get("extra_tags") or ""
    )
    return {"ok": True}


def list_messages(request: HttpRequest, body: dict):
    found = messages.get_messages(request)
    return {
        "messages": [
            {"level": m.level, "text": m.message, "extra_tags": m.extra_tags} for m in found
        ]
    }


def csrf_token(request: HttpRequest, body: dict):
    return {"token": get_token(request)}


def csrf_protected(request: HttpRequest, body: dict):
    return {"ok": True}


def test_cookie(request: HttpRequest, body: dict):
    if body.get("set"):
        request.session.set_test_cookie()
        return {"ok": True}
    worked = request.session.test_cookie_worked()
    if worked:
        request.session.delete_test_cookie()
    return {"worked": worked}


# A value that a pickled session can contain, but JSON cannot.
FOREIGN = {1: (datetime(2026, 1, 2, 3, 4, 5), Decimal("1.10"), b"bytes", {"a set"})}


def set_foreign(request: HttpRequest, body: dict):
    request.session["foreign"] = FOREIGN
    return {"ok": True}


def get_foreign(request: HttpRequest, body: dict):
    return {"same": request.session.get("foreign") == FOREIGN}


def endpoint(method: str, route: str, view, protected: bool = False):
    def answer(request: HttpRequest):
        if request.method != method:
            return JsonResponse({"error": f"{method} only"}, status=405)
        try:
            body = json.loads(request.body or "{}")
        except ValueError as error:
            return JsonResponse({"error": str(error)}, status=400)
        result = view(request, body)
        return result if isinstance(result, JsonResponse) else JsonResponse(result)

    return path(route, answer if protected else csrf_exempt(answer))


urlpatterns = [
    endpoint("GET", "health", health),
    endpoint("GET", "untouched", untouched),
    endpoint("GET", "get", get),
    endpoint("GET", "dump", dump),
    endpoint("POST", "set", set_item),
    endpoint("POST", "incr", incr),
    endpoint("POST", "slow_incr", incr),
    endpoint("POST", "del", del_item),
    endpoint("POST", "clear", clear),
    endpoint("POST", "flush", flush),
    endpoint("POST", "cycle", cycle),
    endpoint("POST", "expiry", expiry),
    endpoint("POST", "fail", fail),
    endpoint("GET", "whoami", whoami),
    endpoint("POST", "login", login),
    endpoint("POST", "logout", logout),
    endpoint("POST", "change_password", change_password),
    endpoint("POST", "message", message),
    endpoint("GET", "messages", list_messages),
    endpoint("GET", "csrf_token", csrf_token),
    endpoint("POST", "csrf_protected", csrf_protected, protected=True),
    endpoint("POST", "test_cookie", test_cookie),
    endpoint("POST", "set_foreign", set_foreign),
    endpoint("GET", "foreign", get_foreign),
]
