"""Another service adopts the wheel: examples/shop, with processes, apps and caches of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
import redis

from coordinator.ledger.models import Change
from tests.servers import MemcachedServer, PostgresServer, RedisServer
from tools.servers.server import HOST, ending_with_us, free_port

pytestmark = pytest.mark.slow

TOP = Path(__file__).resolve().parents[2]
SHOP = TOP / "examples" / "shop"
WITHIN_SECONDS = 30.0

T = TypeVar("T")


def until(look: Callable[[], T]) -> T:
    """Return what `look` finds as soon as it finds something; fail after WITHIN_SECONDS."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)
    return found


def call(url: str, body: object = None, method: str | None = None) -> tuple[int, str, bytes]:
    """Return the status, the X-Cache header and the body that `url` answers with."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers.get("X-Cache", ""), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, "", error.read()
    except urllib.error.URLError:
        return 0, "", b""


def installed(directory: Path) -> Path:
    """Build the wheel, install it into a fresh environment, and return that one's Python."""
    quiet = {"check": True, "capture_output": True, "cwd": TOP}
    build = ["hatchling", "build", "--target", "wheel", "--directory", str(directory)]
    subprocess.run([sys.executable, "-m", *build], **quiet)  # type: ignore[call-overload]
    (wheel,) = directory.glob("*.whl")
    python = directory / "venv" / "bin" / "python"
    uv = [sys.executable, "-m", "uv"]
    make = ["venv", "--quiet", "--python", sys.executable, str(directory / "venv")]
    subprocess.run([*uv, *make], **quiet)  # type: ignore[call-overload]
    install = ["pip", "install", "--quiet", "--python", str(python)]
    pinned = ["--constraint", str(TOP / "requirements" / "base.txt")]
    wanted = [f"coordinator[celery] @ {wheel.as_uri()}", "celery[redis]", "psycopg[binary]"]
    done = subprocess.run(
        [*uv, *install, *pinned, *wanted],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
    )
    assert done.returncode == 0, done.stderr
    return python


@dataclass
class Shop:
    """The shop while it runs."""

    web: str
    fulfilment: str
    python: Path
    directory: Path
    environment: Mapping[str, str]
    redis: RedisServer

    def manage(self, *arguments: str) -> str:
        """Return what ``manage.py`` prints; fail if it fails."""
        done = subprocess.run(
            [str(self.python), "manage.py", *arguments],
            cwd=self.directory,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def change(self, order: str, state: str) -> None:
        """Let the fulfilment service go on to `state`, and send the shop the event."""
        number = f"A-{order}"
        _, _, event = call(f"{self.fulfilment}/orders/{order}", {"number": number, "state": state})
        status, _, body = call(f"{self.web}/events", json.loads(event))
        assert status == 204, body

    def pay(self, order: str, state: str) -> None:
        """Let the order's payment go on to `state`, and send the shop the event of the payment."""
        told = {"number": f"P-{order}", "order": order, "state": state}
        _, _, event = call(f"{self.fulfilment}/payments/{order}", told)
        # The shop knows the order by its number, the service by its own name.
        event_of_the_shop = {**json.loads(event), "order": f"A-{order}"}
        status, _, body = call(f"{self.web}/payments/events", event_of_the_shop)
        assert status == 204, body

    def loads(self, order: str) -> int:
        """Return how often the shop has asked for this order."""
        loads: dict[str, int] = json.loads(call(f"{self.fulfilment}/loads")[2])
        return loads.get(f"/orders/{order}", 0)

    def settled(self) -> bool:
        """Return True once no change waits to be settled."""
        where = f"host={HOST} port={self.environment['PGPORT']} user=postgres dbname=postgres"
        unsettled = "outcome = '' OR confirmed_at IS NULL"
        count = f"SELECT count(*) FROM {Change._meta.db_table} WHERE {unsettled}"
        with psycopg.connect(where) as connection:
            return connection.execute(count).fetchone() == (0,)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Install the wheel, and run the shop's web server, worker and beat."""
    directory = tmp_path_factory.mktemp("shop")
    project = directory / "project"
    shutil.copytree(SHOP, project, ignore=shutil.ignore_patterns("__pycache__"))
    python = installed(directory)
    with ExitStack() as stack:
        memcached = stack.enter_context(MemcachedServer())
        broker = stack.enter_context(RedisServer())
        postgres = stack.enter_context(PostgresServer())
        upstream, web = free_port(), free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "SHOP_BROKER": f"redis://{broker.address}/0",
            "SHOP_CACHE": f"redis://{broker.address}/1",
            "SHOP_MEMCACHED": memcached.address,
            "PGHOST": HOST,
            "PGPORT": str(postgres.port),
            "PGUSER": "postgres",
            "PGDATABASE": "postgres",
            "FULFILMENT_URL": f"http://{HOST}:{upstream}",
        }
        running = Shop(
            f"http://{HOST}:{web}",
            f"http://{HOST}:{upstream}",
            python,
            project,
            environment,
            broker,
        )
        running.manage("makemigrations", "orders", "payments")
        running.manage("migrate")
        celery = ["-m", "celery", "-A", "shop"]
        beat = ["beat", "--schedule", str(directory / "beat")]
        worker = ["worker", "--queues", "shop,settle,warm", "--concurrency", "2"]
        for arguments in (
            ["fulfilment.py", str(upstream)],
            ["manage.py", "runserver", "--noreload", f"{HOST}:{web}"],
            [*celery, *worker, "--without-gossip", "--without-mingle"],
            [*celery, *beat],
        ):
            log = stack.enter_context((directory / "log").open("ab"))
            process = subprocess.Popen(
                [*ending_with_us("TERM"), str(python), *arguments],
                cwd=project,
                env=environment,
                stdout=log,
                stderr=log,
            )
            stack.callback(_end, process)
        try:
            until(lambda: call(f"{running.web}/receipts/none")[0])
            until(lambda: call(f"{running.fulfilment}/loads")[0])
            # Its first task: from here on a worker and its queues are there.
            running_receipt(running, "first")
        except AssertionError:
            pytest.fail((directory / "log").read_text()[-4000:], pytrace=False)
        yield running


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def running_receipt(shop: Shop, number: str) -> Any:
    """Order a receipt, and return what the shop's own task left in its own cache."""
    assert call(f"{shop.web}/receipts/{number}", method="POST")[0] == 202

    def printed() -> bytes | None:
        status, _, body = call(f"{shop.web}/receipts/{number}")
        return body if status == 200 else None

    return json.loads(until(printed) or b"")


