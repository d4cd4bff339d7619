"""A batch of cancels and orders: read, placed in one transaction, sent in one message per market, answered one by one.

A batch is no unit of success: one order that is refused leaves the others as they are. What cannot be read as a batch at all is
refused whole. All that goes to one market goes in one message, cancels first, so the engine takes it up together.
"""

from dataclasses import dataclass, field
from uuid import UUID, uuid4

from exchange.adapters.postgres.batches import place_and_find
from exchange.adapters.postgres.connection import DatabaseUnavailable
from exchange.api import limits
from exchange.api.errors import BadRequest, Unavailable
from exchange.api.order_ids import parse_order_id
from exchange.api.placing import RepeatedOrder, new_order, send, what_stands
from exchange.api.render import placed_order
from exchange.api.request import Caller, Request
from exchange.commands import Command, CommandKind
from exchange.order_terms import OrderRefused
from exchange.orders import NewOrder

MAX_ITEMS = 50

_UNKNOWN = OrderRefused("order_not_found", "order not found")
_DONE = OrderRefused("order_already_done", "Order already done")
_UNSENT = OrderRefused("unavailable", "the cancel could not be sent, try again")


@dataclass(slots=True)
class Batch:
    """`orders`: a NewOrder, an earlier one that stands for it, or why there is none, per order; `cancels`: (id, client_oid) or
    why not, per cancel. Then `standing`: per NewOrder what stands for it; `found`: (id, market) of a cancel's order, or why
    not."""

    caller: Caller
    name: UUID
    now_ms: int
    orders: list[NewOrder | RepeatedOrder | OrderRefused]
    cancels: list[tuple[UUID | None, UUID | None] | OrderRefused]
    standing: dict[UUID, UUID | None] = field(default_factory=dict)
    found: list[tuple[UUID, str] | OrderRefused] = field(default_factory=list)

    def place(self) -> None:
        """One transaction. Raises Unavailable when its outcome is unknown."""
        new = [order for order in self.orders if isinstance(order, NewOrder)]
        named = [cancel for cancel in self.cancels if not isinstance(cancel, OrderRefused)]
        try:
            standing, rows = place_and_find(
                self.caller.account, new, ids=[order_id for order_id, _ in named if order_id is not None],
                client_oids=[client_oid for _, client_oid in named if client_oid is not None])
        except DatabaseUnavailable:
            raise Unavailable("the outcome is unknown: look at your orders before you send the batch again",
                              "outcome_unknown") from None
        self.standing = {order.id: stands for order, stands in zip(new, standing, strict=True)}
        known = {(row[0], None): row for row in rows} | {(None, row[1]): row for row in rows if row[1] is not None}
        for cancel in self.cancels:
            if isinstance(cancel, OrderRefused):
                self.found.append(cancel)
            elif (row := known.get(cancel)) is None:
                self.found.append(_UNKNOWN)
            else:
                self.found.append(_DONE if row[3] == "done" else (row[0], row[2]))

    def send(self) -> dict[str, bool]:
        """One message per market; whether it was sent."""
        records: dict[str, list[bytes]] = {}
        for cancel in self.found:
            if not isinstance(cancel, OrderRefused):
                order_id, market = cancel
                command = Command(kind=CommandKind.CANCEL, issued_at_ms=self.now_ms, order_id=order_id,
                                  account=self.caller.account)
                records.setdefault(market, []).append(command.pack())
        for order in self.orders:
            if isinstance(order, NewOrder) and self.standing[order.id] == order.id:
                records.setdefault(order.terms.market.id, []).append(order.command.pack())
        return {market: send(market, commands, dedup_id=str(self.name)) for market, commands in records.items()}


def parse_batch(request: Request) -> Batch:
    """Raises BadRequest for what is no batch."""
    body = request.json()
    orders, cancels = (_list(body, name) for name in ("orders", "cancels"))
    if not 1 <= len(orders) + len(cancels) <= MAX_ITEMS:
        raise BadRequest(f"a batch has 1 to {MAX_ITEMS} orders and cancels, not {len(orders) + len(cancels)}", "invalid_batch")
    limits.take("orders", request.caller.account, cost=len(orders) - 1)
    common = {} if body.get("product_id") is None else {"product_id": body["product_id"]}
    name = uuid4()
    return Batch(request.caller, name, request.received_at_ms,
                 [_order(common, order, request, name) for order in orders], [_cancel(cancel) for cancel in cancels])


def answer_cancels(batch: Batch, sent: dict[str, bool]) -> list[str | dict]:
    """The id of each order that a cancel was sent for, or why not."""
    return [_refusal(cancel) if isinstance(cancel, OrderRefused) else str(cancel[0]) if sent[cancel[1]] else _refusal(_UNSENT)
            for cancel in batch.found]


def answer_orders(batch: Batch) -> list[dict]:
    """Each order, or why not."""
    return [_answer(batch, order) for order in batch.orders]


def _answer(batch: Batch, order: NewOrder | RepeatedOrder | OrderRefused) -> dict:
    if isinstance(order, RepeatedOrder):
        return order.answer
    try:
        if isinstance(order, OrderRefused):
            raise order
        earlier = what_stands(batch.caller, order, batch.standing[order.id])
    except OrderRefused as refused:
        return _refusal(refused)
    return earlier or placed_order(order, batch.caller.profile_id)


def _refusal(refused: OrderRefused) -> dict:
    return {"message": refused.message, "code": refused.code}


def _list(body: dict, name: str) -> list:
    value = body.get(name)
    if value is not None and not isinstance(value, list):
        raise BadRequest(f"{name} is no list", "invalid_batch")
    return value or []


def _order(common: dict, body: object, request: Request, name: UUID) -> NewOrder | RepeatedOrder | OrderRefused:
    if not isinstance(body, dict):
        return OrderRefused("invalid_json", "the order is not a JSON object")
    try:
        return new_order(common | body, request.caller, request.received_at_ms, sent_in=name)
    except (RepeatedOrder, OrderRefused) as known:
        return known


def _cancel(text: object) -> tuple[UUID | None, UUID | None] | OrderRefused:
    named = parse_order_id(text) if isinstance(text, str) else None
    return named or OrderRefused("invalid_order_id", "Invalid order id")
