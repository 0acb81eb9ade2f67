"""The proxy that the environment names for a URL, by the rules of Python's HTTP clients. Pure.

`HTTPS_PROXY` or `HTTP_PROXY` counts, by the scheme of the URL, else `ALL_PROXY`. A name in small
letters wins over one in capitals, also with an empty value. `NO_PROXY` lists hosts that are asked
directly. Hosts on this machine are always asked directly.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import unquote, urlsplit

from supervisor.hosts import is_host

_PORTS: Final = {"http": 80, "https": 443}
_SUPPORTED: Final = ("http", "https")


@dataclass(frozen=True, slots=True)
class ProxySetting:
    """A proxy, with the variable that names it. The URL may have a password."""

    variable: str
    url: str = field(repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts that must not appear in the log."""
        password = urlsplit(self.url).password
        return tuple({password, unquote(password)}) if password else ()


def proxy_for(url: str, environment: Mapping[str, str]) -> ProxySetting | None:
    """The proxy for a URL; None if it is asked directly.

    Raises ValueError with a line for people if the proxy cannot be used.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    variable, value = _named(environment, f"{parts.scheme}_proxy", "all_proxy")
    if not value or _is_local(host):
        return None
    port = parts.port or _PORTS.get(parts.scheme)
    if any(_covers(entry, host, port) for entry in _direct_hosts(environment)):
        return None
    return ProxySetting(variable, _checked(variable, value, host))


def _named(environment: Mapping[str, str], *names: str) -> tuple[str, str]:
    """The first of some variables that has a value, and its value."""
    for name in names:
        variable = name if name in environment else name.upper()
        value = environment.get(variable, "").strip()
        # A web server sets HTTP_PROXY to the header "Proxy" of a request to a CGI program.
        is_forged = variable == "HTTP_PROXY" and "REQUEST_METHOD" in environment
        if value and not is_forged:
            return variable, value
    return "", ""


def _direct_hosts(environment: Mapping[str, str]) -> list[str]:
    return re.split(r"[,\s]+", _named(environment, "no_proxy")[1].lower())


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _covers(entry: str, host: str, port: int | None) -> bool:
    """Whether an entry of NO_PROXY covers a host: a name with its subdomains, or addresses."""
    if entry == "*":
        return True
    if "/" in entry:
        return _is_within(host, entry)
    name = entry.removeprefix("*").lstrip(".")
    if found := re.fullmatch(r"(?:\[(.+)\]|([^:]+)):([0-9]+)", name):
        name = found[1] or found[2]
        if port != int(found[3]):
            return False
    name = name.strip("[]")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _is_within(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False


def _checked(variable: str, value: str, host: str) -> str:
    """The URL of a proxy. A value without a scheme is an HTTP proxy."""
    url = value if ":/" in value else f"http://{value}"
    try:
        parts = urlsplit(url)
        is_url = is_host(parts.hostname or "") and parts.port != 0 and not re.search(r"\s", url)
    except ValueError:
        is_url = False
        parts = urlsplit("")
    if is_url and parts.scheme not in _SUPPORTED:
        raise ValueError(
            f"{variable}: names a {parts.scheme} proxy, which the bot does not support: "
            f"name an HTTP proxy, or add {host} to NO_PROXY"
        )
    if not is_url:
        raise ValueError(
            f"{variable}: is not the URL of a proxy: write it like http://proxy.example.org:3128"
        )
    return url
