"""One HTTP request over a pooled connection: bounded in time and in size, never repeated.

The pool belongs to one process and one base URL. It holds at most ``COORDINATOR_UPSTREAM_POOL``
connections; a call that finds all of them busy waits, within the call's time.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import urllib3
from urllib3 import exceptions
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.response import BaseHTTPResponse

from coordinator.upstream import conf
from coordinator.upstream.answers import Answer
from coordinator.upstream.deadlines import Deadline, PlainConnection, TLSConnection, ending_at
from coordinator.upstream.errors import (
    UpstreamBadAnswer,
    UpstreamBudgetSpent,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from coordinator.upstream.process import PerProcess
from coordinator.upstream.proxies import proxy_for

_CHUNK_BYTES = 65_536


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = PlainConnection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = TLSConnection


class Transport:
    """Sends single requests to one base URL: scheme, host and port."""

    def __init__(self, base_url: str) -> None:
        """Take a URL, of which scheme, host and port count; raise ValueError if it has none."""
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("an upstream's base URL is http:// or https://, and a host")
        if parts.username or parts.password:
            raise ValueError("an upstream's base URL holds no credentials: send them in a header")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        #: ``host:port``, as it appears in events, logs and keys.
        self.host = f"{parts.hostname}:{port}"
        # What a plain request asks a proxy for is the whole address; TLS goes through a tunnel.
        self._proxy = proxy_for(parts.scheme, self.host)
        self._before_target = self.origin if self._proxy and parts.scheme == "http" else ""
        self._pool = PerProcess(self._make_pool)

    def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | str | None,
        *,
        deadline: Deadline,
        settings: conf.CallSettings,
    ) -> Answer:
        """Return the answer, whatever its status.

        Raise UpstreamTimeout, UpstreamUnavailable or UpstreamBadAnswer if there is none, and
        UpstreamBudgetSpent if no connection became free in time.
        """
        try:
            with ending_at(deadline):
                response = self._pool.get().urlopen(
                    method,
                    self._before_target + target,
                    body=body,
                    headers=dict(headers),
                    # A redirect would carry the credentials wherever it points.
                    redirect=False,
                    # A proxy's pool is asked for addresses of ours, not of its own host.
                    assert_same_host=False,
                    # Whether to repeat is for the client to say, which has budget and breaker.
                    retries=False,
                    preload_content=False,
                    pool_timeout=deadline.bound(None),  # type: ignore[arg-type]  # typed as int, waits for any number of seconds
                    timeout=urllib3.Timeout(
                        connect=deadline.bound(settings.connect_timeout_seconds),
                        read=deadline.bound(settings.read_timeout_seconds),
                    ),
                )
                try:
                    content = _read(response, settings.max_bytes)
                    # HTTPHeaderDict is a mapping from any spelling of a name to its value.
                    return Answer(response.status, response.headers, content)
                finally:
                    _put_back(response)
        except exceptions.EmptyPoolError as error:
            raise UpstreamBudgetSpent("no free connection", retry_after_seconds=1) from error
        except exceptions.NewConnectionError as error:
            # Before its parent, the timeout: a refused connection has not timed out.
            raise UpstreamUnavailable(self._detail(error)) from error
        except (exceptions.TimeoutError, TimeoutError) as error:
            raise UpstreamTimeout(self._detail(error)) from error
        except exceptions.DecodeError as error:
            raise UpstreamBadAnswer(self._detail(error)) from error
        except (exceptions.HTTPError, OSError) as error:
            raise UpstreamUnavailable(self._detail(error)) from error

    def close(self) -> None:
        """Close this process's idle connections; the next request opens new ones."""
        self._pool.get().close()
        self._pool.forget()

    def _make_pool(self) -> HTTPConnectionPool:
        size = conf.call().pool
        manager: urllib3.PoolManager
        if self._proxy is None:
            manager = urllib3.PoolManager(num_pools=1, maxsize=size, block=True)
        else:
            manager = urllib3.ProxyManager(
                self._proxy.url,
                proxy_headers=self._proxy.headers,
                num_pools=1,
                maxsize=size,
                block=True,
            )
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TLSPool}
        return manager.connection_from_url(self.origin)

    def _detail(self, error: Exception) -> str:
        # The kind alone: some of these texts quote the target, and its query with it.
        return f"{type(error).__name__} ({self.host})"


def _read(response: BaseHTTPResponse, max_bytes: int) -> bytes:
    """Return the whole body; raise UpstreamBadAnswer rather than hold more than `max_bytes`."""
    declared = response.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise UpstreamBadAnswer(f"over {max_bytes} bytes")
    chunks: list[bytes] = []
    size = 0
    for chunk in response.stream(_CHUNK_BYTES):
        size += len(chunk)
        if size > max_bytes:
            raise UpstreamBadAnswer(f"over {max_bytes} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _put_back(response: BaseHTTPResponse) -> None:
    """Give the connection back: fit for the next request only if the body was read to its end."""
    if response.connection is not None:
        # Still attached, so something is left to read on it, and nothing will read it.
        response.close()
        response.release_conn()
