"""The ledger as a follower of the journal: a run of entries, one transaction, two round trips.

    round trip 1   BEGIN; its settings; cursor FOR UPDATE; balances FOR UPDATE in the one global order; the run's orders
    (Python)       cursor right? -> plan_settlement of each entry, over the same orders
    round trip 2   entries, balances and postings; fills; orders; volumes; cursor; COMMIT

A run is what has come together while the one before was settled: one entry when little happens, ten under load, when a
transaction for each would be the most expensive part of an order. Should an entry of it not settle, the run is rolled back
and its entries are settled one by one, up to that one.

The commit does not wait until it is on disk: a crash of the server may undo the last settlements, whole and with their
cursor, and they are settled again from the journal. Nothing can outlive one that it rests on, because what is on disk is
always a prefix of all commits. So the balances, which orders wait for, are locked for no disk's time (docs/adr/0016).

Balances are locked by (account, asset) ascending here and one at a time everywhere else, and before any other row, so
nothing can deadlock. Everything is written by sets (arrays unnested), so the number of statements does not grow with the
number of fills or entries. All rows that the statements will update have been read, locked or found missing in the first
round trip; what the database then refuses (a negative balance, a second fill of a trade, postings that do not sum to zero)
is a broken invariant and rolls the whole entry back.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus

from exchange.adapters.postgres.connection import once, repeatable
from exchange.adapters.prepared import Prepared, Together, array
from exchange.commands import Command, Side
from exchange.events import Event
from exchange.follower import StaleCursor
from exchange.journal import JournalEntry
from exchange.markets import MAX_SCALE, Listing, Market
from exchange.settlement import Fill, OrderState, Plan, SettlementBroken, accounts_in, orders_in, plan_settlement

_BEGIN, _COMMIT = Prepared("BEGIN"), Prepared("COMMIT")
# For this transaction: no wait for the disk, and one plan for each statement, by the keys. Left alone, the planner reads tables
# through that were small when the connection was young, and plans anew for each call, because an array might be long.
_SETTINGS = Prepared("""SELECT set_config('synchronous_commit', 'off', true), set_config('enable_seqscan', 'off', true),
    set_config('plan_cache_mode', 'force_generic_plan', true)""")
_CURSOR = Prepared("SELECT seq, hash FROM settle_cursors WHERE market = %s FOR UPDATE", binary=True)
_MOVE_CURSOR = Prepared("UPDATE settle_cursors SET seq = %s, hash = %b WHERE market = %s")

_LOCK_BALANCES = Prepared("""SELECT b.account_no, b.asset FROM balances b
    WHERE b.account_no = ANY(%s) AND b.asset = ANY(%s) ORDER BY b.account_no, b.asset FOR UPDATE""")

_ORDERS = Prepared("""SELECT id, command, status, hold::text, filled_size::text, executed_value::text, fill_fees::text,
    fee_numerator::text, reduced::text, amend_requested_at IS NOT NULL FROM orders WHERE id = ANY(%s)""", binary=True)

_MOVE = """UPDATE balances b SET available = b.available + d.available, held = b.held + d.held
    FROM unnest(%s::bigint[], %s::text[], %s::text[]::numeric[], %s::text[]::numeric[])
        AS d (account_no, asset, available, held)
    WHERE b.account_no = d.account_no AND b.asset = d.asset
    RETURNING b.account_no, b.asset, b.available + b.held AS total"""

_MOVE_ONLY = Prepared(_MOVE)

# `later`: what the same balance still moves by in this run after the posting, so total - later is the balance after it.
_MOVE_AND_POST = Prepared(f"""WITH moved AS ({_MOVE}),
    entry AS (INSERT INTO ledger_entries (kind, market, journal_seq, created_at)
              SELECT 'settlement', %s, e.seq, to_timestamp(e.at_ms::float8 / 1000)
                FROM unnest(%s::bigint[], %s::bigint[]) AS e (seq, at_ms) ORDER BY e.seq
              RETURNING id, journal_seq, created_at)
    INSERT INTO postings (entry_id, account_no, asset, amount, balance_after, type, order_id, trade_id, created_at)
    SELECT entry.id, p.account_no, p.asset, p.amount, moved.total - p.later, p.type, p.order_id, p.trade_id,
           entry.created_at
      FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[]::numeric[], %s::text[]::numeric[], %s::text[],
                  %s::uuid[], %s::bigint[]) WITH ORDINALITY
           AS p (seq, account_no, asset, amount, later, type, order_id, trade_id, position)
      JOIN moved ON moved.account_no = p.account_no AND moved.asset = p.asset
      JOIN entry ON entry.journal_seq = p.seq ORDER BY p.position""")

_FILLS = Prepared("""INSERT INTO fills (market, trade_id, side, order_id, account_no, liquidity, price, size, value, fee,
                               journal_seq, created_at)
    SELECT %s, f.trade_id, f.side, f.order_id, f.account_no, f.liquidity, f.price, f.size, f.value, f.fee, f.seq,
           to_timestamp(f.at_ms::float8 / 1000)
      FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::uuid[], %s::bigint[], %s::text[],
                  %s::text[]::numeric[], %s::text[]::numeric[], %s::text[]::numeric[], %s::text[]::numeric[])
           WITH ORDINALITY
           AS f (seq, at_ms, trade_id, side, order_id, account_no, liquidity, price, size, value, fee, position)
     ORDER BY f.position""")

_UPDATE_ORDERS = Prepared("""UPDATE orders o SET status = u.status, hold = u.hold, filled_size = u.filled_size,
        executed_value = u.executed_value, fill_fees = u.fill_fees, fee_numerator = u.fee_numerator, reduced = u.reduced,
        done_reason = u.done_reason, reject_reason = u.reject_reason,
        price = coalesce(u.price, o.price), size = coalesce(u.size, o.size),
        display_size = CASE WHEN o.display_size IS NULL THEN NULL ELSE coalesce(u.display_size, o.display_size) END,
        command = coalesce(decode(u.command, 'hex'), o.command),
        amend_requested_at = CASE WHEN u.amending THEN o.amend_requested_at END,
        done_at = to_timestamp(u.done_at_ms::float8 / 1000)
    FROM unnest(%s::uuid[], %s::text[], %s::text[]::numeric[], %s::text[]::numeric[], %s::text[]::numeric[],
                %s::text[]::numeric[], %s::text[]::numeric[], %s::text[]::numeric[], %s::text[], %s::text[],
                %s::bigint[], %s::bool[], %s::text[]::numeric[], %s::text[]::numeric[], %s::text[]::numeric[], %s::text[])
        AS u (id, status, hold, filled_size, executed_value, fill_fees, fee_numerator, reduced, done_reason, reject_reason,
              done_at_ms, amending, price, size, display_size, command)
    WHERE o.id = u.id""")

_VOLUMES = Prepared("""INSERT INTO trading_volumes (account_no, market, day, value, size)
    SELECT v.account_no, %s, v.day, v.value, v.size
      FROM unnest(%s::bigint[], %s::date[], %s::text[]::numeric[], %s::text[]::numeric[])
        AS v (account_no, day, value, size) ORDER BY v.account_no, v.day
    ON CONFLICT (account_no, day, market) DO UPDATE
       SET value = trading_volumes.value + EXCLUDED.value, size = trading_volumes.size + EXCLUDED.size""")


class PostgresLedger:
    """The `follower.Sink` that settles. A run is one transaction, together with its cursor."""

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
        """Settles one entry; see `apply_run`."""
        self.apply_run([entry])

    def apply_run(self, entries: Sequence[JournalEntry]) -> None:
        """Settles consecutive entries of a market. Raises StaleCursor when they are not the next ones, SettlementBroken when
        an invariant does not hold (what is before that entry is settled), DatabaseUnavailable when the connection is lost;
        nothing of the entry, or of the run, is in the ledger then."""
        if entries[0].market not in self._fee_accounts:
            self.cursor(entries[0].market)
        try:
            once(lambda connection: self._apply(connection, entries))
        except SettlementBroken:
            if len(entries) == 1:
                raise
            for entry in entries:
                self.apply(entry)

    def _apply(self, connection: psycopg.Connection, entries: Sequence[JournalEntry]) -> None:
        market = self._listing.markets[entries[0].market]
        run = [(entry, entry.unpack_events()) for entry in entries]
        try:
            orders, balances = self._read(connection, run, market)
            plans = [plan_settlement(entry, events, market, orders, self._fee_accounts[market.id]) for entry, events in run]
            for plan in plans:
                if missing := plan.balances.keys() - balances:
                    raise SettlementBroken(f"{market.id}/{plan.entry.seq}: I2: no balance rows {sorted(missing)}")
            write_plans(connection, plans)
        except psycopg.IntegrityError as error:
            raise SettlementBroken(f"{market.id}/{entries[-1].seq}: refused by the database: {error}") from error
        finally:
            _roll_back(connection)

    def _read(self, connection: psycopg.Connection, run: list[tuple[JournalEntry, list[Event]]],
              market: Market) -> tuple[dict[bytes, OrderState], set[tuple[int, str]]]:
        """The run's orders by id, and the balance rows that are locked now; one round trip, which begins the transaction."""
        together = Together(connection)
        together.execute(_BEGIN)
        together.execute(_SETTINGS)
        cursor = together.execute(_CURSOR, (market.id,))
        accounts = set().union(*(accounts_in(events) for _, events in run))
        ids = set().union(*(orders_in(events) for _, events in run))
        balances = orders = None
        if accounts:
            accounts.add(self._fee_accounts[market.id])
            balances = together.execute(_LOCK_BALANCES, (array(sorted(accounts)), array([market.base.id, market.quote.id])))
        if ids:
            orders = together.execute(_ORDERS, (array([UUID(bytes=order_id) for order_id in ids]),))
        answers = together.answers()
        (number, prev_hash), = answers[cursor]
        seq, first = int.from_bytes(number, "big", signed=True), run[0][0]
        if seq != first.seq - 1:
            raise StaleCursor(f"{market.id}: settled up to {seq}, asked to settle {first.seq}")
        if prev_hash != first.prev_hash:
            raise SettlementBroken(f"{market.id}/{first.seq}: I4: does not chain to what was settled as {seq}")
        found = [_decoded(row) for row in answers[orders]] if orders is not None else []
        return ({row[0]: order_state(row, market) for row in found},
                {(int(account), asset.decode()) for account, asset in answers[balances]} if balances is not None else set())


