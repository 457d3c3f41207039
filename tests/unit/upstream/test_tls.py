"""The client over TLS, against a server whose certificate was signed by nobody."""

import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_django import Settings

from coordinator.upstream import UpstreamClient
from coordinator.upstream.errors import UpstreamTimeout, UpstreamUnavailable
from tests.unit.upstream.forwarding import ForwardProxy

NAMED = "upstream.test"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"
DRIPPING = b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"


class TLSServer:
    """Answers each request on each connection; `/drip` gets one byte at a time, for ever."""

    def __init__(self, certificate: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listening.getsockname()[1]}"
        self.connections = 0
        self.requests: list[bytes] = []
        self.closing = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self.closing.set()
        # Wakes accept(), which closing alone does not.
        with suppress(OSError), socket.create_connection(self._listening.getsockname(), 1):
            pass
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def _accept(self) -> None:
        while not self.closing.is_set():
            connection, _ = self._listening.accept()
            connection.settimeout(10)
            thread = threading.Thread(target=self._serve, args=(connection,))
            thread.start()
            self._threads.append(thread)

    def _serve(self, plain: socket.socket) -> None:
        # A client that refuses the certificate, or goes away, ends the connection.
        with plain, suppress(OSError), self._context.wrap_socket(plain, server_side=True) as secure:
            self.connections += 1
            while request := secure.recv(65_536):
                self.requests.append(request)
                if not request.startswith(b"GET /drip"):
                    secure.sendall(ANSWER)
                    continue
                secure.sendall(DRIPPING)
                while not self.closing.wait(0.05):
                    secure.sendall(b"x")
                return


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a certificate for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName(NAMED)]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def server(certificate: Path) -> Iterator[TLSServer]:
    """Yield a running server."""
    server = TLSServer(certificate)
    yield server
    server.close()


@pytest.fixture
def client(server: TLSServer) -> Iterator[UpstreamClient]:
    """Yield a client for `server`."""
    client = UpstreamClient(server.url)
    yield client
    client.close()


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the certificate one that this machine trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


def test_a_stranger_learns_nothing(
    client: UpstreamClient, server: TLSServer, settings: Settings
) -> None:
    settings.COORDINATOR_UPSTREAM_RETRIES = 0
    with pytest.raises(UpstreamUnavailable, match="SSLError"):
        client.request("GET", "/", headers={"Authorization": "Bearer secret"})
    assert server.requests == []


@pytest.mark.usefixtures("trusted")
def test_a_trusted_server_is_asked_over_one_connection(
    client: UpstreamClient, server: TLSServer
) -> None:
    assert [client.request("GET", "/").json() for _ in range(3)] == [1, 1, 1]
    assert server.connections == 1


@pytest.mark.usefixtures("trusted")
def test_no_server_keeps_a_call_longer_than_its_time(client: UpstreamClient) -> None:
    began = time.monotonic()
    with pytest.raises(UpstreamTimeout):
        client.request("GET", "/drip", timeout_seconds=0.5)
    assert 0.5 <= time.monotonic() - began < 5


def test_a_proxy_of_the_environment_gets_a_tunnel_and_learns_only_where_it_ends(
    server: TLSServer, trusted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = server.url.rpartition(":")[2]
    with ForwardProxy(int(port)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://us%40er:word@{proxy.address}")
        client = UpstreamClient(f"https://{NAMED}:{port}")
        answers = [client.request("GET", "/secret", headers={"Authorization": "key"})]
        answers.append(client.request("GET", "/secret"))
        client.close()
    assert [answer.body for answer in answers] == [b"1", b"1"]
    [head] = proxy.heads
    assert head.startswith(f"CONNECT {NAMED}:{port} HTTP/1.".encode())
    assert b"Basic dXNAZXI6d29yZA==" in head
    assert b"secret" not in head
    assert b"Authorization: key" in server.requests[0]
    assert b"roxy-" not in server.requests[0]
