-- An account has at most so many orders in a market that are not done. Counted before anything is locked or written, so that who
-- sends more and more of them costs little, and changes nothing; orders that are sent at the same moment may go some over it.
-- An order that stands already is answered all the same. `p_most_open` is null for what cannot come to rest.
--
-- The one without it stays: this one calls it, and so do functions that were deployed before.
CREATE FUNCTION place_order(
    p_id uuid, p_account bigint, p_market text, p_side text, p_type text, p_time_in_force text, p_stp text,
    p_post_only boolean, p_price numeric, p_size numeric, p_funds numeric, p_specified_funds numeric, p_client_oid uuid,
    p_hold_asset text, p_hold numeric, p_created_at timestamptz, p_command bytea, p_stop text, p_stop_price numeric,
    p_display_size numeric, p_expire_at timestamptz, p_sent_in uuid, p_most_open integer) RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
    IF p_most_open IS NOT NULL AND (
            SELECT count(*) FROM (SELECT 1 FROM orders WHERE account_no = p_account AND status <> 'done' AND market = p_market
                                   LIMIT p_most_open) AS open) >= p_most_open THEN
        RETURN coalesce((SELECT id FROM orders WHERE account_no = p_account AND client_oid = p_client_oid
                         UNION ALL SELECT id FROM orders WHERE id = p_id AND account_no = p_account LIMIT 1),
                        '00000000-0000-0000-0000-000000000000');
    END IF;
    RETURN place_order(p_id, p_account, p_market, p_side, p_type, p_time_in_force, p_stp, p_post_only, p_price, p_size, p_funds,
                       p_specified_funds, p_client_oid, p_hold_asset, p_hold, p_created_at, p_command, p_stop, p_stop_price,
                       p_display_size, p_expire_at, p_sent_in);
END $$;
