-- An index less on postings and on fills. Their numbers alone are never looked up: they order an account's rows. As primary keys of
-- their own they cost an index entry per row, and let the planner walk the whole table backwards for the newest rows of a busy
-- account, which finds them late when that account has been quiet for long.
ALTER TABLE postings DROP CONSTRAINT postings_pkey;
DROP INDEX postings_by_account;
ALTER TABLE postings ADD PRIMARY KEY (account_no, asset, id);

ALTER TABLE fills DROP CONSTRAINT fills_pkey;
DROP INDEX fills_by_account_and_market;
ALTER TABLE fills ADD PRIMARY KEY (account_no, market, number);
