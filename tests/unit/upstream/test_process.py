import os
from threading import Lock, Thread

from coordinator.upstream import UpstreamClient
from coordinator.upstream.process import PerProcess
from tests.unit.upstream.misbehaving import running


def in_a_child(question: str, ask: object) -> bytes:
    """Return what `ask`, called in a forked child, writes; `question` names it in a failure."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, ask())  # type: ignore[operator]
        finally:
            # No clean-up of pytest's in the child.
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(pid, 0)
    assert told, question
    return told


def test_it_is_made_once_and_kept() -> None:
    kept = PerProcess(object)
    assert kept.get() is kept.get()
    first = kept.get()
    kept.forget()
    assert kept.get() is not first


def test_threads_that_come_at_once_get_the_same() -> None:
    kept, seen = PerProcess(object), []
    threads = [Thread(target=lambda: seen.append(kept.get())) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, seen))) == 1


def test_a_forked_child_makes_its_own() -> None:
    kept = PerProcess(os.getpid)
    kept.get()
    theirs = in_a_child("whose", lambda: str(kept.get() == os.getpid()).encode())
    assert theirs == b"True"
    assert kept.get() == os.getpid()


def test_a_lock_that_was_held_at_the_fork_does_not_stop_the_child() -> None:
    kept = PerProcess(Lock)
    with kept._lock:
        assert in_a_child("stuck", lambda: str(bool(kept.get())).encode()) == b"True"


def test_a_forked_child_opens_connections_of_its_own() -> None:
    with running() as upstream:
        client = UpstreamClient(upstream.url)
        client.request("GET", "/parent")
        told = in_a_child("call", lambda: str(client.request("GET", "/child").status).encode())
        assert told == b"200"
        assert client.request("GET", "/parent").status == 200
        client.close()
        assert upstream.connections == 2
        assert [request.target for request in upstream.requests] == ["/parent", "/child", "/parent"]
