-- An account's dead man's switch: unless it is set anew, all its orders are canceled at `cancel_at`.
CREATE TABLE cancel_switches (
    account_no bigint PRIMARY KEY REFERENCES accounts,
    cancel_at  timestamptz NOT NULL,
    set_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX cancel_switches_by_time ON cancel_switches (cancel_at);
