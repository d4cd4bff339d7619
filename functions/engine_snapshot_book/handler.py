"""Stores a snapshot of each market's book, replayed from the one before, so that recovery replays few entries.

Replaying is also the running check of I4 and I5: a journal that does not chain, or events that replay does not give again,
halt the market.
"""

from aws_lambda_powertools import Logger

from exchange.adapters.core import core_for
from exchange.adapters.halt import halt_market
from exchange.adapters.ports import journal, snapshot_store
from exchange.journal import JournalBroken, NewerCore
from exchange.markets import listing
from exchange.replica import BookReplica

logger = Logger(service="engine_snapshot_book", use_rfc3339=True)


def lambda_handler(event: dict, context: object) -> dict:
    """A scheduled event; its content is not used. Answers the seq stored per market; raises after trying all markets
    where one's journal is broken. A damaged snapshot is replaced."""
    stored: dict[str, int] = {}
    broken: list[str] = []
    for market in listing().markets.values():
        try:
            replica = BookReplica.recover(market.id, core_for(market), journal(), snapshot_store())
        except NewerCore as newer:
            logger.warning("a newer core has written here; the next run will be its", market=market.id, error=str(newer))
            continue
        except JournalBroken as error:
            logger.critical("book cannot be rebuilt, market halted", market=market.id, error=str(error))
            halt_market(market.id, str(error))
            broken.append(market.id)
            continue
        if replica.refused_snapshot:
            logger.error("snapshot refused, replayed from the start", market=market.id, error=replica.refused_snapshot)
        newest = snapshot_store().newest(market=market.id)
        if replica.position.seq > (newest[0] if newest else 0) or replica.refused_snapshot:
            snapshot_store().put(market=market.id, seq=replica.position.seq, blob=replica.to_snapshot())
            stored[market.id] = replica.position.seq
    if broken:
        raise JournalBroken(f"no snapshot of {', '.join(broken)}")
    return stored
