"""Posts messages to WebSocket connections: in order to one connection, to several at a time; see `adapters.aws.pusher`.

A group of the push queue is a market's shard of connections; a batch's messages are posted connection by connection.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import orjson

from exchange.adapters.aws.posts import POSTS_AT_ONCE, disconnect, post
from exchange.adapters.aws.pusher import Pusher
from exchange.adapters.ports import command_queue
from exchange.feed.bodies import encode_resync

FEED_QUEUE_URL = os.environ["FEED_QUEUE_URL"]

threads = ThreadPoolExecutor(POSTS_AT_ONCE)


def each(function: Callable, items: Sequence) -> object:
    if len(items) == 1:  # the usual case needs no thread
        return function(items[0])
    return list(threads.map(function, items))


def drop(connection: str, markets: set[str]) -> None:
    # Imported here: posting, all this function does most of its life, needs no client of DynamoDB.
    from exchange.adapters.leaving import forget

    forget(connection, markets)


def resync(connection: str, market: str, name: str) -> None:
    """Asks the publisher for the newest state."""
    command_queue().send(queue=FEED_QUEUE_URL, group=market, body=encode_resync(market, connection),
                         dedup_id=f"resync:{connection}:{market}:{name}")


# By name, so that what a module's name stands for when it is called is what is called.
pusher = Pusher(post=lambda connection, text: post(connection, text), disconnect=lambda connection: disconnect(connection),
                drop=drop, resync=resync, each=each)


def lambda_handler(event: dict, context: object) -> dict:
    """An SQS batch of the push queue. Answers no failures, or raises and fails all."""
    records = event["Records"]
    pusher.push([orjson.loads(record["body"]) for record in records], name=records[0]["messageId"],
                receives=max(int(record["attributes"].get("ApproximateReceiveCount", 1)) for record in records))
    return {"batchItemFailures": []}