def test_a_change_is_warm_before_anyone_asks_and_was_loaded_once(shop: Shop) -> None:
    shop.change("one", "placed")
    until(lambda: shop.loads("one"))
    until(shop.settled)

    status, cache, body = call(f"{shop.web}/orders/A-one")

    assert (status, cache) == (200, "hit")
    assert json.loads(body) == {"number": "A-one", "customer": "ada", "state": "placed"}
    assert shop.loads("one") == 1


def test_no_answer_is_older_than_the_last_change(shop: Shop) -> None:
    for state in ("placed", "packed", "shipped"):
        shop.change("two", state)
        status, _, body = call(f"{shop.web}/orders/A-two")
        assert (status, json.loads(body)["state"]) == (200, state)
    until(shop.settled)
    assert shop.loads("two") == 3
    assert call(f"{shop.web}/orders/A-two")[1] == "hit"


def test_an_order_is_never_older_than_its_payments(shop: Shop) -> None:
    shop.change("paid", "placed")
    until(shop.settled)
    for state in ("due", "paid"):
        shop.pay("paid", state)
        _, _, body = call(f"{shop.web}/orders/A-paid")
        assert json.loads(body)["payments"] == {"P-paid": state}
        until(shop.settled)
        _, cache, body = call(f"{shop.web}/orders/A-paid")
        assert (cache, json.loads(body)["payments"]) == ("hit", {"P-paid": state})
    assert shop.loads("paid") == 3, "once for the order, once for each state of its payment"


def test_an_order_that_no_event_told_of_costs_no_call(shop: Shop) -> None:
    assert call(f"{shop.web}/orders/A-none")[0] == 404
    assert shop.loads("none") == 0


def test_the_hosts_own_task_goes_through_the_hosts_own_queue(shop: Shop) -> None:
    assert running_receipt(shop, "B-1") == {"queue": "shop"}


def test_nothing_of_ours_is_in_the_hosts_own_cache(shop: Shop) -> None:
    running_receipt(shop, "B-2")
    shop.change("three", "placed")
    until(lambda: shop.loads("three"))
    until(shop.settled)
    with redis.Redis.from_url(f"redis://{shop.redis.address}/1") as own:
        keys = sorted(key.decode() for key in own.scan_iter("*"))
    assert keys
    assert all(key.startswith(":1:receipt:") for key in keys), keys


def test_the_system_checks_have_nothing_to_say(shop: Shop) -> None:
    assert "no issues" in shop.manage("check", "--database", "default")


def test_only_what_the_library_needs_was_installed(shop: Shop) -> None:
    code = (
        "from importlib import metadata, util;"
        "print(sorted(d.metadata['Name'] for d in metadata.distributions()));"
        "print([n for n in ('workers', 'tools', 'tests', 'celeryconfig') if util.find_spec(n)])"
    )
    environment = {**shop.environment, "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [str(shop.python), "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    names, ours = done.stdout.splitlines()
    assert ours == "[]"
    for unneeded in ("djangorestframework", "stripe", "PyJWT", "prometheus-client", "environs"):
        assert unneeded.lower() not in names.lower()
