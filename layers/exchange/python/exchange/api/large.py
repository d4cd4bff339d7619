"""An answer that may be large, such as a whole book: compressed where it is worth it, refused where it cannot be sent.

What a Lambda function answers is at most 6 MB, as JSON in JSON: each quotation mark counts twice, and what is compressed counts
four thirds. An HTTP API compresses nothing itself.
"""

import zlib

import orjson

from exchange.api.door import Response
from exchange.api.errors import BadRequest
from exchange.api.request import Request

COMPRESS_FROM = 100_000  # bytes: below, the compression takes longer than what it saves on most ways
MOST_BYTES = 6_291_556 - 4096  # the rest of the answer has its room
_GZIP = 31  # zlib's name for it


def large_answer(request: Request, value: object) -> Response:
    """The answer with the JSON of `value`. Raises BadRequest when it is larger than can be sent."""
    body = orjson.dumps(value)
    takes_gzip = _takes_gzip(request.headers.get("accept-encoding", ""))
    headers = {"vary": "accept-encoding"}
    if takes_gzip and len(body) >= COMPRESS_FROM:
        packer = zlib.compressobj(1, wbits=_GZIP)
        body = packer.compress(body) + packer.flush()
        headers["content-encoding"] = "gzip"
        sent = -(-len(body) // 3) * 4
    else:
        sent = len(body) + body.count(b'"')
    if sent > MOST_BYTES:
        raise BadRequest("the answer is larger than can be sent: ask for " + ("less" if takes_gzip else "gzip, or for less"),
                         "answer_too_large")
    return Response(body, headers=headers)


def _takes_gzip(accepted: str) -> bool:
    for coding in accepted.lower().split(","):
        name, _, weight = coding.partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
