"""The ledger on real PostgreSQL and the naive core, joined by hand: place, match, settle; and what the tables must say."""

from dataclasses import replace
from uuid import uuid4

from exchange.adapters.postgres import orders
from exchange.adapters.postgres.accounts import deposit, open_account
from exchange.adapters.postgres.settlement import PostgresLedger
from exchange.commands import Command, CommandKind
from exchange.events import CORE_VERSION
from exchange.holds import needed_units
from exchange.journal import JournalEntry
from exchange.markets import listing
from exchange.orders import build_order, parse_order
from matching_core.naive import NaiveBook

NOW = 1_700_000_000_000


class Exchange:
    """Ledger and naive core joined by hand: place, match, settle."""

    def __init__(self, market="BTC-USD"):
        self.market = listing().markets[market]
        self.ledger = PostgresLedger(listing())
        self.book = NaiveBook.create()
        self.seq, self.hash = self.ledger.cursor(market)
        self.now = NOW

    def account(self, name=None, **funds):
        number, _ = open_account(name or str(uuid4()))
        for asset, amount in funds.items():
            assert deposit(number, asset, amount, method="test", external_id=str(uuid4())).outcome == "credited"
        return number

    def order(self, account, side, size=None, price=None, touch=None, **fields):
        body = {"product_id": self.market.id, "side": side, "size": size, "price": price} | fields
        return build_order(parse_order(body, listing()), order_id=uuid4(), account=account, now_ms=self.now,
                           maker_fee_ppm=4000, taker_fee_ppm=6000, touch=touch)

    def place(self, *args, **fields):
        order = self.order(*args, **fields)
        assert orders.place(order) == order.id
        return order.command

    def place_kind(self, order, **fields):
        """`order`, a limit order or a market one, as another kind: its command has these fields besides."""
        command = replace(order.command, **fields)
        units = needed_units(self.market, command, lots=command.size_lots, funds=command.funds)
        hold = self.market.quote if order.hold_asset == self.market.quote.id else self.market.base
        order = replace(order, command=command, hold_units=units, hold=hold.format(units))
        assert orders.place(order) == order.id
        return command

    def command(self, kind, order=None, **fields):
        named = {"order_id": order.order_id, "account": order.account} if order else {}
        return Command(kind=kind, issued_at_ms=self.now, **(named | fields))

    def cancel(self, command):
        return self.command(CommandKind.CANCEL, command)

    def match(self, *commands):
        records = b"".join(command.pack() for command in commands)
        self.now += 1
        events = self.book.apply(self.now, records, 10**6)
        return self.entry(records, events)

    def entry(self, records, events):
        return JournalEntry(
            market=self.market.id, seq=self.seq + 1, at_ms=self.now, queue_identity=1, first_queue_sequence=1,
            last_queue_sequence=1, resume_offset=0, core_version=CORE_VERSION, state_hash=0, feed_sequence=0,
            prev_hash=self.hash, commands=records, events=events)

    def settle(self, *commands):
        entry = self.match(*commands)
        self.ledger.apply(entry)
        self.seq, self.hash = entry.seq, entry.hash
        return entry


def balance(database, account, asset):
    return database.execute("SELECT available, held FROM balances WHERE account_no = %s AND asset = %s",
                            (account, asset)).fetchone()


def money(database, account):
    """{asset: 'available+held'} of the balances that are not zero."""
    rows = database.execute("SELECT asset, available, held FROM balances WHERE account_no = %s AND available + held > 0",
                            (account,)).fetchall()
    return {asset: f"{available.normalize():f}+{held.normalize():f}" for asset, available, held in rows}


def check_books(database):
    """I1, I2, I3 straight from the tables."""
    assert database.execute("SELECT asset FROM postings GROUP BY asset HAVING sum(amount) <> 0").fetchall() == []
    assert database.execute(
        """SELECT b.account_no, b.asset, b.held, need FROM balances b LEFT JOIN (
               SELECT account_no, asset, sum(amount) AS need FROM holds_needed GROUP BY 1, 2) o USING (account_no, asset)
           WHERE b.held <> coalesce(need, 0)""").fetchall() == []
    assert database.execute(
        """SELECT b.account_no, b.asset FROM balances b LEFT JOIN (
               SELECT account_no, asset, sum(amount) AS posted FROM postings GROUP BY 1, 2) p USING (account_no, asset)
           WHERE b.available + b.held <> coalesce(posted, 0)""").fetchall() == []
    assert database.execute(
        """SELECT id FROM (SELECT id, account_no, balance_after, sum(amount) OVER (PARTITION BY account_no, asset ORDER BY id)
               AS running FROM postings) p WHERE account_no <> 1 AND balance_after <> running""").fetchall() == []
