"""rediss:// verifies certificates wherever it is used, unless the address says not to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis as redis_py
from kombu.exceptions import OperationalError

from coordinator.addresses import address
from coordinator.celery import hints
from coordinator.operations.health import broker as health
from coordinator.upstream.permits import Allowance, PermitOutcome
from coordinator.upstream.shared_permits import SharedPermits
from tests.integration.workers.living import says, send, worker
from tests.processes import HOST, free_port
from tests.servers import RedisServer
from tests.support import certificates
from tests.support.brokers import broker
from workers.app import app


@pytest.fixture(scope="module")
def tls(
    tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer
) -> Iterator[tuple[str, Path]]:
    """Yield the address of a Redis with TLS, and who vouches for it."""
    made = certificates.make(tmp_path_factory.mktemp("certificates"))
    port = free_port()
    options = {
        "tls-port": str(port),
        "tls-cert-file": str(made.certificate),
        "tls-key-file": str(made.key),
        "tls-ca-cert-file": str(made.authority),
        "tls-auth-clients": "no",
    }
    with RedisServer(options=options):
        yield f"rediss://{HOST}:{port}/0", made.authority


def publish(url: str) -> bool:
    hints._start_afresh()
    with broker(url):
        sent = hints.send("settle")
    hints._start_afresh()
    return sent


def consume(url: str) -> bool:
    with broker(url), app.connection_for_read() as connection:
        connection.ensure_connection(max_retries=0)
        return True


def ask_health(url: str) -> bool:
    return health.answers(url, 2.0)


def count(url: str) -> bool:
    permits = SharedPermits("tls:443", url, 2.0, 0)
    permits.remaining(1)
    return permits.take("holder", Allowance(0, 1), 1.0).outcome in {
        PermitOutcome.GRANTED,
        PermitOutcome.BUSY,
    }


ALL = [publish, consume, ask_health, count]


def works(use: Callable[[str], bool], url: str) -> bool:
    """Return True if `use` gets through to the Redis at `url`."""
    try:
        return use(address(url))
    except (OperationalError, redis_py.RedisError, OSError):
        return False


@pytest.mark.parametrize("use", ALL)
def test_a_certificate_that_nobody_vouches_for_is_refused(
    use: Callable[[str], bool], tls: tuple[str, Path]
) -> None:
    url, _ = tls
    assert not works(use, url)


@pytest.mark.parametrize("verify", ["required", "CERT_REQUIRED", ""])
@pytest.mark.parametrize("use", ALL)
def test_one_that_the_named_authority_vouches_for_is_taken(
    use: Callable[[str], bool], verify: str, tls: tuple[str, Path]
) -> None:
    url, authority = tls
    said = f"&ssl_cert_reqs={verify}" if verify else ""
    assert works(use, f"{url}?ssl_ca_certs={authority}{said}")


@pytest.mark.parametrize("verify", ["none", "CERT_NONE"])
@pytest.mark.parametrize("use", ALL)
def test_nothing_is_verified_where_the_address_says_so_in_either_spelling(
    use: Callable[[str], bool], verify: str, tls: tuple[str, Path]
) -> None:
    url, _ = tls
    assert works(use, f"{url}?ssl_cert_reqs={verify}")


@pytest.mark.slow
def test_a_worker_takes_its_work_over_tls(tls: tuple[str, Path], tmp_path: Path) -> None:
    url, authority = tls
    verified = address(f"{url}?ssl_ca_certs={authority}")
    with worker(tmp_path, verified, "threads") as running:
        send(verified, tmp_path / "note", 0.0)
        running.until(says(tmp_path / "note", "done"))
