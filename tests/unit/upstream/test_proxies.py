"""The environment's proxy: which upstreams are asked through it, and what it sees."""

from __future__ import annotations

import pytest

from coordinator.upstream import UpstreamClient, proxies
from tests.unit.upstream.forwarding import ForwardProxy
from tests.unit.upstream.misbehaving import Upstream

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the proxies of the machine that tests run on."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("environment", "scheme", "found"),
    [
        ({}, "https", None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "https", "http://proxy:3128"),
        ({"https_proxy": "proxy:3128"}, "https", "http://proxy:3128"),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http", None),
        ({"ALL_PROXY": "https://proxy:3128"}, "https", "https://proxy:3128"),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "api.example.org"}, "https", None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "a.test, .example.org"}, "https", None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "*"}, "https", None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "example.com"}, "https", "http://proxy"),
    ],
)
def test_the_environment_says_which_proxy(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], scheme: str, found: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    proxy = proxies.proxy_for(scheme, "api.example.org:443")
    assert (proxy and proxy.url) == found


@pytest.mark.parametrize("host", ["127.0.0.1:80", "::1:80", "[::1]:80", "localhost:80"])
def test_this_machine_is_asked_directly(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    assert proxies.proxy_for("http", host) is None


def test_a_proxy_of_another_kind_is_refused_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://user:word@proxy:1080")
    with pytest.raises(ValueError, match="no http") as refused:
        UpstreamClient("https://api.example.org")
    assert "word" not in str(refused.value)


def test_a_plain_request_is_asked_for_by_its_whole_address(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = upstream.url.rpartition(":")[2]
    with ForwardProxy(int(port)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.address}")
        client = UpstreamClient(f"http://upstream.test:{port}")
        client.request("GET", "/thing")
        client.close()
    assert proxy.heads[0].startswith(f"GET http://upstream.test:{port}/thing HTTP/1.1".encode())
