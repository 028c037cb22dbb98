"""A peer that runs as a process, and a browser that visits several peers."""

import http.client
import html
import json
import os
import re
import shlex
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

START_SECS = 60
START_TRIES = 3
ANSWER_SECS = 60


class Peer:
    """A process that serves the endpoints over HTTP: `COMMAND --bind 127.0.0.1:PORT`."""

    def __init__(self, command: str, environment: dict[str, str], log: Path):
        self.log = log
        for _ in range(START_TRIES):
            # Another program may take the port before the peer binds it.
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.port = free.getsockname()[1]
            with open(log, "ab") as out:
                self.process = subprocess.Popen(
                    [*shlex.split(command), "--bind", f"127.0.0.1:{self.port}"],
                    env=os.environ | environment,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                )
            if health := self.wait():
                self.impl = health["impl"].split()[0].lower()
                return
        self.stop()
        raise RuntimeError(f"{command} does not answer /health; its log ends:\n{self.tail()}")

    def wait(self) -> dict | None:
        deadline = time.monotonic() + START_SECS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                return self.health()
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
        return None

    def health(self) -> dict:
        return Browser().get(self, "/health").json

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    json: dict
    text: str
    # The Set-Cookie headers, by the name of the cookie.
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def location(self) -> str:
        return next((value for name, value in self.headers if name.lower() == "location"), "")

    @property
    def vary(self) -> str | None:
        return ", ".join(value for name, value in self.headers if name.lower() == "vary") or None


class Browser:
    """One cookie jar. It ignores Domain, Path and Secure, because all peers serve the same site."""

    def __init__(self, **cookies: str):
        self.cookies = dict(cookies)

    def get(self, peer: Peer, path: str, **headers: str) -> Answer:
        return self.request(peer, "GET", path, None, headers)

    def post(self, peer: Peer, path: str, body: object = None, **headers: str) -> Answer:
        return self.request(peer, "POST", path, {} if body is None else body, headers)

    def fill(self, peer: Peer, path: str, shown_at: str | None = None, **fields: object) -> Answer:
        """Submits a form with the CSRF token of the page at `shown_at`, by default `path`."""
        page = self.get(peer, shown_at or path).text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]*)"', page)
        fields["csrfmiddlewaretoken"] = html.unescape(token[1]) if token else ""
        return self.request(peer, "POST", path, urlencode(fields, doseq=True), {})

    def request(
        self, peer: Peer, method: str, path: str, body: object, headers: dict[str, str]
    ) -> Answer:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies and "Cookie" not in headers:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if isinstance(body, str):
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = body.encode()
        elif body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=ANSWER_SECS)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        try:
            content = json.loads(text)
        except ValueError:
            content = {}
        answer = Answer(
            response.status, response.getheaders(), content, text.decode(errors="replace")
        )
        for name, value in answer.headers:
            if name.lower() == "set-cookie":
                self.keep(answer, value)
        return answer

    def keep(self, answer: Answer, text: str) -> None:
        name, _, rest = text.partition("=")
        value, *attributes = [part.strip() for part in rest.split(";")]
        answer.cookies[name] = text
        ages = [int(a.partition("=")[2]) for a in attributes if a.lower().startswith("max-age=")]
        if ages and ages[0] <= 0:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value

    def item(self, peer: Peer, key: str) -> object:
        """Returns the value of one item, or None."""
        return self.get(peer, f"/get?key={quote(key)}").json["value"]

    def items(self, peer: Peer) -> list:
        return self.get(peer, "/dump").json["items"]

    def twin(self) -> "Browser":
        """Returns another browser with a copy of the cookies. Later changes are not shared."""
        return Browser(**self.cookies)


def at_once(*calls) -> list:
    """Runs all calls at the same time and returns their answers in order."""
    answers: list = [None] * len(calls)
    errors: list[Exception] = []

    def run(n: int) -> None:
        try:
            answers[n] = calls[n]()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return answers
