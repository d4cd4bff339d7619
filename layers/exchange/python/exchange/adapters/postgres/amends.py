"""Asking for an amend: what the new terms need is held before the engine hears of them, in one transaction.

    round trip 1   BEGIN; balance FOR UPDATE; order FOR UPDATE          balance before order, as everywhere
    (Python)       open, no other amend on its way, account not frozen? -> what must be held
    round trip 2   raise the hold, where more is needed
    round trip 3   note the amend and its record; COMMIT

Settlement clears the note when the engine has answered, and gives back what is not needed; until then the hold falls by nothing
but what is spent (`exchange.settlement`). An amend whose send failed is sent again by the sweep, from the record noted here.
"""

from uuid import UUID

import psycopg

from exchange.adapters.postgres.connection import AccountFrozen, once
from exchange.adapters.postgres.settlement import order_state
from exchange.commands import Command
from exchange.holds import hold_asset
from exchange.markets import Market
from exchange.order_terms import OrderRefused
from exchange.settlement import OPEN, OrderState, amend_hold_units

_LOCK = """SELECT id, command, status, hold::text, filled_size::text, executed_value::text, fill_fees::text,
    fee_numerator::text, reduced::text, amend_requested_at IS NOT NULL FROM orders
    WHERE id = %s AND account_no = %s FOR UPDATE"""

_RAISE = """UPDATE balances SET available = available - %s::text::numeric, held = held + %s::text::numeric
    WHERE account_no = %s AND asset = %s AND available >= %s::text::numeric RETURNING 1"""

_NOTE = """UPDATE orders SET hold = hold + %s::text::numeric, amend_requested_at = now(), amend_command = %b WHERE id = %b"""


def request_amend(amend: Command, market: Market, side: int) -> None:
    """Holds what `amend` needs and notes that it is on its way. Durable on return, one transaction.

    Raises OrderRefused where the order is not open, another amend is on its way, or the balance does not suffice;
    AccountFrozen for all but a smaller size at the same price, which is as much as to cancel a part; and
    DatabaseUnavailable, after which it may have been noted: the sweep then sends it.
    """
    once(lambda connection: _request(connection, amend, market, hold_asset(market, side).id))


def _request(connection: psycopg.Connection, amend: Command, market: Market, asset: str) -> None:
    with connection.pipeline(), connection.transaction():
        balance = connection.execute("SELECT frozen FROM balances WHERE account_no = %s AND asset = %s FOR UPDATE",
                                     (amend.account, asset))
        row = connection.execute(_LOCK, (amend.order_id, amend.account)).fetchone()
        order = order_state(row, market)
        _require_amendable(order)
        frozen, = balance.fetchone()
        if frozen and not _only_shrinks(order, amend):
            raise AccountFrozen()
        units = amend_hold_units(market, order, price_ticks=amend.price_ticks, size_lots=amend.size_lots) - order.hold_units
        more = hold_asset(market, order.command.side).format(units)
        if units:
            raised = connection.execute(_RAISE, (more, more, amend.account, asset, more))
            if raised.fetchone() is None:
                raise OrderRefused("insufficient_funds", "Insufficient funds")
        connection.execute(_NOTE, (more, amend.pack(), amend.order_id))


def _require_amendable(order: OrderState) -> None:
    if order.status == "done":
        raise OrderRefused("order_already_done", "Order already done")
    if order.status != OPEN:
        raise OrderRefused("order_not_open", f"the order is {order.status}; only an open order can be amended")
    if order.amending:
        raise OrderRefused("amend_in_progress", "an earlier amend of this order is not answered yet")


def _only_shrinks(order: OrderState, amend: Command) -> bool:
    """Such an amend keeps the order's place and trades nothing."""
    return amend.price_ticks in (0, order.command.price_ticks) and 0 < amend.size_lots <= order.command.size_lots


def amend_name(amend: Command) -> str:
    """The name under which an amend is sent, and sent again."""
    return f"amend:{UUID(bytes=amend.order_id.bytes)}:{amend.issued_at_ms}"
