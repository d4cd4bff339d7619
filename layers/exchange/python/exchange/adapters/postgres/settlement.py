"""The ledger as a follower of the journal: one entry, one transaction, two round trips.

    round trip 1   BEGIN; cursor FOR UPDATE; balances FOR UPDATE in the one global order; the entry's orders
    (Python)       cursor right? -> plan_settlement
    round trip 2   entry, balances and postings; fills; orders; volumes; cursor; COMMIT

Balances are locked by (account, asset) ascending here and one at a time everywhere else, and before any other row, so
nothing can deadlock. Everything is written by sets (arrays unnested), so the number of statements does not grow with the
number of fills. All rows that the statements will update have been read, locked or found missing in the first round trip;
what the database then refuses (a negative balance, a second fill of a trade, postings that do not sum to zero) is a broken
invariant and rolls the whole entry back.
"""

from uuid import UUID

import psycopg

from exchange.adapters.postgres.connection import once, repeatable
from exchange.commands import Command, Side
from exchange.events import Event
from exchange.follower import StaleCursor
from exchange.journal import JournalEntry
from exchange.markets import MAX_SCALE, Listing, Market
from exchange.settlement import OrderState, Plan, SettlementBroken, accounts_in, orders_in, plan_settlement

_LOCK_BALANCES = """SELECT b.account_no, b.asset FROM balances b
    WHERE b.account_no = ANY(%s) AND b.asset = ANY(%s) ORDER BY b.account_no, b.asset FOR UPDATE"""

_ORDERS = """SELECT id, command, status, hold::text, filled_size::text, executed_value::text, fill_fees::text,
    fee_numerator::text, reduced::text, amend_requested_at IS NOT NULL FROM orders WHERE id = ANY(%s)"""

_MOVE = """UPDATE balances b SET available = b.available + d.available, held = b.held + d.held
    FROM unnest(%s::bigint[], %s::text[], %s::text[]::numeric[], %s::text[]::numeric[])
        AS d (account_no, asset, available, held)
    WHERE b.account_no = d.account_no AND b.asset = d.asset
    RETURNING b.account_no, b.asset, b.available + b.held AS total"""

# `later`: what the same balance still moves by in this entry after the posting, so total - later is the balance after it.
_MOVE_AND_POST = f"""WITH moved AS ({_MOVE}),
    entry AS (INSERT INTO ledger_entries (kind, market, journal_seq, created_at)
              VALUES ('settlement', %s, %s, to_timestamp(%s::float8 / 1000)) RETURNING id, created_at)
    INSERT INTO postings (entry_id, account_no, asset, amount, balance_after, type, order_id, trade_id, created_at)
    SELECT entry.id, p.account_no, p.asset, p.amount, moved.total - p.later, p.type, p.order_id, p.trade_id,
           entry.created_at
      FROM unnest(%s::bigint[], %s::text[], %s::text[]::numeric[], %s::text[]::numeric[], %s::text[], %s::uuid[],
                  %s::bigint[]) WITH ORDINALITY
           AS p (account_no, asset, amount, later, type, order_id, trade_id, position)
      JOIN moved ON moved.account_no = p.account_no AND moved.asset = p.asset
      CROSS JOIN entry ORDER BY p.position"""

_FILLS = """INSERT INTO fills (market, trade_id, side, order_id, account_no, liquidity, price, size, value, fee,
                               journal_seq, created_at)
    SELECT %s, f.trade_id, f.side, f.order_id, f.account_no, f.liquidity, f.price, f.size, f.value, f.fee, %s,
           to_timestamp(%s::float8 / 1000)
      FROM unnest(%s::bigint[], %s::text[], %s::uuid[], %s::bigint[], %s::text[], %s::text[]::numeric[],
                  %s::text[]::numeric[], %s::text[]::numeric[], %s::text[]::numeric[]) WITH ORDINALITY
           AS f (trade_id, side, order_id, account_no, liquidity, price, size, value, fee, position)
     ORDER BY f.position"""

_UPDATE_ORDERS = """UPDATE orders o SET status = u.status, hold = u.hold, filled_size = u.filled_size,
        executed_value = u.executed_value, fill_fees = u.fill_fees, fee_numerator = u.fee_numerator, reduced = u.reduced,
        done_reason = u.done_reason, reject_reason = u.reject_reason,
        price = coalesce(u.price, o.price), size = coalesce(u.size, o.size),
        display_size = CASE WHEN o.display_size IS NULL THEN NULL ELSE coalesce(u.display_size, o.display_size) END,
        command = coalesce(decode(u.command, 'hex'), o.command),
        amend_requested_at = CASE WHEN u.amending THEN o.amend_requested_at END,
        done_at = CASE WHEN u.status = 'done' THEN to_timestamp(%s::float8 / 1000) END
    FROM unnest(%s::uuid[], %s::text[], %s::text[]::numeric[], %s::text[]::numeric[], %s::text[]::numeric[],
                %s::text[]::numeric[], %s::text[]::numeric[], %s::text[]::numeric[], %s::text[], %s::text[],
                %s::bool[], %s::text[]::numeric[], %s::text[]::numeric[], %s::text[]::numeric[], %s::text[])
        AS u (id, status, hold, filled_size, executed_value, fill_fees, fee_numerator, reduced, done_reason, reject_reason,
              amending, price, size, display_size, command)
    WHERE o.id = u.id"""

