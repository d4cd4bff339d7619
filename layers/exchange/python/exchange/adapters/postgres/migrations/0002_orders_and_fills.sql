-- Orders with their holds, fills, and how far each market's journal has been settled.

-- `command` is the packed record that went, or is still to go, into the market's queue: the sweep sends these bytes again,
-- and settlement takes the order's limits and fee rates from them.
-- `reduced`: what self-trade prevention took off, of size in base or (an order by funds) of funds in quote.
-- `fee_numerator`: sum of value in quote units x rate in ppm over the fills; the fee is rounded up once, over all of them.
-- No foreign key to accounts: the hold in the same transaction proves the account, and checking it again would lock the
-- account's row in every placement.
CREATE TABLE orders (
    id              uuid PRIMARY KEY,
    number          bigint GENERATED ALWAYS AS IDENTITY,
    account_no      bigint NOT NULL,
    market          text NOT NULL,
    side            text NOT NULL CHECK (side IN ('buy', 'sell')),
    type            text NOT NULL CHECK (type IN ('limit', 'market', 'stop')),
    time_in_force   text NOT NULL CHECK (time_in_force IN ('GTC', 'GTT', 'IOC', 'FOK')),
    stp             text NOT NULL CHECK (stp IN ('dc', 'co', 'cn', 'cb')),
    post_only       boolean NOT NULL DEFAULT false,
    price           numeric(32,8) CHECK (price > 0),
    size            numeric(32,8) CHECK (size > 0),
    funds           numeric(32,8) CHECK (funds > 0),
    specified_funds numeric(32,8) CHECK (specified_funds >= funds),
    stop            text CHECK (stop IN ('loss', 'entry')),
    stop_price      numeric(32,8) CHECK (stop_price > 0),
    display_size    numeric(32,8) CHECK (display_size > 0 AND display_size <= size),
    expire_at       timestamptz,
    client_oid      uuid,
    hold_asset      text NOT NULL,
    hold            numeric(32,8) NOT NULL CHECK (hold >= 0),
    filled_size     numeric(32,8) NOT NULL DEFAULT 0 CHECK (filled_size >= 0),
    executed_value  numeric(32,8) NOT NULL DEFAULT 0 CHECK (executed_value >= 0),
    fill_fees       numeric(32,8) NOT NULL DEFAULT 0 CHECK (fill_fees >= 0),
    fee_numerator   numeric(48,0) NOT NULL DEFAULT 0 CHECK (fee_numerator >= 0),
    reduced         numeric(32,8) NOT NULL DEFAULT 0 CHECK (reduced >= 0),
    status          text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'open', 'active', 'done')),
    done_reason     text CHECK (done_reason IN ('filled', 'canceled', 'rejected')),
    reject_reason   text,
    created_at      timestamptz NOT NULL,
    done_at         timestamptz,
    cancel_requested_at timestamptz,
    command         bytea NOT NULL CHECK (octet_length(command) = 112),
    CHECK ((size IS NULL) <> (funds IS NULL)),
    CHECK ((type = 'limit') <= (price IS NOT NULL AND size IS NOT NULL)),
    CHECK (filled_size + CASE WHEN size IS NULL THEN 0 ELSE reduced END <= coalesce(size, filled_size)),
    CHECK ((status = 'done') = (done_at IS NOT NULL) AND (status = 'done') = (done_reason IS NOT NULL)),
    CONSTRAINT done_holds_nothing CHECK (status <> 'done' OR hold = 0)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX orders_client_oid ON orders (account_no, client_oid) WHERE client_oid IS NOT NULL;
CREATE INDEX orders_by_account ON orders (account_no, number DESC);
CREATE INDEX orders_by_account_and_market ON orders (account_no, market, number DESC);
CREATE INDEX orders_live ON orders (account_no, number DESC) WHERE status <> 'done';
CREATE INDEX orders_pending ON orders (market, created_at) WHERE status = 'pending';
CREATE INDEX orders_to_cancel ON orders (market, cancel_requested_at)
    WHERE status <> 'done' AND cancel_requested_at IS NOT NULL;

