"""The feed's views in Redis. Derived from the journal and rebuilt from it: losing them loses nothing.

Keys of a market share a hash tag, so that one script may touch them all:

    feed:{M}:cursor       hash    epoch, revision, format, seq, hash, sequence, at_ms, mode, touch (see `encode_touch`),
                                  listening (the channels that the clock moves and anybody has)
    feed:{M}:bids, :asks  hash    price in ticks -> "lots:orders"
    feed:{M}:live         hash    order id (16 bytes) -> `LiveOrder.pack`
    feed:{M}:trades       list    `Trade.pack`, newest first, 1000
    feed:{M}:minutes      hash    minute -> "open,high,low,close,lots,trades"      (24 h)
    feed:{M}:hours        hash    hour -> lots                                      (30 d)
    feed:{M}:subscribers  hash    connection -> JSON, changed by `feed_publish` only
    feed:{M}:told         list    what the journal does not say of some events, see `state.Told`; newest first, 5000
    feed:{M}:outbox       hash    push id -> JSON; saved, and perhaps not yet sent
"""
