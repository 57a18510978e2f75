"""Which addresses may be connected to: those that everybody can reach, and what the operator allows besides.

A feed's address is written by its owner, its redirects and the answers of the DNS by strangers. None of them may lead
into the network that this program runs in (server-side request forgery).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# The IANA registries of special-purpose addresses (RFC 6890), written down since ``is_global`` differs between versions
# of Python, and takes multicast for global.
_CLOSED = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # behind a carrier's NAT (RFC 6598); the metadata of one cloud
        "127.0.0.0/8",
        "168.63.129.16/32",  # public by number, and the metadata of another cloud
        "169.254.0.0/16",  # the metadata of nearly all others
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_OPEN = IPv6Network("2000::/3")
"""The only part of IPv6 that is given out for all (RFC 4291)."""
_CLOSED_IN_IT = tuple(IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "3fff::/20"))
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""IPv4 behind a NAT64 (RFC 6052)."""


def is_public(address: Address) -> bool:
    """Whether everybody can reach the address. One that holds an IPv4 address is judged by that."""
    inner = _inner(address)
    if isinstance(inner, IPv4Address):
        return not any(inner in network for network in _CLOSED)
    return inner in _OPEN and not any(inner in network for network in _CLOSED_IN_IT)


def may_connect(address: Address, allowed: tuple[Network, ...]) -> bool:
    """Whether the address is public or in one of the networks, by itself or by the IPv4 address that it holds."""
    return is_public(address) or any(each in network for each in {address, _inner(address)} for network in allowed)


def parse_address(text: str) -> Address:
    """Of what ``getaddrinfo`` gives, with or without a scope (``fe80::1%eth0``). Raises ValueError."""
    return ip_address(text.partition("%")[0])


def _inner(address: Address) -> Address:
    """The IPv4 address within: mapped (RFC 4291), of 6to4 (RFC 3056) or NAT64 (RFC 6052); else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address