-- I7: every fill once for each side. `side` is the order's own; `value` = price x size, without the fee.
CREATE TABLE fills (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    market      text NOT NULL,
    trade_id    bigint NOT NULL,
    side        text NOT NULL CHECK (side IN ('buy', 'sell')),
    order_id    uuid NOT NULL REFERENCES orders,
    account_no  bigint NOT NULL,
    liquidity   text NOT NULL CHECK (liquidity IN ('M', 'T')),
    price       numeric(32,8) NOT NULL CHECK (price > 0),
    size        numeric(32,8) NOT NULL CHECK (size > 0),
    value       numeric(32,8) NOT NULL CHECK (value > 0),
    fee         numeric(32,8) NOT NULL CHECK (fee >= 0),
    journal_seq bigint NOT NULL,
    created_at  timestamptz NOT NULL,
    CONSTRAINT fills_once_per_side UNIQUE (market, trade_id, side)
);
CREATE INDEX fills_by_order ON fills (order_id, number DESC);
CREATE INDEX fills_by_account_and_market ON fills (account_no, market, number DESC);

-- Value traded per day (UTC), from which fee tiers and the 30-day volume are read without adding up fills.
CREATE TABLE trading_volumes (
    account_no bigint NOT NULL,
    market     text NOT NULL,
    day        date NOT NULL,
    value      numeric(32,8) NOT NULL CHECK (value >= 0),
    PRIMARY KEY (account_no, day, market)
);

-- The last journal entry settled per market, written in the transaction of its effects. `fee_account`: the house
-- account that takes this market's fees; one per market, because a market settles one entry at a time anyway.
CREATE TABLE settle_cursors (
    market      text PRIMARY KEY,
    seq         bigint NOT NULL,
    hash        bytea NOT NULL CHECK (octet_length(hash) = 32),
    fee_account bigint NOT NULL REFERENCES accounts
) WITH (fillfactor = 50);

CREATE FUNCTION open_market(p_market text, p_quote text) RETURNS SETOF settle_cursors LANGUAGE plpgsql AS $$
DECLARE
    fees bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7301003);
    IF NOT EXISTS (SELECT FROM settle_cursors WHERE market = p_market) THEN
        fees := nextval('house_account_numbers');
        INSERT INTO accounts (account_no, kind, name) VALUES (fees, 'fees', 'fees:' || p_market);
        INSERT INTO balances (account_no, asset) VALUES (fees, p_quote);
        INSERT INTO settle_cursors VALUES (p_market, 0, decode(repeat('00', 32), 'hex'), fees);
    END IF;
    RETURN QUERY SELECT * FROM settle_cursors WHERE market = p_market;
END $$;

-- Order row and hold, both or neither. Answers the id of the order that stands: p_id when it was placed (also by an
-- earlier try of the same call), another's when the account has used this client_oid before; null when the account's
-- available balance is less than the hold. The condition is in the UPDATE, so two orders racing for one balance queue up
-- at its row and the second one sees what the first one left. Balance before order, here as everywhere: no deadlock.
CREATE FUNCTION place_order(
    p_id uuid, p_account bigint, p_market text, p_side text, p_type text, p_time_in_force text, p_stp text,
    p_post_only boolean, p_price numeric, p_size numeric, p_funds numeric, p_specified_funds numeric, p_client_oid uuid,
    p_hold_asset text, p_hold numeric, p_created_at timestamptz, p_command bytea) RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
    UPDATE balances SET available = available - p_hold, held = held + p_hold
     WHERE account_no = p_account AND asset = p_hold_asset AND available >= p_hold;
    IF FOUND THEN
        INSERT INTO orders (id, account_no, market, side, type, time_in_force, stp, post_only, price, size, funds,
                            specified_funds, client_oid, hold_asset, hold, created_at, command)
        VALUES (p_id, p_account, p_market, p_side, p_type, p_time_in_force, p_stp, p_post_only, p_price, p_size, p_funds,
                p_specified_funds, p_client_oid, p_hold_asset, p_hold, p_created_at, p_command)
        ON CONFLICT DO NOTHING;
        IF FOUND THEN
            RETURN p_id;
        END IF;
        UPDATE balances SET available = available + p_hold, held = held - p_hold
         WHERE account_no = p_account AND asset = p_hold_asset;
    END IF;
    RETURN (SELECT id FROM orders WHERE account_no = p_account AND client_oid = p_client_oid
            UNION ALL SELECT id FROM orders WHERE id = p_id AND account_no = p_account LIMIT 1);
END $$;
