"""The book that the follower builds from events: orders in queues, without any of the cores' code."""

from matching_core.records import Side
from tests.core.known import Known
from tests.core.reach import Notes
from tests.core.snapshots import EXTRA_FIELDS, Snapshot


class FollowedBook(Notes):
    """Orders, queues and figures."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: dict[bytes, Known] = {}
        self.queues: dict[int, dict[int, dict[bytes, Known]]] = {Side.BUY: {}, Side.SELL: {}}
        self.waiting: dict[bytes, Known] = {}
        self.sequence = self.last_trade_id = self.at_ms = self.mode = self.last = self.low = self.high = 0
        self.auction_price = 0
        self.taker: Known | None = None

    def first(self, side: int) -> Known | None:
        queues = self.queues[side]
        if not queues:
            return None
        return next(iter(queues[max(queues) if side == Side.BUY else min(queues)].values()))

    def walk(self, side: int):
        """The levels of a side, best first, each as the list of its orders."""
        queues = self.queues[side]
        for price_ticks in sorted(queues, reverse=side == Side.BUY):
            yield price_ticks, list(queues[price_ticks].values())

    def visible_levels(self) -> dict[tuple[int, int], tuple[int, int]]:
        """(side, price) -> (visible lots, orders)."""
        return {(side, price_ticks): (sum(order.lots for order in queue.values()), len(queue))
                for side, queues in self.queues.items() for price_ticks, queue in queues.items()}

    def on_level(self, side: int, price_ticks: int) -> int:
        return sum(order.left for order in self.queues[side].get(price_ticks, {}).values())

    def due(self, order: Known) -> bool:
        return 0 < order.expire_at_ms <= self.at_ms

    def met(self, stop: Known, low: int, high: int) -> bool:
        return self.last > 0 and (stop.stop_price_ticks <= high if stop.entry else stop.stop_price_ticks >= low)

    def crossed(self) -> bool:
        return all(self.queues.values()) and max(self.queues[Side.BUY]) >= min(self.queues[Side.SELL])

    def _rest(self, order: Known) -> None:
        order.stop_price_ticks, order.funds, order.order_type, order.time_in_force, order.collar_bp = 0, 0, 0, 0, 0
        order.entry, order.by_funds, order.way, order.prices, order.last_price = False, False, "", 0, 0
        self.orders[order.order_id] = order
        self.queues[order.side].setdefault(order.price_ticks, {})[order.order_id] = order

    def _remove(self, order: Known) -> None:
        del self.orders[order.order_id]
        if self.waiting.pop(order.order_id, None) is None:
            queue = self.queues[order.side][order.price_ticks]
            del queue[order.order_id]
            if not queue:
                del self.queues[order.side][order.price_ticks]

    def equilibrium(self) -> tuple[int, str]:
        """The auction price, and how it came about."""
        bids, asks = ([[price_ticks, sum(order.left for order in orders)] for price_ticks, orders in self.walk(side)]
                      for side in (Side.BUY, Side.SELL))
        high = low = 0
        while bids and asks and bids[0][0] >= asks[0][0]:
            high, low = bids[0][0], asks[0][0]
            paired = min(bids[0][1], asks[0][1])
            for levels in (bids, asks):
                levels[0][1] -= paired
                if levels[0][1] == 0:
                    levels.pop(0)
        if self.last == 0:
            return low + (high - low) // 2, "the middle, rounded down" if (high - low) % 2 else "the middle"
        if low <= self.last <= high:
            return self.last, "the last price"
        return (low, "the last price clamped up") if self.last < low else (high, "the last price clamped down")

    def check(self, snapshot: bytes) -> None:
        """Compares what was followed with what the core says."""
        saved = Snapshot.unpack(snapshot)
        head = saved.header
        assert (head["sequence"], head["last_trade_id"], head["mode"], head["last_price"], head["auction_price"]) == (
            self.sequence, self.last_trade_id, self.mode, self.last, self.auction_price)
        assert (head["low"], head["high"], head["at_ms"]) == (self.low, self.high, self.at_ms)
        assert len(saved.orders) == len(self.orders)
        for row in saved.orders:
            order = self.orders[row["order_id"]]
            waiting = int(order.waits)
            assert (row["account"], row["lots"], row["opened"], row["traded"], row["side"], row["stp"]) == (
                order.account, order.lots, order.opened, order.traded, order.side, order.stp)
            assert row["price"] == (order.stop_price_ticks if waiting else order.price_ticks)
            extra = row["extra"] or dict.fromkeys(EXTRA_FIELDS, 0)
            assert (extra["hidden"], extra["display"], extra["expire_at"]) == (order.hidden, order.display, order.expire_at_ms)
            assert (extra["limit"], extra["funds"], extra["collar_bp"], extra["order_type"], extra["time_in_force"]) == (
                order.price_ticks * waiting, order.funds, order.collar_bp, order.order_type, order.time_in_force)
            assert row["flags"] & 1 == order.post_only and row["section"] == (
                order.side if not waiting else 4 if order.entry else 3)


