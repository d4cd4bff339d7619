"""The core's hashes in Python, for the naive core: the state hash (`src/hash.h`) and the snapshot's checksum.

An order's share of the state hash covers whatever a later command could tell from it: who it is, its place in the queue
(`opened`, the sequence that gave it its age), what is left and what it has traded. An order with more to it than a plain one
(an iceberg, one with an end, a waiting stop) has its other numbers mixed in by `with_extra`.
"""

import struct

MASK = 2**64 - 1
K0, K1, K2, K3, K4, K5 = (0xA0761D6478BD642F, 0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3, 0x589965CC75374CC3,
                          0x1D8E4E27C47D124F, 0xEB44ACCAB455D165)


def mix(a: int, b: int) -> int:
    """Both halves of the 128-bit product of two 64-bit words, folded."""
    product = a * b
    return (product ^ (product >> 64)) & MASK


def order_hash(order_id: bytes, account: int, side: int, stp: int, flags: int, price_ticks: int, lots: int, opened: int,
               traded: int) -> int:
    """The share of one order in the state hash; `price_ticks` is that of its level, a waiting stop's the stop price."""
    low, high = int.from_bytes(order_id[:8], "little"), int.from_bytes(order_id[8:], "little")
    meta = side | stp << 8 | flags << 16
    identity = mix(low ^ K0, high ^ K1) ^ mix(account ^ K2, opened ^ K3) ^ mix(price_ticks ^ K4, meta ^ K5)
    return mix(identity ^ lots, traded ^ K1)


def with_extra(value: int, hidden: int, display: int, expire_at_ms: int, limit_ticks: int, funds: int, kinds: int) -> int:
    """An order's share with the numbers of its extra record."""
    return mix(value ^ mix(hidden ^ K0, display ^ K2) ^ mix(expire_at_ms ^ K3, limit_ticks ^ K4),
               mix(funds ^ K5, kinds ^ K1))


def state_hash(order_sum: int, order_count: int, sequence: int, last_trade_id: int, at_ms: int, mode: int,
               last_price_ticks: int, low_ticks: int, high_ticks: int, auction_price_ticks: int) -> int:
    """The hash of a whole book; `order_sum` is the sum of its orders' hashes."""
    value = mix(order_sum & MASK ^ K0, order_count ^ K1)
    value = mix(value ^ sequence ^ K2, last_trade_id ^ K3)
    value = mix(value ^ at_ms ^ K4, mode ^ K5)
    value = mix(value ^ last_price_ticks ^ K2, low_ticks ^ K1)
    return mix(value ^ high_ticks ^ K3, auction_price_ticks ^ K0)


def checksum(header: bytes, body: bytes, chains: int) -> int:
    """Over all words of a snapshot; `header` ends before the checksum. The body's words go to the chains in turn, the header to
    the first; the ends of the others are added to it."""
    sums = [K0 ^ (len(header) + 8 + len(body)) ^ chain for chain in range(chains)]
    for (word,) in struct.iter_unpack("<Q", header):
        sums[0] = _checksum_word(sums[0], word)
    for place, (word,) in enumerate(struct.iter_unpack("<Q", body)):
        sums[place % chains] = _checksum_word(sums[place % chains], word)
    for end in sums[1:]:
        sums[0] = _checksum_word(sums[0], end)
    return sums[0]


def _checksum_word(total: int, word: int) -> int:
    total = (total ^ word) * K3 & MASK
    return total ^ total >> 32
