"""The JSON messages of every channel, as the real exchange words them.

Whose side is named: in `match` and `last_match` the maker's, in `ticker` the taker's, elsewhere the order's own. `full`
messages are public and name nobody; the `user` ones are the same messages with the subscriber's ids, and for a trade
exactly one of `maker_fee_rate` and `taker_fee_rate`, that of the subscriber's own order. Absent values are left out.

Each public event is one message, whoever gets it. Of a stop order that waits the public learns its id only, of an iceberg what
it shows: the rest is added for the owner, and never changes what a book is built from.
"""

import orjson

from exchange.commands import NIL, Side
from exchange.events import FLAG_AUCTION, FLAG_BY_FUNDS, FLAG_RESTED, FLAG_STOP, DoneReason, EventKind, RejectCode
from exchange.feed.levels import checksum
from exchange.feed.orders import Trade, uuid_text
from exchange.feed.state import MarketState, Published
from exchange.markets import Market
from exchange.money import format_units
from exchange.times import iso

SIDE_NAMES = {Side.BUY: "buy", Side.SELL: "sell"}
OTHER_SIDE = {Side.BUY: "sell", Side.SELL: "buy"}

# API Gateway refuses messages over 128 KB; what stays free is for the fields around the levels.
MAX_LEVEL_BYTES = 120_000

CANCEL_REASONS = {
    DoneReason.CANCELED: "canceled", DoneReason.IOC_REMAINDER: "time in force", DoneReason.NO_LIQUIDITY: "no liquidity",
    DoneReason.SELF_TRADE: "self trade prevention", DoneReason.FILL_LIMIT: "fill limit", DoneReason.EXPIRED: "expired",
    DoneReason.LEVEL_FULL: "level full"}


def dump(message: dict) -> str:
    return orjson.dumps(message).decode()


# --- full, matches and user

def public_message(market: Market, item: Published, time: str) -> dict:
    """The `full` message of a public event."""
    event = item.event
    head = {"type": "", "time": time, "product_id": market.id, "sequence": event.sequence}
    if event.kind == EventKind.TRADE:
        return head | _match(market, item)
    head["order_id"] = uuid_text(event.order_id)
    told = _TELL[event.kind](market, item, item.new)
    if _is_private(item):
        return head | {name: told[name] for name in _OF_THE_PRIVATE if name in told}
    if event.side in SIDE_NAMES:
        head["side"] = SIDE_NAMES[event.side]
    if told["type"] == "received" and item.order.client_oid != NIL.bytes:
        head["client_oid"] = uuid_text(item.order.client_oid)  # by which its owner may look for it, as at Coinbase
    return head | told


def user_message(market: Market, message: dict, item: Published, *, account: int, user_id: str, profile_id: str) -> dict:
    """`message` as the owner of one of its orders sees it."""
    mine = {"user_id": user_id, "profile_id": profile_id}
    order = item.order
    if item.maker is not None:
        if item.maker.account == account:
            order = item.maker
            mine |= {"maker_user_id": user_id, "maker_profile_id": profile_id,
                     "maker_fee_rate": format_units(order.maker_fee_ppm, 6)}
        else:
            mine |= {"taker_user_id": user_id, "taker_profile_id": profile_id,
                     "taker_fee_rate": format_units(order.taker_fee_ppm, 6)}
    elif _is_private(item):
        mine |= {"private": True, **_owners_own(market, item)}
    elif order.display:
        mine |= _whole(market, item)
    if order.client_oid != NIL.bytes:
        mine["client_oid"] = uuid_text(order.client_oid)
    return message | mine


def amend_rejected(market: Market, item: Published, *, user_id: str, profile_id: str) -> dict:
    """What the owner of an amend that the engine refused is told: the order stands as it was. It has no `sequence`, because it
    is no event of the market."""
    event, order = item.event, item.order
    message = {"type": "amend_rejected", "time": iso(item.at_ms), "product_id": market.id,
               "order_id": uuid_text(event.order_id), "reject_reason": _reject_reason(event.code), "user_id": user_id,
               "profile_id": profile_id}
    if event.price_ticks:
        message["new_price"] = market.format_price(event.price_ticks)
    if event.size_lots:
        message["new_size"] = market.format_size(event.size_lots)
    return message if order.client_oid == NIL.bytes else message | {"client_oid": uuid_text(order.client_oid)}


def _reject_reason(code: int) -> str:
    return RejectCode(code).name.lower() if code in RejectCode._value2member_map_ else "rejected"


def _is_private(item: Published) -> bool:
    """Whether the event is of a stop order that waits, or that was refused."""
    event = item.event
    if event.kind == EventKind.REJECTED:
        return item.order.is_stop
    return bool(event.flags & FLAG_STOP) and event.kind != EventKind.TRIGGERED


# What the public is told of a private event, beside its order's id.
_OF_THE_PRIVATE = ("type", "reason", "cancel_reason", "reject_reason", "duplicate")


