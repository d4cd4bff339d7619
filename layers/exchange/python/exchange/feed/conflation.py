"""What may be left out for a connection that messages have piled up for: only what a newer message makes good.

    l2update(5->8) l2update(8->11)    becomes   l2update(5->11), each level with its newest size
    ticker ticker                     becomes   the newer ticker

Nothing else is touched: a message of `full`, `matches` or `user` is an event and never left out. An update moves back to the
place of the one that takes it in, which never brings a book before its trades; it does not pass a snapshot, which starts
anew, nor a heartbeat, which may name nothing that comes later. Called by the pusher, who knows messages as texts only.
"""

from collections.abc import Sequence

import orjson

_UPDATE, _SNAPSHOT, _TICKER = '{"type":"l2update"', '{"type":"snapshot"', '{"type":"ticker"'
_BARRIERS = (_SNAPSHOT, '{"type":"heartbeat"')
_STATES = (_UPDATE, _TICKER, '{"type":"status"', *_BARRIERS)
MAX_UPDATE_BYTES = 120_000


def is_snapshot(text: str) -> bool:
    return text.startswith(_SNAPSHOT)


def is_of_levels(text: str) -> bool:
    return text.startswith((_UPDATE, _SNAPSHOT))


def is_state(text: str) -> bool:
    """Whether the message says what is, not what happened: a later one of its kind makes up for it."""
    return text.startswith(_STATES)


def conflate(texts: Sequence[str]) -> list[str]:
    """The texts, in order, without what a newer one of them makes good."""
    if sum(text.startswith(_UPDATE) for text in texts) < 2 and sum(text.startswith(_TICKER) for text in texts) < 2:
        return list(texts)
    kept: list[str | dict | None] = list(texts)
    updates: dict[str, int] = {}  # product -> where its update stands that the next one may take in
    tickers: dict[str, int] = {}
    for index, text in enumerate(texts):
        if text.startswith(_UPDATE):
            message = orjson.loads(text)
            before = updates.get(message["product_id"])
            if before is not None and _take_in(kept[before], message):
                kept[before] = None
            kept[index] = message
            updates[message["product_id"]] = index
        elif text.startswith(_TICKER):
            product = orjson.loads(text)["product_id"]
            if product in tickers:
                kept[tickers[product]] = None
            tickers[product] = index
        elif text.startswith(_BARRIERS):
            updates.clear()
    return [item if isinstance(item, str) else orjson.dumps(item).decode() for item in kept if item is not None]


def _take_in(older: dict, newer: dict) -> bool:
    """Makes `newer` lead from where `older` starts; False, and nothing changed, for parts of a cut one or one too long."""
    if newer["previous_sequence"] != older["sequence"] or newer["previous_sequence"] == newer["sequence"] \
            or older["previous_sequence"] == older["sequence"] or "checksum" not in older:
        return False
    changes = {(side, price): size for message in (older, newer) for side, price, size in message["changes"]}
    if 32 * len(changes) > MAX_UPDATE_BYTES:
        return False
    newer["changes"] = [[side, price, size] for (side, price), size in changes.items()]
    newer["previous_sequence"] = older["previous_sequence"]
    return True