_VOLUMES = """INSERT INTO trading_volumes (account_no, market, day, value)
    SELECT v.account_no, %s, (to_timestamp(%s::float8 / 1000) AT TIME ZONE 'UTC')::date, v.value
      FROM unnest(%s::bigint[], %s::text[]::numeric[]) AS v (account_no, value) ORDER BY v.account_no
    ON CONFLICT (account_no, day, market) DO UPDATE SET value = trading_volumes.value + EXCLUDED.value"""


class PostgresLedger:
    """The `follower.Sink` that settles. `apply` is one transaction, together with its cursor."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        # A market's fee account never changes once it is there.
        self._fee_accounts: dict[str, int] = {}

    def cursor(self, market: str) -> tuple[int, bytes]:
        """(seq, hash) of the last entry settled; the first call for a market makes its cursor and fee account."""
        quote = self._listing.markets[market].quote.id
        row = repeatable(lambda connection: connection.execute(
            "SELECT seq, hash, fee_account FROM open_market(%s, %s)", (market, quote)).fetchone())
        self._fee_accounts[market] = row[2]
        return row[0], bytes(row[1])

    def apply(self, entry: JournalEntry) -> None:
        """Settles the entry. Raises StaleCursor when it is not the next one, SettlementBroken when an invariant does not
        hold, DatabaseUnavailable when the connection is lost; nothing of the entry is in the ledger then."""
        if entry.market not in self._fee_accounts:
            self.cursor(entry.market)
        once(lambda connection: self._apply(connection, entry))

    def _apply(self, connection: psycopg.Connection, entry: JournalEntry) -> None:
        market = self._listing.markets[entry.market]
        events = entry.unpack_events()
        try:
            with connection.pipeline(), connection.transaction():
                orders, balances = self._read(connection, entry, events, market)
                plan = plan_settlement(entry, events, market, orders, self._fee_accounts[entry.market])
                if missing := plan.balances.keys() - balances:
                    raise SettlementBroken(f"{entry.market}/{entry.seq}: I2: no balance rows {sorted(missing)}")
                write_plan(connection, plan)
        except psycopg.IntegrityError as error:
            raise SettlementBroken(f"{entry.market}/{entry.seq}: refused by the database: {error}") from error

    def _read(self, connection: psycopg.Connection, entry: JournalEntry, events: list[Event],
              market: Market) -> tuple[dict[bytes, OrderState], set[tuple[int, str]]]:
        """The entry's orders by id, and the balance rows that are locked now; one round trip."""
        cursor = connection.execute("SELECT seq, hash FROM settle_cursors WHERE market = %s FOR UPDATE", (market.id,))
        accounts = accounts_in(events)
        balances = orders = None
        if accounts:
            accounts.add(self._fee_accounts[market.id])
            balances = connection.execute(_LOCK_BALANCES, (sorted(accounts), [market.base.id, market.quote.id]))
        if ids := orders_in(events):
            orders = connection.execute(_ORDERS, ([UUID(bytes=order_id) for order_id in ids],))
        seq, prev_hash = cursor.fetchone()
        if seq != entry.seq - 1:
            raise StaleCursor(f"{market.id}: settled up to {seq}, asked to settle {entry.seq}")
        if bytes(prev_hash) != entry.prev_hash:
            raise SettlementBroken(f"{market.id}/{entry.seq}: I4: does not chain to what was settled as {seq}")
        return ({row[0].bytes: order_state(row, market) for row in orders} if orders else {},
                set(balances) if balances else set())