def _owners_own(market: Market, item: Published) -> dict:
    """What only the owner learns of a waiting or refused stop order."""
    event, order = item.event, item.order
    mine = _TELL[event.kind](market, item, event.size_lots)
    if event.side in SIDE_NAMES:
        mine["side"] = SIDE_NAMES[event.side]
    if event.kind == EventKind.ACCEPTED:
        mine |= {"stop_type": "entry" if order.stop_entry else "loss",
                 "stop_price": market.format_price(order.stop_price_ticks),
                 "timestamp": f"{item.at_ms // 1000}.{item.at_ms % 1000:03}000"}
    return mine


def _whole(market: Market, item: Published) -> dict:
    """What only the owner learns of an iceberg: its whole size, or how much of it is hidden while it rests."""
    event = item.event
    if event.kind in (EventKind.ACCEPTED, EventKind.TRIGGERED, EventKind.DONE, EventKind.REJECTED):
        return _TELL[event.kind](market, item, event.size_lots)
    if event.kind == EventKind.OPENED:
        return {"hidden_size": market.format_size(event.remaining)}
    if event.flags & FLAG_RESTED:
        return {"hidden_size": market.format_size(event.size_lots - item.new)}
    return {}


def _match(market: Market, item: Published) -> dict:
    event = item.event
    message = {"type": "match", "trade_id": event.trade_id, "maker_order_id": uuid_text(event.maker_order_id),
               "taker_order_id": uuid_text(event.order_id), "side": SIDE_NAMES[event.side],
               "size": market.format_size(event.size_lots), "price": market.format_price(event.price_ticks)}
    return message | {"auction": True} if event.flags & FLAG_AUCTION else message


# One per kind of event: (market, item, lots that may be told) -> the fields of its message.

def _received(market: Market, item: Published, lots: int) -> dict:
    waits = item.event.kind == EventKind.ACCEPTED and item.event.flags & FLAG_STOP
    return {"type": "activate" if waits else "received", **_ordered(market, item, lots, item.event.remaining)}


def _open(market: Market, item: Published, lots: int) -> dict:
    return {"type": "open", "price": market.format_price(item.event.price_ticks),
            "remaining_size": market.format_size(item.event.size_lots)}


def _done(market: Market, item: Published, lots: int) -> dict:
    event = item.event
    message = {"type": "done", "reason": "filled" if event.code == DoneReason.FILLED else "canceled"}
    if not item.order.is_market:
        message |= {"price": market.format_price(event.price_ticks), "remaining_size": market.format_size(lots)}
    if event.code != DoneReason.FILLED:
        message["cancel_reason"] = CANCEL_REASONS.get(event.code, "canceled")
    return message


def _reduced(market: Market, item: Published, lots: int) -> dict:
    message = {"type": "change", "reason": "STP"}
    if item.event.flags & FLAG_BY_FUNDS:
        message |= {"old_funds": market.format_value(item.old), "new_funds": market.format_value(item.new)}
    else:
        message |= {"old_size": market.format_size(item.old), "new_size": market.format_size(item.new)}
    if not item.order.is_market:
        message["price"] = market.format_price(item.event.price_ticks)
    return message


def _amended(market: Market, item: Published, lots: int) -> dict:
    """Sizes are those on the book: an order that lost its place is off it, until its own `open` says otherwise."""
    old_price = market.format_price(item.price_ticks)
    return {"type": "change", "reason": "modify_order", "price": old_price,
            "old_size": market.format_size(item.old), "new_size": market.format_size(item.new),
            "old_price": old_price, "new_price": market.format_price(item.event.price_ticks)}


def _rejected(market: Market, item: Published, lots: int) -> dict:
    """A refused order is done at once, and canceled: clients know no third end (docs/adr/0022). A repeat of an order that rests
    or waits is not: that order lives on, so its repeat is told as what it is, a second `received` or `activate`, which changes
    no book."""
    event, order = item.event, item.order
    if event.code == RejectCode.DUPLICATE_ORDER_ID:
        return {"type": "activate" if order.is_stop else "received", "duplicate": True,
                **_ordered(market, item, lots, order.funds)}
    message = {"type": "done", "reason": "canceled", "cancel_reason": "rejected", "reject_reason": _reject_reason(event.code)}
    if not order.is_market:
        message |= {"price": market.format_price(event.price_ticks), "remaining_size": market.format_size(lots)}
    return message


def _ordered(market: Market, item: Published, lots: int, funds: int) -> dict:
    """What an order asks for."""
    if not item.order.is_market:
        return {"order_type": "limit", "size": market.format_size(lots), "price": market.format_price(item.price_ticks)}
    if lots:
        return {"order_type": "market", "size": market.format_size(lots)}
    return {"order_type": "market", "funds": market.format_value(funds)}


