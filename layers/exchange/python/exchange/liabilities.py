"""The Merkle sum tree behind a proof of liabilities.

    leaf    SHA-256(0x00, nonce, account, asset, balance)                   sum: the balance
    inner   SHA-256(0x01, left hash, left sum, right hash, right sum)       sum: both sums

A node is its hash (32 bytes) and its sum (16 bytes, big-endian, in 10^-8). A parent's hash covers the sums of both children, so
no branch can be left out of the total, or be counted as negative, without changing the root. Nodes pair up from the left;
the last one of an odd level goes up as it is. Numbers are unsigned by their encoding.

Pure. `docs/PROOF.md` has the same as a user verifies it; built by `functions/audit_prove_liabilities`.
"""

import hmac
from hashlib import sha256
from uuid import UUID

NODE = 48
SCALE = 8


def nonce_of(secret: bytes, account: UUID, asset: str) -> bytes:
    """16 bytes that nobody can guess who lacks the secret: without them a balance could be found by trying."""
    return hmac.digest(secret, account.bytes + asset.encode(), "sha256")[:16]


def leaf(nonce: bytes, account: UUID, asset: str, balance_units: int) -> bytes:
    """The node of one balance, in 10^-8."""
    amount = balance_units.to_bytes(16, "big")
    return sha256(b"\x00" + nonce + account.bytes + asset.encode().ljust(8, b"\0") + amount).digest() + amount


def parent(left: bytes, right: bytes) -> bytes:
    """The node above two nodes."""
    total = int.from_bytes(left[32:], "big") + int.from_bytes(right[32:], "big")
    return sha256(b"\x01" + left + right).digest() + total.to_bytes(16, "big")


def levels_of(leaves: bytearray) -> list[bytearray]:
    """All levels, each a run of nodes, from the leaves to the root alone. Of no leaves: one empty level."""
    levels = [leaves]
    while len(levels[-1]) > NODE:
        below, above = levels[-1], bytearray()
        paired = len(below) // (2 * NODE) * 2 * NODE
        for start in range(0, paired, 2 * NODE):
            above += parent(bytes(below[start:start + NODE]), bytes(below[start + NODE:start + 2 * NODE]))
        above += below[paired:]
        levels.append(above)
    return levels


def root_of(levels: list[bytearray]) -> bytes:
    """The root's hash; of an empty tree that of nothing."""
    return bytes(levels[-1][:32]) or sha256(b"").digest()


def siblings_of(position: int, leaves: int) -> list[tuple[int, int, str]]:
    """(level, position, side) of each node that a leaf's path needs, from below; `side` is where the sibling stands."""
    path, level = [], 0
    while leaves > 1:
        sibling = position ^ 1
        if sibling < leaves:
            path.append((level, sibling, "left" if sibling < position else "right"))
        position, leaves, level = position // 2, (leaves + 1) // 2, level + 1
    return path
