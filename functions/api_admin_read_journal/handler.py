"""GET /admin/journal/{product_id} and /admin/journal/{product_id}/{seq}: the market's journal, entry by entry.

`verified`: the entry's hash is that of its bytes, and it names the hash of the entry before (I4). Whether a replay gives the
same book is the audits' to say.
"""

from exchange.adapters.ports import journal
from exchange.api.door import Response, operation
from exchange.api.errors import NotFound
from exchange.api.products import product_of
from exchange.api.request import Request
from exchange.journal import HASH_SIZE, JournalBroken, decode_entry
from exchange.journal_rows import entry_object, entry_row, trouble_of
from exchange.markets import Market

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_SEQ = 2**53


@operation(scope="operate")
def lambda_handler(request: Request) -> Response | dict:
    market = product_of(request)
    return _page(request, market) if not request.path_parameter("seq") else _entry(request, market)


def _entry(request: Request, market: Market) -> dict:
    text = request.path_parameter("seq")
    seq = int(text) if text.isascii() and text.isdigit() and len(text) < 17 else 0
    raw = journal().get(market=market.id, seq=seq) if 0 < seq < MAX_SEQ else None
    if raw is None:
        raise NotFound()
    before = journal().get(market=market.id, seq=seq - 1) if seq > 1 else None
    return _shown(raw, market, seq, before[-HASH_SIZE:] if before else None, whole=True)


def _page(request: Request, market: Market) -> Response:
    """Newest first. `after`: older than that seq, `before`: the ones next to it that are newer."""
    limit = request.query_int("limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    head = journal().head(market=market.id)
    newest = decode_entry(head).seq if head is not None else 0
    if request.query("after") is not None:
        last = min(newest, request.query_int("after", 0, 0, MAX_SEQ) - 1)
    elif request.query("before") is not None:
        last = min(newest, request.query_int("before", 0, 0, MAX_SEQ) + limit)
    else:
        last = newest
    first = max(1, last - limit + 1)
    if request.query("before") is not None and request.query("after") is None:
        first = max(first, request.query_int("before", 0, 0, MAX_SEQ) + 1)
    if last < first:
        return Response([])
    # One more at the front: the first one shown chains to it.
    raws = journal().after(market=market.id, seq=max(0, first - 2), limit=last - max(1, first - 1) + 1)
    shown = raws if first == 1 else raws[1:]
    hashes = [None if first == 1 else raws[0][-HASH_SIZE:], *(raw[-HASH_SIZE:] for raw in shown)]
    rows = [_shown(raw, market, first + index, hashes[index], whole=False) for index, raw in enumerate(shown)]
    headers = {"cb-before": str(last)} | ({"cb-after": str(first)} if first > 1 else {})
    return Response(rows[::-1], headers=headers)


def _shown(raw: bytes, market: Market, seq: int, previous_hash: bytes | None, *, whole: bool) -> dict:
    try:
        entry = decode_entry(raw)
    except JournalBroken as broken:
        return {"product_id": market.id, "seq": seq, "verified": False, "trouble": str(broken), "bytes": len(raw)}
    trouble = trouble_of(entry, previous_hash)
    row = entry_object(entry, market) if whole else entry_row(entry)
    return row | {"verified": trouble is None} | ({"trouble": trouble} if trouble else {})
