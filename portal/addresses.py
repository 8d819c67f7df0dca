"""Callers' addresses, as what is counted by them wants them."""

import ipaddress

IPV6_PREFIX = 64  # one subscriber has a whole /64 to send from (RFC 6177; reference/messaging.md 5.2)


def neighbourhood(address: str | None) -> str:
    """Return what to count a caller by: an IPv4 address as it is, of an IPv6 address its /64; empty when unknown."""
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))