def _decoded(row: tuple[bytes | None, ...]) -> tuple:
    """A row of `_ORDERS`, its id as bytes."""
    order_id, command, *texts, amending = row
    return order_id, command, *[text.decode() for text in texts], amending == b"\x01"


def _roll_back(connection: psycopg.Connection) -> None:
    """Ends a transaction that is still open; one that was committed, or lost with its connection, is not."""
    if connection.pgconn.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
        connection.pgconn.exec_(b"ROLLBACK")


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


def write_plans(connection: psycopg.Connection, plans: list[Plan]) -> None:
    """Runs the statements of a run's plans in the open transaction and commits it; one round trip."""
    last, market = plans[-1].entry, plans[-1].market
    together = Together(connection)
    _write_money(together, plans)
    orders = [(UUID(bytes=order_id), order) for order_id, order in plans[-1].orders.items() if order.changed]
    if orders:
        together.execute(_UPDATE_ORDERS, _order_columns(market, orders))
    if fills := [(plan.entry, fill) for plan in plans for fill in plan.fills]:
        _write_fills(together, market, fills)
    together.execute(_MOVE_CURSOR, (last.seq, last.hash, market.id))
    together.execute(_COMMIT)
    together.answers()


def _write_fills(together: Together, market: Market, fills: list[tuple[JournalEntry, Fill]]) -> None:
    value = market.quote.format
    together.execute(_FILLS, (market.id, *map(array, (
        [entry.seq for entry, _ in fills], [entry.at_ms for entry, _ in fills], [f.trade_id for _, f in fills],
        ["buy" if f.side == Side.BUY else "sell" for _, f in fills], [f.order_id for _, f in fills],
        [f.account for _, f in fills], [f.liquidity for _, f in fills],
        [market.format_price(f.price_ticks) for _, f in fills], [market.format_size(f.size_lots) for _, f in fills],
        [value(f.value_units) for _, f in fills], [value(f.fee_units) for _, f in fills]))))
    volumes: dict[tuple[int, date], list[int]] = {}
    for entry, fill in fills:
        traded = volumes.setdefault((fill.account, datetime.fromtimestamp(entry.at_ms / 1000, UTC).date()), [0, 0])
        traded[0] += fill.value_units
        traded[1] += fill.size_lots
    together.execute(_VOLUMES, (market.id, *map(array, (
        [account for account, _ in volumes], [day.isoformat() for _, day in volumes],
        [value(units) for units, _ in volumes.values()], [market.format_size(lots) for _, lots in volumes.values()]))))


