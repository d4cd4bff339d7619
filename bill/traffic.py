"""What a load costs in a month, on top of what stands: what each request, command, entry and message makes of calls and bytes.

    POST /orders ── command message ── batch of the market ── journal entry ── nudge ── settlement (entries together)
                                                                           └── nudge ── publisher (entries together) ── push

The more commands a market has, the more of them come in one batch: an entry, its nudges and its calls are shared. Counts and
bytes were measured on the local runtime, which runs the same handlers; what only AWS can tell is assumed and marked (E).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from bill import Line, Site, prices
from cdk.operations import BY_NAME, Queue

BATCH = 10  # messages at most
NUDGED = (Queue.SETTLE, Queue.FEED)

# Measured: a journal entry of one command, and what each further one adds.
ENTRY_BYTES = 640
MORE_ENTRY_BYTES = 470
ENTRY_READERS = 4  # replay audit, candles, snapshot, figures of the markets
ROW_BYTES = 1000  # of an order, its fills and postings, indexes included (docs/DATA.md)
ANSWER_BYTES = 1500
MESSAGE_BYTES = 400

# Assumed (E).
LOOP_S = Decimal("0.05")  # from one batch of a market to its next
BILLED_MS = {"command": 25, "read": 10, "match": 30, "settle": 30, "publish": 20, "push": 20}
POSTS_AT_ONCE = 32
POST_MS = 10
LEDGER_CPU_MS = {"command": Decimal(2), "read": Decimal("0.3")}
LEDGER_READS = Decimal("0.4")  # of all reads; the others are of the views
ACU_CPU = Decimal("0.25")  # cores
ACU_BUSY = Decimal("0.6")  # of them, at most, before Aurora adds one
IO_A_COMMAND = 4
ECPU_A_REQUEST = 5
TRACED_ALWAYS, TRACED_SHARE = 1, Decimal("0.05")  # Lambda traces one call a second and a share of the others


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Per second, on average over the month: orders and cancels, reads; and listeners of the feed with messages to each."""

    commands: Decimal
    reads: Decimal
    listeners: Decimal
    messages: Decimal


def together(rate: Decimal) -> Decimal:
    """How many items of one market share a batch that comes every LOOP_S."""
    return min(Decimal(BATCH), max(Decimal(1), rate * LOOP_S))


def traffic(load: Load, site: Site) -> list[Line]:
    """The lines of a load that is spread evenly over the markets."""
    in_entry = together(load.commands / site.markets)
    entries = load.commands / in_entry
    follows = entries / together(entries / site.markets)
    return [*_doors(load), *_functions(load, site, entries, follows), *_queues(load, entries, follows, in_entry),
            *_tables(load, entries, in_entry), *_database(load, site), *_listeners(load), *_views(load, entries),
            *(_traces(load, entries) if site.traced else ())]


def _a_month(rate: Decimal) -> Decimal:
    return rate * prices.SECONDS


def _gigabytes(operation: str) -> Decimal:
    return BY_NAME[operation].memory_mb / prices.MB_OF_A_GB


def _doors(load: Load) -> Iterator[Line]:
    yield Line("doors", "requests", _a_month(load.commands + load.reads), prices.HTTP_REQUEST)
    gigabytes = _a_month((load.commands + load.reads) * ANSWER_BYTES + load.listeners * load.messages * MESSAGE_BYTES) / 10**9
    yield Line("network", "to the internet", gigabytes, prices.TRANSFER_GB)


def _functions(load: Load, site: Site, entries: Decimal, follows: Decimal) -> Iterator[Line]:
    calls = (("orders and cancels", load.commands, "command", "api_place_order"),
             ("reads", load.reads, "read", "api_list_orders"), ("matching", entries, "match", "engine_match_orders"),
             ("settlement", follows, "settle", "ledger_settle_fills"), ("feed", follows, "publish", "feed_publish"),
             ("feed", follows, "push", "feed_push"))
    for what, rate, kind, operation in calls:
        seconds = _a_month(rate) * BILLED_MS[kind] / 1000
        warm = site.warm and BY_NAME[operation].provisioned
        yield Line("functions", what, _a_month(rate), prices.LAMBDA_REQUEST)
        yield Line("functions", what, seconds * _gigabytes(operation),
                   prices.LAMBDA_GB_S_WHEN_WARM if warm else prices.LAMBDA_GB_S)


def _queues(load: Load, entries: Decimal, follows: Decimal, in_entry: Decimal) -> Iterator[Line]:
    sent = load.commands + len(NUDGED) * entries + follows
    batches = load.commands / in_entry + len(NUDGED) * follows + follows  # each is received and deleted
    yield Line("queues", "messages", _a_month(sent + 2 * batches), prices.SQS_REQUEST)


def _tables(load: Load, entries: Decimal, in_entry: Decimal) -> Iterator[Line]:
    entry_bytes = ENTRY_BYTES + (in_entry - 1) * MORE_ENTRY_BYTES
    yield Line("DynamoDB", "journal", _a_month(entries) * math.ceil(entry_bytes / 1024), prices.DYNAMODB_WRITE)
    yield Line("DynamoDB", "journal", _a_month(entries * ENTRY_READERS * entry_bytes / 4096), prices.DYNAMODB_READ)
    yield Line("DynamoDB", "journal", _a_month(entries * entry_bytes) / 10**9, prices.DYNAMODB_GB)
    # At most: an environment keeps a key for five seconds.
    yield Line("DynamoDB", "API keys", _a_month(load.commands + load.reads * LEDGER_READS), prices.DYNAMODB_READ)


def _database(load: Load, site: Site) -> Iterator[Line]:
    busy = (load.commands * LEDGER_CPU_MS["command"] + load.reads * LEDGER_READS * LEDGER_CPU_MS["read"]) / 1000
    more = max(Decimal(0), busy / ACU_CPU / ACU_BUSY - site.least_acu)
    yield Line("Aurora", "capacity", more * site.instances * prices.HOURS, prices.AURORA_ACU_HOUR)
    yield Line("Aurora", "input and output", _a_month(load.commands) * IO_A_COMMAND, prices.AURORA_IO)
    yield Line("Aurora", "storage, after the first month", _a_month(load.commands) * ROW_BYTES / 10**9, prices.AURORA_GB)


def _listeners(load: Load) -> Iterator[Line]:
    posts = load.listeners * load.messages
    yield Line("feed", "messages", _a_month(posts), prices.WEBSOCKET_MESSAGE)
    yield Line("feed", "connections", load.listeners * prices.HOURS * 60, prices.WEBSOCKET_MINUTE)
    seconds = _a_month(posts) * POST_MS / 1000 / POSTS_AT_ONCE
    yield Line("functions", "feed", seconds * _gigabytes("feed_push"), prices.LAMBDA_GB_S)
    if load.listeners:  # the feed's clock runs while somebody listens
        yield Line("functions", "feed", prices.SECONDS * _gigabytes("feed_beat"), prices.LAMBDA_GB_S)


def _views(load: Load, entries: Decimal) -> Iterator[Line]:
    yield Line("Valkey", "requests", _a_month(load.commands + load.reads + entries) * ECPU_A_REQUEST, prices.VALKEY_ECPU)


def _traces(load: Load, entries: Decimal) -> Iterator[Line]:
    calls = load.commands + load.reads + entries
    yield Line("watching", "traces", _a_month(min(calls, TRACED_ALWAYS + TRACED_SHARE * calls)), prices.TRACE)
