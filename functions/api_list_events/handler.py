"""GET /products/{product_id}/events?after=<sequence>: the `full` channel's messages after a sequence, from the journal."""

from exchange.adapters.ports import journal
from exchange.adapters.postgres.orders import placed_commands
from exchange.adapters.redis.market_views import MarketViews
from exchange.api.door import operation
from exchange.api.errors import BadRequest
from exchange.api.products import product_of
from exchange.api.request import Request
from exchange.feed.history import HistoryTeller, TooOld, first_entry
from exchange.journal import decode_entry

views = MarketViews()
MAX_SEQUENCE = 2**62
MAX_EVENTS = 1000
# At most so many entries are read for a page, however few events they have.
MAX_ENTRIES = 100


@operation(public=True)
def lambda_handler(request: Request) -> dict:
    """The messages, oldest first, at most `limit`, and the `sequence` that the feed is at. 400 without `after`, and where a
    message cannot be told any more: start from the book at level 3 then."""
    market = product_of(request)
    if request.query("after") is None:
        raise BadRequest("after is required", "bad_query")
    after, limit = request.query_int("after", 0, 0, MAX_SEQUENCE), request.query_int("limit", MAX_EVENTS, 1, MAX_EVENTS)
    sequence, told = views.told(market.id)
    answer = {"product_id": market.id, "sequence": sequence, "events": []}
    seq = first_entry(journal(), market.id, after) if after < sequence else None
    if seq is None:
        return answer
    teller = HistoryTeller(market, told=told, commands_of=placed_commands)
    try:
        # An entry may hold nothing for the public: the page goes on until it has something.
        while not answer["events"] and (page := journal().after(market=market.id, seq=seq - 1, limit=MAX_ENTRIES)):
            entries = [decode_entry(raw) for raw in page]
            answer["events"] = teller.tell(entries, after=after, up_to=sequence, limit=limit)
            if entries[-1].feed_sequence >= sequence:
                break
            seq = entries[-1].seq + 1
    except TooOld as old:
        raise BadRequest(f"{old}; start from the book", "events_too_old") from None
    return answer
