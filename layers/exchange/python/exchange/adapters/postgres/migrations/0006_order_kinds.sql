-- Stop orders, orders with an end, icebergs; orders that share a message; amends that may have to be sent again.

-- `sent_in`: the queue message that brought this order together with others; null for one that was sent alone, under its own id.
-- The sweep sends again under the same name, or the queue could not tell a repeat.
-- `amend_command`: the packed record of the newest amend; the sweep sends it again while `amend_requested_at` stands.
ALTER TABLE orders ADD COLUMN sent_in uuid;
ALTER TABLE orders ADD COLUMN amend_command bytea CHECK (octet_length(amend_command) = 112);
CREATE INDEX orders_to_amend ON orders (market, amend_requested_at) WHERE amend_requested_at IS NOT NULL;

-- As the place_order of 0002, for orders of all kinds. That one stays for functions that were deployed before.
CREATE FUNCTION place_order(
    p_id uuid, p_account bigint, p_market text, p_side text, p_type text, p_time_in_force text, p_stp text,
    p_post_only boolean, p_price numeric, p_size numeric, p_funds numeric, p_specified_funds numeric, p_client_oid uuid,
    p_hold_asset text, p_hold numeric, p_created_at timestamptz, p_command bytea, p_stop text, p_stop_price numeric,
    p_display_size numeric, p_expire_at timestamptz, p_sent_in uuid) RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
    UPDATE balances SET available = available - p_hold, held = held + p_hold
     WHERE account_no = p_account AND asset = p_hold_asset AND available >= p_hold;
    IF FOUND THEN
        INSERT INTO orders (id, account_no, market, side, type, time_in_force, stp, post_only, price, size, funds,
                            specified_funds, client_oid, hold_asset, hold, created_at, command, stop, stop_price,
                            display_size, expire_at, sent_in)
        VALUES (p_id, p_account, p_market, p_side, p_type, p_time_in_force, p_stp, p_post_only, p_price, p_size, p_funds,
                p_specified_funds, p_client_oid, p_hold_asset, p_hold, p_created_at, p_command, p_stop, p_stop_price,
                p_display_size, p_expire_at, p_sent_in)
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
