"""memcached, PostgreSQL, PgBouncer and nginx, from the system's packages."""

import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

from tools import ROOT
from tools.servers.server import HOST, Server, ServerFailed

_NGINX_PROTOCOLS = ("proxy", "fastcgi", "uwsgi", "scgi")


class MemcachedServer(Server):
    """memcached with 64 MB."""

    program = package = "memcached"
    users = ("nobody",)

    def command(self) -> list[str]:
        """Return the command, without UDP."""
        return [self.executable(), "-l", HOST, "-p", str(self.port), "-U", "0", "-m", "64"]

    def answers(self) -> bool:
        """Return True once it tells its version."""
        return self.exchange(b"version\r\n").startswith(b"VERSION")


class PostgresServer(Server):
    """PostgreSQL with a database cluster of its own, run by another user when we are root."""

    program, package = "postgres", "postgresql"
    users = ("postgres", "nobody")
    #: Its "fast" shutdown; SIGTERM would wait until every client has left.
    stop_signal = signal.SIGINT

    @classmethod
    def executable(cls) -> str:
        """Return the newest installed PostgreSQL's path; Debian keeps them out of PATH."""
        installed = sorted(
            Path("/usr/lib/postgresql").glob("*/bin/postgres"),
            key=lambda path: float(path.parts[-3]),
        )
        return str(installed[-1]) if installed else super().executable()

    @property
    def url(self) -> str:
        """Return the address as DATABASE_URL takes it."""
        return f"postgres://postgres@{self.address}/postgres"

    def prepare(self) -> None:
        """Make the cluster."""
        initdb = Path(self.executable()).with_name("initdb")
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        made = subprocess.run(  # noqa: S603  # PostgreSQL's own program, on our own terms
            [str(initdb), "--pgdata", str(self.directory / "data"), "--no-sync", *options],
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
            **self.privileges(),
        )
        if made.returncode:
            raise ServerFailed(f"initdb failed:\n{made.stdout}{made.stderr}")

    def command(self) -> list[str]:
        """Return the command."""
        # The data need not survive the machine, only the processes that are killed on purpose.
        settings = {
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "listen_addresses": HOST,
            "unix_socket_directories": "",
        }
        return [
            *[self.executable(), "-D", str(self.directory / "data"), "-p", str(self.port)],
            *[part for name, value in settings.items() for part in ("-c", f"{name}={value}")],
        ]

    def answers(self) -> bool:
        """Return True once it takes connections."""
        return takes_connections(self.port, "postgres")