def order_state(row: tuple, market: Market) -> OrderState:
    """The plan's view of a row of `_ORDERS`. The numbers of the command are the order's own, never parsed again."""
    _, record, status, hold, filled, executed, fees, fee_numerator, reduced, amending = row
    command = Command.unpack(record)
    hold_scale = (market.quote if command.side == Side.BUY else market.base).scale
    reduced_units = _units(reduced, market.base.scale if command.size_lots else market.quote.scale)
    return OrderState(
        command=command, status=status, hold_units=_units(hold, hold_scale),
        filled_lots=_units(filled, market.base.scale) // market.units_per_lot,
        executed_notional=_units(executed, market.quote.scale) // market.unit_per_tick_lot,
        fees_paid=_units(fees, market.quote.scale), fee_numerator=int(fee_numerator),
        reduced=reduced_units // (market.units_per_lot if command.size_lots else market.unit_per_tick_lot), amending=amending)


def write_plan(connection: psycopg.Connection, plan: Plan) -> None:
    """Sends a plan's statements in the open transaction; their errors come with the commit."""
    entry, market = plan.entry, plan.market
    _write_money(connection, plan)
    orders = [(UUID(bytes=order_id), order) for order_id, order in plan.orders.items() if order.changed]
    if orders:
        connection.execute(_UPDATE_ORDERS, (entry.at_ms, *_order_columns(market, orders)))
    if plan.fills:
        fills, value = plan.fills, market.quote.format
        connection.execute(_FILLS, (
            market.id, entry.seq, entry.at_ms, [f.trade_id for f in fills],
            ["buy" if f.side == Side.BUY else "sell" for f in fills], [f.order_id for f in fills],
            [f.account for f in fills], [f.liquidity for f in fills], [market.format_price(f.price_ticks) for f in fills],
            [market.format_size(f.size_lots) for f in fills], [value(f.value_units) for f in fills],
            [value(f.fee_units) for f in fills]))
        volumes: dict[int, int] = {}
        for fill in fills:
            volumes[fill.account] = volumes.get(fill.account, 0) + fill.value_units
        connection.execute(_VOLUMES, (market.id, entry.at_ms, list(volumes), [value(v) for v in volumes.values()]))
    connection.execute("UPDATE settle_cursors SET seq = %s, hash = %b WHERE market = %s",
                       (entry.seq, entry.hash, market.id))


def _write_money(connection: psycopg.Connection, plan: Plan) -> None:
    moved = [(key, delta) for key, delta in sorted(plan.balances.items()) if delta != [0, 0] or plan.postings]
    if not moved:
        return
    text = {asset.id: asset.format for asset in (plan.market.base, plan.market.quote)}
    deltas = ([key[0] for key, _ in moved], [key[1] for key, _ in moved],
              [text[key[1]](delta[0]) for key, delta in moved], [text[key[1]](delta[1]) for key, delta in moved])
    if not plan.postings:
        connection.execute(_MOVE, deltas)
        return
    later: list[int] = []
    behind: dict[tuple[int, str], int] = {}
    for posting in reversed(plan.postings):
        key = posting.account, posting.asset
        later.append(behind.get(key, 0))
        behind[key] = later[-1] + posting.units
    later.reverse()
    postings, entry = plan.postings, plan.entry
    connection.execute(_MOVE_AND_POST, (
        *deltas, plan.market.id, entry.seq, entry.at_ms, [p.account for p in postings], [p.asset for p in postings],
        [text[p.asset](p.units) for p in postings],
        [text[p.asset](units) for p, units in zip(postings, later, strict=True)], [p.type for p in postings],
        [p.order_id for p in postings], [p.trade_id for p in postings]))


def _order_columns(market: Market, orders: list[tuple[UUID, OrderState]]) -> tuple[list, ...]:
    base, quote = market.base, market.quote
    rows = []
    for order_id, order in orders:
        by_funds = order.command.size_lots == 0
        rows.append((
            order_id, order.status, (quote if order.command.side == Side.BUY else base).format(order.hold_units),
            market.format_size(order.filled_lots), market.format_value(order.executed_notional),
            quote.format(order.fees_paid), str(order.fee_numerator),
            market.format_value(order.reduced) if by_funds else market.format_size(order.reduced), order.done_reason,
            order.reject_reason, order.amending, *_terms(market, order)))
    return tuple(list(column) for column in zip(*rows, strict=True))


def _terms(market: Market, order: OrderState) -> tuple[str | None, ...]:
    """Price, size, display size and command of an order that was amended; nothing of another. An order of which more is to
    be shown than it still has shows all of it."""
    command = order.command
    if not order.amended:
        return None, None, None, None
    return (market.format_price(command.price_ticks), market.format_size(command.size_lots),
            market.format_size(min(command.display_lots, command.size_lots)), command.pack().hex())


def _units(text: str, scale: int) -> int:
    """Units at `scale` of a NUMERIC(32,8) as text; SettlementBroken if digits would be lost."""
    whole, rest = divmod(int(text.replace(".", "")), 10 ** (MAX_SCALE - scale))
    if rest:
        raise SettlementBroken(f"I1: {text} in the ledger has more than {scale} digits")
    return whole
