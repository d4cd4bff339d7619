-- What an account traded in a market on a day (UTC) also in base, so that what it traded in 30 days is read without adding up its
-- fills.

-- From here to the end no fill can be settled; readers go on until the new table takes the old one's name.
LOCK TABLE trading_volumes IN SHARE ROW EXCLUSIVE MODE;

CREATE TABLE volumes_with_sizes (
    account_no bigint NOT NULL,
    market     text NOT NULL,
    day        date NOT NULL,
    value      numeric(32,8) NOT NULL CHECK (value >= 0),
    size       numeric(32,8) NOT NULL CHECK (size >= 0)
);
INSERT INTO volumes_with_sizes
SELECT account_no, market, (created_at AT TIME ZONE 'UTC')::date, sum(value), sum(size) FROM fills GROUP BY 1, 2, 3;
ALTER TABLE volumes_with_sizes ADD CONSTRAINT volumes_with_sizes_pkey PRIMARY KEY (account_no, day, market);

DROP TABLE trading_volumes;
ALTER TABLE volumes_with_sizes RENAME TO trading_volumes;
ALTER INDEX volumes_with_sizes_pkey RENAME TO trading_volumes_pkey;

-- A settlement that was deployed before does not know of sizes. What it would leave out here is a fault, not a broken invariant: the
-- entry is settled by the next one, and no market is halted for it.
CREATE FUNCTION refuse_volume_without_size() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a settlement of before 0013 met the schema of after it' USING ERRCODE = 'object_not_in_prerequisite_state';
END $$;
CREATE TRIGGER volumes_have_sizes BEFORE INSERT ON trading_volumes
    FOR EACH ROW WHEN (NEW.size IS NULL) EXECUTE FUNCTION refuse_volume_without_size();
