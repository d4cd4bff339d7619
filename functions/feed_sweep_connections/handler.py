"""Finds connections that are gone although nobody said so, every minute: whose `$disconnect` never came.

A connection whose orders end with it is asked for each time, so that they do end; any other is only looked at when it is older
than connections get: nothing is posted to it meanwhile, or the pusher would have found it gone.
"""

import time

from aws_lambda_powertools import Logger

from exchange.adapters import connections
from exchange.adapters.aws.posts import PostFailed, is_there
from exchange.adapters.leaving import forget

logger = Logger(service="feed_sweep_connections", use_rfc3339=True)
# API Gateway ends a connection after two hours.
MAX_AGE_S = 2 * 3600 + 300


def lambda_handler(event: dict, context: object) -> dict:
    """A scheduled event; its content is not used. Answers how many were forgotten. Where the service is away nobody is."""
    forgotten = 0
    for connection in connections.all_connections():
        try:
            if connection.opened_at_s < time.time() - MAX_AGE_S or (connection.cancels and not is_there(connection.id)):
                forget(connection.id)
                forgotten += 1
        except PostFailed as failed:
            logger.warning("not known whether it is there", connection=connection.id, error=str(failed))
    return {"forgotten": forgotten}
