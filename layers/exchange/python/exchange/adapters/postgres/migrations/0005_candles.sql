-- Candles: what was traded per market and span of time. Derived from the journal alone and rebuilt from it; no money hangs on them.

-- Spans of a minute and of an hour, starting at whole multiples; the other granularities are put together from them.
-- A span without trades has no row.
CREATE TABLE candles (
    market        text NOT NULL,
    granularity_s integer NOT NULL CHECK (granularity_s IN (60, 3600)),
    start_s       bigint NOT NULL CHECK (start_s % granularity_s = 0),
    open          numeric(32,8) NOT NULL,
    high          numeric(32,8) NOT NULL,
    low           numeric(32,8) NOT NULL,
    close         numeric(32,8) NOT NULL,
    volume        numeric(32,8) NOT NULL CHECK (volume > 0),
    trades        bigint NOT NULL CHECK (trades > 0),
    PRIMARY KEY (market, granularity_s, start_s),
    CHECK (low <= open AND low <= close AND open <= high AND close <= high)
);

-- The last journal entry whose trades are in the candles, moved in the transaction that adds them.
CREATE TABLE candle_cursors (
    market text PRIMARY KEY,
    seq    bigint NOT NULL CHECK (seq >= 0),
    hash   bytea NOT NULL CHECK (octet_length(hash) = 32)
);
