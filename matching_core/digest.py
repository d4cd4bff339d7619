"""The core's hashes in Python, for the naive core: the state hash (`src/hash.h`) and the snapshot's checksum."""

import struct

MASK = 2**64 - 1
K0, K1, K2, K3, K4, K5 = (0xA0761D6478BD642F, 0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3, 0x589965CC75374CC3,
                          0x1D8E4E27C47D124F, 0xEB44ACCAB455D165)


def mix(a: int, b: int) -> int:
    """Both halves of the 128-bit product of two 64-bit words, folded."""
    product = a * b
    return (product ^ (product >> 64)) & MASK


def order_hash(order_id: bytes, account: int, side: int, price_ticks: int, lots: int, opened: int) -> int:
    """The share of one resting order in the state hash."""
    low, high = int.from_bytes(order_id[:8], "little"), int.from_bytes(order_id[8:], "little")
    identity = mix(low ^ K0, high ^ K1) ^ mix(account ^ K2, price_ticks ^ K3) ^ mix(opened ^ K4, side ^ K5)
    return mix(identity ^ K1, lots ^ K4)


def state_hash(order_sum: int, order_count: int, sequence: int, last_trade_id: int, at_ms: int, halted: bool) -> int:
    """The hash of a whole book; `order_sum` is the sum of its orders' hashes."""
    value = mix(order_sum & MASK ^ K0, order_count ^ K1)
    value = mix(value ^ sequence ^ K2, last_trade_id ^ K3)
    return mix(value ^ at_ms ^ K4, halted ^ K5)


def checksum(data: bytes) -> int:
    """Over all words of a snapshot but the checksum's own, which `data` leaves out."""
    total = K0 ^ (len(data) + 8)
    for (word,) in struct.iter_unpack("<Q", data):
        total = (total ^ word) * K3 & MASK
        total ^= total >> 32
    return total
