"""Posts messages to WebSocket connections: in order to one connection, to several at a time.

A group of the push queue is a market's shard of connections; a batch's messages are posted connection by connection. A
connection that is gone, or will not take a message, is dropped: it gets no gap, it gets closed. When the service itself
is out of reach the batch comes again, and a connection may see a message twice, by whose `sequence` it knows.
"""

import json
import os
from concurrent.futures import ThreadPoolExecutor

from aws_lambda_powertools import Logger

from exchange.adapters.aws.posts import POSTS_AT_ONCE, Gone, PostRefused, disconnect, post
from exchange.adapters.ports import command_queue
from exchange.feed.bodies import encode_drop

FEED_QUEUE_URL = os.environ["FEED_QUEUE_URL"]

logger = Logger(service="feed_push")
threads = ThreadPoolExecutor(POSTS_AT_ONCE)


def lambda_handler(event: dict, context: object) -> dict:
    """An SQS batch of the push queue. Answers no failures, or raises and fails all."""
    texts: dict[str, list[str]] = {}
    markets: dict[str, set[str]] = {}
    closing: list[str] = []
    for record in event["Records"]:
        body = json.loads(record["body"])
        for connections, indexes in body["send"]:
            for connection in connections:
                texts.setdefault(connection, []).extend(body["texts"][index] for index in indexes)
                markets.setdefault(connection, set()).add(body["market"])
        closing += body["close"]
        for connection in body["close"]:
            markets.setdefault(connection, set()).add(body["market"])
    lost = [connection for connection, arrived in zip(texts, _post_all(texts), strict=True) if not arrived]
    for connection in closing:
        disconnect(connection)
    for connection in dict.fromkeys(lost + closing):
        drop(connection, markets[connection])
    return {"batchItemFailures": []}


def _post_all(texts: dict[str, list[str]]) -> list[bool]:
    if len(texts) == 1:  # the usual case needs no thread
        return [post_in_order(*item) for item in texts.items()]
    return list(threads.map(post_in_order, texts, texts.values()))


def post_in_order(connection: str, texts: list[str]) -> bool:
    """False for a connection that is to be dropped."""
    try:
        for text in texts:
            post(connection, text)
    except Gone:
        return False
    except PostRefused as refused:
        logger.warning("connection cut", connection=connection, error=str(refused))
        disconnect(connection)
        return False
    return True


def drop(connection: str, markets: set[str]) -> None:
    """Tells the publisher of every market that the connection listens to, then forgets it."""
    # Imported here: posting, all this function does most of its life, needs no client of DynamoDB.
    from exchange.adapters.connections import close_connection, find_connection

    known = find_connection(connection)
    for market in sorted(markets | (known.products if known else set())):
        command_queue().send(queue=FEED_QUEUE_URL, group=market, dedup_id=f"drop:{connection}:{market}",
                             body=encode_drop(market, connection))
    close_connection(connection)
