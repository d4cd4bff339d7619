"""Address ranges that an API key may be used from: `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`.

An IPv4 address that arrives in its IPv6 form (`::ffff:192.0.2.7`) is the IPv4 address. What is no address is in no range.
"""

from ipaddress import IPv6Address, ip_address, ip_network


def parse_range(text: str) -> str:
    """The range in its usual form; ValueError for what is none, or has bits set behind its prefix."""
    return str(ip_network(text))


def is_within(address: str, ranges: tuple[str, ...]) -> bool:
    """Whether one of the ranges holds the address."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in ip_network(allowed) for allowed in ranges)
