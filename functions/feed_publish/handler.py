"""Publishes what was matched: moves the views along the journal and hands the listeners' messages to the push queue.

A batch holds messages of several markets, each market's in order: nudges, subscriptions, drops. Markets fail one by one;
of a market that fails, all messages come again, which is safe because the cursor and the versions say what was done.
"""

import os
import time
from functools import lru_cache, partial

from aws_lambda_powertools import Logger

from exchange.adapters.connections import connections_of
from exchange.adapters.halt import halt_market
from exchange.adapters.market_status import MarketStatus
from exchange.adapters.ports import command_queue, journal
from exchange.adapters.redis.connection import client
from exchange.adapters.redis.view_store import RedisViewStore
from exchange.faults import BrokenInvariant, RetryableFault
from exchange.feed.messages import dump
from exchange.feed.messages import status as status_message
from exchange.feed.publisher import FeedPublisher, parse_body
from exchange.feed.rows import currency_row, product_row
from exchange.markets import listing

logger = Logger(service="feed_publish", use_rfc3339=True)


def account_of(user_id: str) -> tuple[int, str]:
    from exchange.adapters.postgres.accounts import open_account
    return open_account(user_id)


@lru_cache(maxsize=1)
def statuses() -> MarketStatus:
    return MarketStatus()


def status(newest: bool) -> str:
    """The `status` message: what `/products` and `/currencies` answer, or with `newest` will answer in a second at most."""
    read = statuses().newest if newest else statuses().get
    shown = [(market, read(market.id)) for market in listing().markets.values()]
    return dump(status_message(
        [product_row(market, halted=found.halted, collecting=found.collecting) for market, found in shown],
        [currency_row(asset, number) for number, asset in enumerate(listing().assets.values(), start=1)]))


def cancel_all(account: int, market: str, name: str) -> None:
    from exchange.adapters.cancels import cancel_all as send_cancels
    ids = send_cancels(account, market=market, now_ms=time.time_ns() // 1_000_000, name=name)
    logger.info("a connection ended, cancels sent", market=market, account=account, orders=len(ids))


def time_left_s(context: object) -> float:
    return context.get_remaining_time_in_millis() / 1000 if context is not None else 3600.0


publisher = FeedPublisher(
    markets=listing().markets, views=RedisViewStore(client()), journal=journal(), queue=command_queue(),
    push_queue_url=os.environ["PUSH_QUEUE_URL"], shards=int(os.environ["FEED_SHARDS"]), account_of=account_of,
    connections_of=connections_of, status=status, cancel_all=cancel_all)


def lambda_handler(event: dict, context: object) -> dict:
    """An SQS batch of the feed queue. Answers the messages of the markets that failed."""
    by_market: dict[str, list[tuple[str, dict]]] = {}
    for record in event["Records"]:
        body = parse_body(record["body"])
        if body is None or body["market"] not in listing().markets:
            logger.error("not a feed message, dropped", message_id=record["messageId"])
            continue
        by_market.setdefault(body["market"], []).append((record["messageId"], body))
    failed: list[str] = []
    for market, messages in by_market.items():
        try:
            publisher.handle(market, [body for _, body in messages], partial(time_left_s, context))
        except BrokenInvariant as broken:
            logger.critical("invariant broken, market halted", market=market, error=str(broken))
            halt_market(market, str(broken))
            failed += [message_id for message_id, _ in messages]
        except RetryableFault as fault:
            logger.warning("will be tried again", market=market, error=str(fault))
            failed += [message_id for message_id, _ in messages]
        except Exception:
            logger.exception("unexpected error", market=market)
            failed += [message_id for message_id, _ in messages]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
