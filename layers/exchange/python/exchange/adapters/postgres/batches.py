"""Orders that come together, and cancels beside them: one transaction, one round trip.

Every balance that the orders hold from is locked first, in the one global order, so that two batches or a settlement cannot
deadlock with this one. Each order is then placed or refused on its own (`place_order` raises nothing for what a trader did
wrong).
"""

from uuid import UUID

from psycopg.rows import tuple_row

from exchange.adapters.postgres.connection import repeatable
from exchange.adapters.postgres.orders import NOTE_CANCELS, PLACE, placing_values
from exchange.orders import NewOrder

_LOCK = "SELECT 1 FROM balances WHERE account_no = %s AND asset = ANY(%s) ORDER BY account_no, asset FOR UPDATE"

_FIND = """SELECT id, client_oid, market, status FROM orders
    WHERE account_no = %s AND (id = ANY(%s::uuid[]) OR client_oid = ANY(%s::uuid[]))"""


def place_and_find(account: int, orders: list[NewOrder], *, ids: list[UUID], client_oids: list[UUID],
                   ) -> tuple[list[UUID | None], list[tuple[UUID, UUID | None, str, str]]]:
    """Per order what `orders.place` answers; and (id, client_oid, market, status) of each of the account's orders named for a
    cancel. Those of them that are pending are noted for the sweep. Durable on return; may be repeated after a lost connection.
    """
    def run(connection):
        with connection.pipeline(), connection.transaction():
            found = connection.cursor(row_factory=tuple_row).execute(_FIND, (account, ids, client_oids))
            if orders:
                connection.execute(_LOCK, (account, sorted({order.hold_asset for order in orders})))
            # In the order of their client_oids, for which two batches could otherwise wait crosswise.
            in_turn = sorted(range(len(orders)), key=lambda index: str(orders[index].terms.client_oid or ""))
            placed = {index: connection.execute(PLACE, placing_values(orders[index])) for index in in_turn}
            rows = found.fetchall()
            pending = [order_id for order_id, _, _, status in rows if status == "pending"]
            if pending:
                connection.execute(NOTE_CANCELS, (pending, account))
            return [placed[index].fetchone()[0] for index in range(len(orders))], rows
    return repeatable(run)