_TELL = {
    EventKind.ACCEPTED: _received, EventKind.TRIGGERED: _received, EventKind.OPENED: _open, EventKind.DONE: _done,
    EventKind.REDUCED: _reduced, EventKind.AMENDED: _amended, EventKind.REJECTED: _rejected}


def last_match(market: Market, trade: Trade) -> dict:
    return {"type": "last_match", "trade_id": trade.trade_id, "maker_order_id": uuid_text(trade.maker_order_id),
            "taker_order_id": uuid_text(trade.taker_order_id), "side": SIDE_NAMES[trade.side],
            "size": market.format_size(trade.lots), "price": market.format_price(trade.price_ticks),
            "product_id": market.id, "sequence": trade.sequence, "time": iso(trade.at_ms)}


# --- level 2

def snapshot_messages(market: Market, state: MarketState) -> list[dict]:
    """The whole book at the cursor: one `snapshot`, and where that would be too long, `l2update`s with the levels farther
    from the touch. All of them carry the cursor's sequence."""
    bids = [[market.format_price(price), market.format_size(lots)] for price, lots, _ in state.bids.best()]
    asks = [[market.format_price(price), market.format_size(lots)] for price, lots, _ in state.asks.best()]
    head = {"product_id": market.id, "time": iso(state.at_ms), "sequence": state.sequence,
            "checksum": checksum(market, state.bids, state.asks)}
    first_bids, bids = _cut(bids, MAX_LEVEL_BYTES // 2)
    first_asks, asks = _cut(asks, MAX_LEVEL_BYTES // 2)
    messages = [{"type": "snapshot", **head, "bids": first_bids, "asks": first_asks}]
    rest = [["buy", *level] for level in bids] + [["sell", *level] for level in asks]
    while rest:
        changes, rest = _cut(rest, MAX_LEVEL_BYTES)
        messages.append({"type": "l2update", **head, "previous_sequence": state.sequence, "changes": changes})
    return messages


def level_updates(market: Market, state: MarketState, changed: set[tuple[int, int]],
                  previous_sequence: int) -> list[dict]:
    """The levels in `changed` as they stand at the cursor. Nearly always one message; a batch that moved thousands of
    levels is cut, and only its last part has the book's checksum."""
    rest = [[SIDE_NAMES[side], market.format_price(price), market.format_size(state.side(side).get(price)[0])]
            for side, price in sorted(changed)]
    messages = []
    while True:
        changes, rest = _cut(rest, MAX_LEVEL_BYTES)
        message = {"type": "l2update", "product_id": market.id, "time": iso(state.at_ms), "sequence": state.sequence,
                   "previous_sequence": previous_sequence, "changes": changes}
        messages.append(message)
        previous_sequence = state.sequence
        if not rest:
            message["checksum"] = checksum(market, state.bids, state.asks)
            return messages


# --- ticker

def ticker(market: Market, state: MarketState) -> dict | None:
    """The last trade with the touch and the figures at the cursor; None before the first trade."""
    trade = state.last_trade
    if trade is None:
        return None
    figures = state.statistics.figures(state.at_ms)
    price = market.format_price
    message = {"type": "ticker", "sequence": state.sequence, "product_id": market.id, "price": price(trade.price_ticks)}
    if figures.open is not None:
        message |= {"open_24h": price(figures.open), "low_24h": price(figures.low), "high_24h": price(figures.high)}
    message |= {"volume_24h": market.format_size(figures.lots), "volume_30d": market.format_size(figures.lots_30d)}
    for name, levels in (("best_bid", state.bids), ("best_ask", state.asks)):
        for ticks, lots, _ in levels.best(1):
            message |= {name: price(ticks), f"{name}_size": market.format_size(lots)}
    return message | {"side": OTHER_SIDE[trade.side], "time": iso(trade.at_ms), "trade_id": trade.trade_id,
                      "last_size": market.format_size(trade.lots)}


# --- heartbeat and status

def heartbeat(market: Market, state: MarketState, at_ms: int) -> dict:
    """`at_ms`: the clock's, not the journal's: it goes on while nothing is traded."""
    return {"type": "heartbeat", "sequence": state.sequence, "product_id": market.id, "time": iso(at_ms),
            "last_trade_id": state.last_trade.trade_id if state.last_trade else 0}


def status(products: list[dict], currencies: list[dict]) -> dict:
    """The rows of `/products` and `/currencies`."""
    return {"type": "status", "products": products, "currencies": currencies}


def error_message(message: str, reason: str) -> dict:
    return {"type": "error", "message": message, "reason": reason}


def _cut(levels: list[list[str]], limit_bytes: int) -> tuple[list[list[str]], list[list[str]]]:
    """As many of the levels as fit `limit_bytes` of JSON, and the others."""
    size = 0
    for index, level in enumerate(levels):
        size += sum(map(len, level)) + 3 * len(level) + 3
        if size > limit_bytes:
            return levels[:index], levels[index:]
    return levels, []
