"""Orders and fills: placing (the order's row and its hold, one statement, one transaction) and reading.

Rows come back as dictionaries of text, numbers as the database prints them (8 digits after the point) and times in
ISO 8601; `api.render` makes the public objects of them.
"""

from uuid import UUID

from psycopg import Connection
from psycopg.rows import dict_row

from exchange.adapters.postgres.connection import ISO_TIME, repeatable
from exchange.adapters.prepared import Prepared, Together, array
from exchange.api.pages import Page, Sorting
from exchange.orders import NewOrder

_TIME = f"{ISO_TIME} AS {{0}}"

_ORDER = f"""number, id::text, market, side, type, time_in_force, stp, post_only, price::text, size::text, funds::text,
    specified_funds::text, client_oid::text, filled_size::text, executed_value::text, fill_fees::text, status, done_reason,
    reject_reason, stop, stop_price::text, display_size::text, {_TIME.format('expire_at')}, {_TIME.format('created_at')},
    {_TIME.format('done_at')}"""

PLACE = """SELECT place_order(%b, %b, %s, %s, %s, %s, %s, %b, %s::text::numeric, %s::text::numeric, %s::text::numeric,
    %s::text::numeric, %b, %s, %s::text::numeric, to_timestamp(%b::float8 / 1000), %b, %s, %s::text::numeric,
    %s::text::numeric, to_timestamp(%b::float8 / 1000), %b, %s::integer)"""

_PLACE = Prepared(PLACE)
_FIND, _FIND_BY_CLIENT_OID = (Prepared(f"SELECT {_ORDER} FROM orders WHERE account_no = %s AND {column} = %s")
                              for column in ("id", "client_oid"))

# See place_order: the lock that placements share. A statement of its own, so that the next one's snapshot is later.
_LOCK = "SELECT pg_advisory_xact_lock((7301014::bigint << 32) + %s)"
_AWAIT_PLACEMENTS = Prepared(_LOCK)
# Pages by their statement: a few that all ask for. Connections keep what they have prepared, so there is an end to it.
_PAGES_KEPT = 32
_pages: dict[str, Prepared] = {}

NOTE_CANCELS = """UPDATE orders SET cancel_requested_at = now() WHERE id IN (SELECT id FROM orders WHERE id = ANY(%s::uuid[])
    AND account_no = %s AND status = 'pending' AND cancel_requested_at IS NULL FOR UPDATE SKIP LOCKED)"""

LIVE = ("pending", "open", "active")
# `done` in the ledger, where `done_reason` tells them apart.
ENDED = ("done", "rejected")
# What place_order answers for the order of an account that has as many open ones in the market as it may.
TOO_MANY_OPEN = UUID(int=0)


def place(order: NewOrder) -> UUID | None:
    """Writes the order and its hold. Answers the id of the order that stands: this one's, or that of an earlier order
    with the same client_oid; None when the available balance is less than the hold, TOO_MANY_OPEN when the account has as many
    open orders in the market as it may. Durable on return, one transaction.

    May be repeated after a lost connection: the order's id makes a second try find the first one's row.
    """
    (standing,), = repeatable(lambda connection: _PLACE.execute(connection, placing_values(order)))
    return UUID(standing.decode()) if standing is not None else None


def placing_values(order: NewOrder) -> tuple:
    """The values of PLACE."""
    terms = order.terms
    price, size, specified_funds = terms.decimals()
    funds = terms.market.quote.format(order.funds_units) if order.funds_units is not None else None
    return (order.id, order.account, terms.market.id, terms.side, terms.type, terms.time_in_force, terms.stp,
            terms.post_only, price, size, funds, specified_funds, terms.client_oid, order.hold_asset, order.hold,
            order.created_at_ms, order.command.pack(), terms.stop, *terms.more_decimals(), order.command.expire_at_ms or None,
            order.sent_in, terms.market.max_open_orders if terms.may_rest else None)


def find(account: int, *, order_id: UUID | None = None, client_oid: UUID | None = None) -> dict | None:
    """The account's order by its id or its client_oid, or None. Somebody else's is None too."""
    statement, value = (_FIND, order_id) if order_id is not None else (_FIND_BY_CLIENT_OID, client_oid)
    rows = repeatable(lambda connection: statement.read(connection, (account, value)))
    return rows[0] if rows else None


def request_cancel(account: int, order_ids: list[UUID]) -> None:
    """Notes on those of the orders that are still pending that their owner wants them canceled, for the sweep to see to.

    A row that settlement has locked is passed over: it is being answered at this moment, and waiting for it while holding
    others could deadlock.
    """
    repeatable(lambda connection: connection.execute(NOTE_CANCELS, (order_ids, account)))


# What orders may be sorted by. Every row has a value: an order without a price comes as if it had none to offer.
SORT_KEYS = {"created_at": "number", "price": "coalesce(price, 0)", "size": "coalesce(size, 0)", "order_id": "id",
             "side": "side", "type": "type"}


