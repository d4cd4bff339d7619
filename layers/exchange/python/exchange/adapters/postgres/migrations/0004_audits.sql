-- What the audits found, when each ran last, and how far it has come.

-- One row per audit and market; market '' is for what concerns them all. `result`: `behind` when nothing was wrong and not
-- everything there is could be checked in one run.
CREATE TABLE audit_runs (
    audit          text NOT NULL,
    market         text NOT NULL DEFAULT '',
    started_at     timestamptz NOT NULL,
    duration_ms    bigint NOT NULL CHECK (duration_ms >= 0),
    rows_checked   bigint NOT NULL CHECK (rows_checked >= 0),
    result         text NOT NULL CHECK (result IN ('passed', 'behind', 'failed')),
    details        jsonb NOT NULL DEFAULT '{}',
    last_passed_at timestamptz,
    last_failed_at timestamptz,
    PRIMARY KEY (audit, market)
);

-- What was wrong. `subject` names it (a balance, an entry, a trade), so that what is found again every minute is one row.
-- `evidence`: the offending rows as they were when it was found last.
CREATE TABLE audit_findings (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    audit          text NOT NULL,
    market         text NOT NULL DEFAULT '',
    invariant      text NOT NULL CHECK (invariant ~ '^I([1-9]|10)$'),
    subject        text NOT NULL CHECK (length(subject) <= 200),
    what           text NOT NULL,
    evidence       jsonb NOT NULL DEFAULT '[]',
    first_found_at timestamptz NOT NULL,
    last_found_at  timestamptz NOT NULL,
    times          bigint NOT NULL DEFAULT 1,
    UNIQUE (audit, market, invariant, subject)
);
CREATE INDEX audit_findings_newest ON audit_findings (last_found_at DESC);

-- Up to where an audit has found everything in order; what `position` holds is the audit's own.
CREATE TABLE audit_cursors (
    audit      text NOT NULL,
    market     text NOT NULL DEFAULT '',
    position   jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (audit, market)
) WITH (fillfactor = 50);

-- I3: all that may be held of an account's asset, one row per reason. What holds money in another way is added here.
CREATE VIEW holds_needed AS
    SELECT account_no, hold_asset AS asset, hold AS amount FROM orders WHERE status <> 'done';

-- "Which orders ended since?" for the audit of I3. A BRIN index keeps no entry per row, and an update of what it covers can
-- still stay on its page.
CREATE INDEX orders_done_at ON orders USING brin (done_at) WITH (pages_per_range = 16, autosummarize = on);