class NginxServer(Server):
    """nginx before the web servers at `upstreams` (``host:port``), with what we deploy it with."""

    program = package = "nginx"
    users = ("www-data", "nobody")
    #: Ends when what it has begun is answered.
    stop_signal = signal.SIGQUIT

    def __init__(self, *upstreams: str, within: Path | None = None) -> None:
        super().__init__(within)
        self._upstreams = upstreams

    @property
    def url(self) -> str:
        """Return the address for a client."""
        return f"http://{self.address}"

    def command(self) -> list[str]:
        """Return the command; its configuration is written now, when the port is known."""
        configuration = self.directory / "nginx.conf"
        configuration.write_text(self._configuration())
        return [self.executable(), "-p", str(self.directory), "-e", "stderr", "-c", "nginx.conf"]

    def answers(self) -> bool:
        """Return True once it answers, which a gateway without servers does too."""
        return self.exchange(b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/")

    def _configuration(self) -> str:
        temporary = "".join(
            f"{kind}_temp_path {kind};" for kind in ("client_body", *_NGINX_PROTOCOLS)
        )
        servers = "".join(f"server {address} max_fails=0;" for address in self._upstreams)
        return f"""
            daemon off; worker_processes 1; pid nginx.pid; error_log stderr warn;
            events {{ worker_connections 1024; }}
            http {{
                access_log off; {temporary}
                upstream coordinator {{ {servers} keepalive 16; }}
                server {{
                    listen {self.address};
                    set $coordinator coordinator;
                    include {ROOT / "containers" / "nginx" / "coordinator.conf"};
                }}
            }}
        """


class PgBouncerServer(Server):
    """PgBouncer in front of a PostgreSQL, which lets any user in without a password.

    `settings` is more of its ``[pgbouncer]`` section, as documentation shows it.
    """

    program = package = "pgbouncer"
    users = ("postgres", "nobody")
    #: Its immediate shutdown.
    stop_signal = signal.SIGTERM

    def __init__(
        self,
        database: PostgresServer,
        user: str,
        settings: str,
        within: Path | None = None,
    ) -> None:
        super().__init__(within)
        self._database = database
        self._user = user
        self._settings = settings

    def command(self) -> list[str]:
        """Write the configuration for this port, and return the command."""
        users = self.directory / "users.txt"
        users.write_text(f'"{self._user}" ""\n')
        configuration = self.directory / "pgbouncer.ini"
        configuration.write_text(
            f"[databases]\n* = host={HOST} port={self._database.port}\n\n"
            f"[pgbouncer]\n{self._settings}\n"
            f"listen_addr = {HOST}\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {users}\n"
        )
        return [self.executable(), str(configuration)]

    def answers(self) -> bool:
        """Return True once it takes connections for the database behind it."""
        return takes_connections(self.port, self._user)


def takes_connections(port: int, user: str) -> bool:
    """Return True if what listens on this port lets `user` into the database ``postgres``."""
    # A start-up packet: PostgreSQL listens before it takes connections, and says so ("E").
    with socket.create_connection((HOST, port), timeout=1) as connection:
        body = b"user\0" + user.encode() + b"\0database\0postgres\0\0"
        connection.sendall((len(body) + 8).to_bytes(4) + (196608).to_bytes(4) + body)
        return connection.recv(1) == b"R"


class MariaDBServer(Server):
    """MariaDB with a data directory of its own, run by another user when we are root."""

    program, package = "mariadbd", "mariadb-server"
    users = ("mysql", "nobody")

    @property
    def database(self) -> dict[str, Any]:
        """Return its entry of Django's DATABASES."""
        return {
            "ENGINE": "django.db.backends.mysql",
            "NAME": "ledger",
            "USER": "root",
            "HOST": HOST,
            "PORT": str(self.port),
        }

    def prepare(self) -> None:
        """Make the data directory."""
        install = Path(self.executable()).parents[1] / "bin" / "mariadb-install-db"
        made = subprocess.run(  # noqa: S603  # MariaDB's own program, on our own terms
            [
                *[str(install), "--no-defaults", "--auth-root-authentication-method=normal"],
                *[f"--datadir={self.directory / 'data'}", "--skip-test-db"],
                # The run's own temporary directory may be closed to the server's user.
                f"--tmpdir={self.directory}",
            ],
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
            **self.privileges(),
        )
        if made.returncode:
            raise ServerFailed(f"mariadb-install-db failed:\n{made.stdout}{made.stderr}")

    def command(self) -> list[str]:
        """Return the command; the data need not survive the machine."""
        return [
            *[self.executable(), "--no-defaults", f"--datadir={self.directory / 'data'}"],
            *[f"--bind-address={HOST}", f"--port={self.port}", f"--tmpdir={self.directory}"],
            *[f"--socket={self.directory / 'socket'}", f"--pid-file={self.directory / 'pid'}"],
            *["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M"],
            *["--character-set-server=utf8mb4", "--collation-server=utf8mb4_bin"],
        ]

    def answers(self) -> bool:
        """Return True once it greets whoever connects."""
        with socket.create_connection((HOST, self.port), timeout=1) as connection:
            # A packet's length and number, and then the protocol's version.
            return connection.recv(5)[4:] == b"\x0a"
