"""Creates the databases, caches and folders of one run and drops them afterwards.

The environment names the servers, as for all tests of this repository:
`CLOAKROOM_TEST_POSTGRES_URL` and so on.
"""

import os
import secrets
import tempfile
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
import pymysql
import redis

SERVERS = {
    "postgres": "CLOAKROOM_TEST_POSTGRES_URL",
    "mysql": "CLOAKROOM_TEST_MARIADB_URL",
    "redis": "CLOAKROOM_TEST_REDIS_URL",
    "memcached": "CLOAKROOM_TEST_MEMCACHED_URL",
}


class Places:
    """Returns URLs by kind: sqlite, postgres, mysql, redis, memcached."""

    def __init__(self) -> None:
        self.name = f"django_{secrets.token_hex(6)}"
        self.closing = ExitStack()
        self.folder = Path(
            self.closing.enter_context(tempfile.TemporaryDirectory(prefix="cloakroom-django-"))
        )
        self.made: dict[str, str] = {}

    def __enter__(self) -> "Places":
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.close()

    def missing(self, *kinds: str) -> tuple[str, bool] | None:
        """Returns why one of the kinds is unavailable, and whether this is a failure.

        Returns None if all kinds are available.
        """
        for kind in kinds:
            variable = SERVERS.get(kind)
            if variable and not os.environ.get(variable):
                # An empty variable means that the tests run without this server.
                wanted = (
                    variable not in os.environ and "CLOAKROOM_TEST_REQUIRE_SERVERS" in os.environ
                )
                return f"{variable} names no server", wanted
        return None

    def url(self, kind: str) -> str:
        if kind not in self.made:
            self.made[kind] = getattr(self, kind)()
        return self.made[kind]

    def sqlite(self) -> str:
        return f"sqlite:///{self.folder / 'django.sqlite3'}"

    def postgres(self) -> str:
        server = os.environ[SERVERS["postgres"]]

        def run(sql: str) -> None:
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(sql)

        run(f"CREATE DATABASE {self.name}")
        self.closing.callback(run, f"DROP DATABASE {self.name} WITH (FORCE)")
        return urlsplit(server)._replace(path=f"/{self.name}").geturl()

    def mysql(self) -> str:
        server = urlsplit(os.environ[SERVERS["mysql"]])

        def run(sql: str) -> None:
            with pymysql.connect(
                host=server.hostname,
                port=server.port,
                user=unquote(server.username or ""),
                password=unquote(server.password or ""),
            ) as connection:
                connection.cursor().execute(sql)

        run(f"CREATE DATABASE {self.name} CHARACTER SET utf8mb4")
        self.closing.callback(run, f"DROP DATABASE {self.name}")
        return server._replace(path=f"/{self.name}").geturl()

    def redis(self) -> str:
        return self.redis_database()

    # The Redis key that marks a database as in use.
    claim = "cloakroom-django-tests"

    def redis_database(self) -> str:
        """Claims an empty database of the server. The database is emptied afterwards."""
        server = os.environ[SERVERS["redis"]]
        for number in range(15, 0, -1):
            url = urlsplit(server)._replace(path=f"/{number}").geturl()
            client = redis.Redis.from_url(url)
            if client.dbsize() == 0 and client.set(self.claim, self.name, nx=True):
                self.closing.callback(client.flushdb)
                return url
        raise RuntimeError("every database of the Redis server is in use")

    def memcached(self) -> str:
        return os.environ[SERVERS["memcached"]]

    def files(self) -> str:
        return tempfile.mkdtemp(dir=self.folder)