def list_orders(account: int, *, statuses: tuple[str, ...], market: str | None, page: Page, since_ms: int | None = None,
                until_ms: int | None = None, sorted_by: str = "created_at", descending: bool = True) -> list[dict]:
    """The account's orders in these of LIVE and ENDED, placed within the range, one more than the page holds if there are
    more."""
    conditions, values = ["account_no = %s"], [account]
    _add_range(conditions, values, since_ms, until_ms)
    _add_statuses(conditions, values, frozenset(statuses))
    key = SORT_KEYS[sorted_by]
    order = Sorting(descending=descending) if key == "number" else Sorting(
        columns=(key, "number"), descending=descending, values=(account,),
        of_cursor=f"SELECT {key}, number FROM orders WHERE account_no = %s AND number = %s")
    return _page("orders", _ORDER, conditions, values, market, page, order, settled_for=account)


def placed_commands(order_ids: list[bytes]) -> dict[bytes, bytes]:
    """The packed records that the orders were placed with, price and size as last amended; whoever's they are."""
    rows = repeatable(lambda connection: connection.execute(
        "SELECT id, command FROM orders WHERE id = ANY(%s)", ([UUID(bytes=order_id) for order_id in order_ids],)).fetchall())
    return {order_id.bytes: bytes(command) for order_id, command in rows}


def list_live_ids(account: int, market: str | None) -> list[tuple[UUID, str, str]]:
    """(id, market, status) of all the account's orders that are not done, oldest first."""
    return repeatable(lambda connection: connection.execute(
        "SELECT id, market, status FROM orders WHERE account_no = %s AND status <> 'done'"
        " AND (%s::text IS NULL OR market = %s) ORDER BY number", (account, market, market)).fetchall())


def list_fills(account: int, *, order_id: UUID | None, market: str | None, page: Page, since_ms: int | None = None,
               until_ms: int | None = None) -> list[dict]:
    """The account's fills of an order or a market within the range, newest first, one more than the page holds if there are
    more."""
    conditions, values = ["account_no = %s"], [account]
    _add_range(conditions, values, since_ms, until_ms)
    if order_id is not None:
        conditions.append("order_id = %s")
        values.append(order_id)
    columns = f"""number, trade_id, market, order_id::text, liquidity, price::text, size::text, fee::text, value::text,
        side, {_TIME.format('created_at')}"""
    return _page("fills", columns, conditions, values, market, page)


def sizes_30_days(account: int) -> dict[str, str]:
    """Market -> what the account traded there in the last 30 days (UTC), in base, as decimal text."""
    return dict(repeatable(lambda connection: connection.execute(
        "SELECT market, sum(size)::text FROM trading_volumes WHERE account_no = %s"
        " AND day > (now() AT TIME ZONE 'UTC')::date - 30 GROUP BY market", (account,)).fetchall()))


def _add_statuses(conditions: list[str], values: list, wanted: frozenset[str]) -> None:
    live, ended = wanted & set(LIVE), wanted & set(ENDED)
    if wanted == {"rejected"}:
        conditions.append("done_reason = 'rejected'")  # which has an index
        return
    if not ended:
        conditions.append("status <> 'done'")  # says to the planner that the index of live orders will do
    elif len(ended) == 1:
        conditions.append(f"(done_reason IS NULL OR done_reason {'=' if 'rejected' in ended else '<>'} 'rejected')")
    if not (ended and len(live) == len(LIVE)):
        conditions.append("status = ANY(%s)")
        values.append([*live, "done"] if ended else [*live])


def _add_range(conditions: list[str], values: list, since_ms: int | None, until_ms: int | None) -> None:
    for at_ms, comparison in ((since_ms, ">="), (until_ms, "<")):
        if at_ms is not None:
            conditions.append(f"created_at {comparison} to_timestamp(%s::float8 / 1000)")
            values.append(at_ms)


def _page(table: str, columns: str, conditions: list[str], values: list, market: str | None, page: Page,
          order: Sorting | None = None, settled_for: int | None = None) -> list[dict]:
    """`settled_for`: first waits, in the same round trip, for the account's placements on their way. Fills of a market need no
    wait: a market settles one entry at a time."""
    if market is not None:
        conditions.append("market = %s")
        values.append(market)
    statement, values = page.select(table=table, columns=columns, conditions=conditions, values=values, order=order)

    def read(connection: Connection) -> list[dict]:
        prepared = _pages.get(statement)
        if prepared is None and len(_pages) < _PAGES_KEPT:
            prepared = _pages[statement] = Prepared(statement)
        if prepared is not None:
            parameters = [array(value) if isinstance(value, list) else value for value in values]
            if settled_for is None:
                return prepared.read(connection, parameters)
            together = Together(connection)
            together.execute(_AWAIT_PLACEMENTS, (settled_for,))
            together.execute(prepared, parameters)
            return together.read_last()
        if settled_for is None:
            return connection.cursor(row_factory=dict_row).execute(statement, values).fetchall()
        with connection.pipeline(), connection.transaction():
            connection.execute(_LOCK, (settled_for,))
            cursor = connection.cursor(row_factory=dict_row).execute(statement, values)
        return cursor.fetchall()
    return page.in_order(repeatable(read))