def _write_money(together: Together, plans: list[Plan]) -> None:
    market = plans[-1].market
    postings = [(plan.entry, posting) for plan in plans for posting in plan.postings]
    deltas: dict[tuple[int, str], list[int]] = {}
    for plan in plans:
        for key, (available, held) in plan.balances.items():
            delta = deltas.setdefault(key, [0, 0])
            delta[0] += available
            delta[1] += held
    moved = [(key, delta) for key, delta in sorted(deltas.items()) if delta != [0, 0] or postings]
    if not moved:
        return
    text = {asset.id: asset.format for asset in (market.base, market.quote)}
    columns = [*map(array, (
        [key[0] for key, _ in moved], [key[1] for key, _ in moved], [text[key[1]](delta[0]) for key, delta in moved],
        [text[key[1]](delta[1]) for key, delta in moved]))]
    if not postings:
        together.execute(_MOVE_ONLY, columns)
        return
    later: list[int] = []
    behind: dict[tuple[int, str], int] = {}
    for _, posting in reversed(postings):
        key = posting.account, posting.asset
        later.append(behind.get(key, 0))
        behind[key] = later[-1] + posting.units
    later.reverse()
    entries = {entry.seq: entry.at_ms for entry, _ in postings}
    together.execute(_MOVE_AND_POST, (*columns, market.id, *map(array, (
        list(entries), list(entries.values()), [entry.seq for entry, _ in postings], [p.account for _, p in postings],
        [p.asset for _, p in postings], [text[p.asset](p.units) for _, p in postings],
        [text[p.asset](units) for (_, p), units in zip(postings, later, strict=True)], [p.type for _, p in postings],
        [p.order_id for _, p in postings], [p.trade_id for _, p in postings]))))


def _order_columns(market: Market, orders: list[tuple[UUID, OrderState]]) -> tuple[str, ...]:
    base, quote = market.base, market.quote
    rows = []
    for order_id, order in orders:
        by_funds = order.command.size_lots == 0
        rows.append((
            order_id, order.status, (quote if order.command.side == Side.BUY else base).format(order.hold_units),
            market.format_size(order.filled_lots), market.format_value(order.executed_notional),
            quote.format(order.fees_paid), str(order.fee_numerator),
            market.format_value(order.reduced) if by_funds else market.format_size(order.reduced), order.done_reason,
            order.reject_reason, order.done_at_ms, order.amending, *_terms(market, order)))
    return tuple(array(column) for column in zip(*rows, strict=True))


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
