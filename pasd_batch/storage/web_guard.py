"""Guard of the addresses that HTTP may reach: the public internet, and what is named besides.

A manifest is written by others, and its URIs are opened from inside: a machine's own services, cloud metadata at
169.254.169.254 and private networks must not be reached by them. What counts is the address that is connected to,
after redirects and whatever the name server says from one moment to the next.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import aiohttp
from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver

from pasd_batch.config.storage import network_of
from pasd_batch.storage.errors import InvalidLocation

Address = IPv4Address | IPv6Address

_NAT64 = ip_network("64:ff9b::/96")
_UNICAST = ip_network("2000::/3")
"""Global unicast of IPv6; other ranges carry IPv4 addresses in forms of their own, among others."""
_SERVICES = (ip_network("192.0.0.0/24"), ip_network("168.63.129.16/32"))
"""Protocols' and clouds' own, such as metadata on Oracle's and Azure's, which `is_global` calls public (RFC 6890)."""


@dataclass(frozen=True)
class GuardedClient:
    """Makes HTTP sessions, as fsspec's HTTP file system asks for them, that reach nothing but what they may."""

    allowed_hosts: tuple[str, ...]
    """Host names, addresses and networks that may be reached though they are not public."""

    async def __call__(self, **options: Any) -> aiohttp.ClientSession:
        """A session; call it in its event loop."""
        guard = _Guard(self.allowed_hosts)
        connector = aiohttp.TCPConnector(resolver=_GuardedResolver(guard), socket_factory=guard.socket_to)
        return aiohttp.ClientSession(connector=connector, **options)


class _Guard:
    """Hosts that may be reached, and the addresses that names which are allowed have had."""

    def __init__(self, allowed: Iterable[str]) -> None:
        entries = [_plain_name(entry) for entry in allowed]
        self._networks = [network for entry in entries if (network := network_of(entry)) is not None]
        self._names = {entry for entry in entries if network_of(entry) is None}
        self._known: set[str] = set()

    def allows_name(self, host: str, addresses: Iterable[str]) -> bool:
        """True if the host is named; then its addresses are allowed too."""
        if _plain_name(host) not in self._names:
            return False
        self._known.update(addresses)
        return True

    def refusal(self, address: str) -> str | None:
        """Kind of an address that must not be reached; None: it may be."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return "is written in a form that is not opened"
        allowed = address in self._known or any(parsed in network for network in self._networks)
        return None if allowed else kind_of(_carried(parsed))

    def socket_to(self, target: tuple[Any, ...]) -> socket.socket:
        """A socket for the address that is about to be connected to.

        Raises:
            InvalidLocation: it must not be reached.
        """
        family, kind, protocol, _, address = target
        reason = self.refusal(address[0])
        if reason is not None:
            raise _refused(address[0], reason)
        return socket.socket(family, kind, protocol)


class _GuardedResolver(ThreadedResolver):
    """Names become addresses that may be reached; literal addresses do not come here, but to `socket_to`."""

    def __init__(self, guard: _Guard) -> None:
        super().__init__()
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        if self._guard.allows_name(host, [each["host"] for each in found]):
            return found
        reasons = {each["host"]: self._guard.refusal(each["host"]) for each in found}
        kept = [each for each in found if reasons[each["host"]] is None]
        if not kept and found:
            address, reason = next(iter(reasons.items()))
            raise _refused(host, f"is {address}, which {reason}")
        return kept


async def stay_encrypted(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Middleware of requests for https URIs, which no redirect may lead to plain http.

    Raises:
        InvalidLocation: one does.
    """
    if request.url.scheme == "http":
        raise InvalidLocation(f"{request.url.host}: https is not left for http; name the http address itself")
    return await send(request)


def kind_of(address: Address) -> str | None:
    """Reason why an address is not public; None: it is."""
    if address.is_loopback or address.is_unspecified:
        return "is an address of this machine"
    if address.is_link_local:
        return "is link-local (such as a cloud's metadata service)"
    if address.is_multicast:
        return "is a multicast address"
    outside = address not in _UNICAST if address.version == 6 else any(address in network for network in _SERVICES)
    if outside or not address.is_global:
        return "is an address of a private or reserved network"
    return "is an address of this machine" if _is_own(address) else None


def _carried(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
    if address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return address if inner is None else inner


def _is_own(address: Address) -> bool:
    """True if the address is one of this machine's: it would talk to itself. Nothing is sent."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return ip_address(probe.getsockname()[0]) == address
    except OSError:
        return False  # there is no way to it at all


def _plain_name(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _refused(host: str, reason: str) -> InvalidLocation:
    return InvalidLocation(f"{host} {reason}; if it is meant, name it in storage.allowed_hosts")
