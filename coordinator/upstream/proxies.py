"""Which proxy stands before an upstream, by the environment that other programs read too.

``HTTPS_PROXY`` and ``HTTP_PROXY`` (or ``ALL_PROXY``) name it, ``NO_PROXY`` the hosts that are asked
directly; in lower case as well, which wins. Python's own rules: suffixes of names, no networks.
This machine itself is always asked directly: a proxy's loopback is another one.
"""

from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import (  # type: ignore[attr-defined]  # typeshed leaves out the second
    getproxies_environment,
    proxy_bypass_environment,
)

import urllib3


class Proxy(NamedTuple):
    """A proxy's address without credentials, and the headers that carry those."""

    url: str
    headers: dict[str, str]


def proxy_for(scheme: str, host: str) -> Proxy | None:
    """Return the proxy on the way to `host` (``name:port``), None where there is none.

    Raise ValueError for a proxy that isn't http:// or https://, without a word of its address:
    that may hold a password.
    """
    named = getproxies_environment()
    address = named.get(scheme) or named.get("all")
    if not address or _is_this_machine(host) or proxy_bypass_environment(host, named):
        return None
    parts = urlsplit(address if "://" in address else f"http://{address}")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"the proxy for {scheme} in the environment is no http(s):// address")
    credentials, _, place = parts.netloc.rpartition("@")
    headers: dict[str, str] = {}
    if credentials:
        headers = dict(urllib3.make_headers(proxy_basic_auth=unquote(credentials)))
    return Proxy(urlunsplit((parts.scheme, place, "", "", "")), headers)


def _is_this_machine(host: str) -> bool:
    name = host.rpartition(":")[0].strip("[]")
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
