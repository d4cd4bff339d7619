-- The wallet: withdrawals, where they may go and where deposits come to; freezing an account; adjustments.
--
-- Locks are taken in one order, so that nothing can deadlock: the queue of withdrawal requests (an advisory lock), the
-- account's row, balances by (account, asset), orders, transfers and adjustments. Whoever changes a transfer or an adjustment
-- takes its account and balance first, although it means reading the row once more.
--
-- Numbers and cursors: a page's cursor is a number, and a number drawn first may be committed last. So a transfer draws its
-- number while it holds its account's row, and a withdrawal also the queue of requests: per account, and for withdrawals over
-- all accounts, numbers become visible in growing order.

-- --- Freezing ---------------------------------------------------------------------------------------------------------

ALTER TABLE accounts ADD COLUMN frozen boolean NOT NULL DEFAULT false;
ALTER TABLE accounts ADD COLUMN tier text NOT NULL DEFAULT 'basic' CHECK (tier ~ '^[a-z]{1,16}$');

-- On the balance, too, because that is the row that every hold locks anyway: an order costs nothing more, and once a freeze
-- is committed no hold can grow, whichever statement tries.
ALTER TABLE balances ADD COLUMN frozen boolean NOT NULL DEFAULT false;

CREATE FUNCTION refuse_hold_of_frozen_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'account % is frozen', NEW.account_no
        USING ERRCODE = 'insufficient_privilege', CONSTRAINT = 'account_is_frozen';
END $$;
CREATE TRIGGER account_is_frozen BEFORE UPDATE OF held ON balances FOR EACH ROW
    WHEN (NEW.frozen AND NEW.held > OLD.held) EXECUTE FUNCTION refuse_hold_of_frozen_account();

-- What operators did to accounts, each with its reason.
CREATE TABLE account_actions (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_no bigint NOT NULL REFERENCES accounts,
    action     text NOT NULL CHECK (action IN ('freeze', 'unfreeze', 'tier')),
    tier       text CHECK ((action = 'tier') = (tier IS NOT NULL)),
    reason     text NOT NULL CHECK (length(reason) BETWEEN 1 AND 1000),
    operator   text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX account_actions_by_account ON account_actions (account_no, number DESC);
CREATE TRIGGER account_actions_are_final BEFORE UPDATE OR DELETE OR TRUNCATE ON account_actions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- As before, and: accounts become visible in the order of their numbers; a balance row of a newly listed asset is as frozen
-- as its account (the key share lock makes it wait for a freeze that is under way).
CREATE OR REPLACE FUNCTION open_account(p_user_id text, p_assets text[]) RETURNS TABLE (account_no bigint, profile_id uuid)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    opened accounts;
BEGIN
    SELECT * INTO opened FROM accounts WHERE user_id = p_user_id;
    IF NOT FOUND THEN
        PERFORM pg_advisory_xact_lock(7301013);
        INSERT INTO accounts (kind, user_id) VALUES ('trader', p_user_id) ON CONFLICT (user_id) DO NOTHING;
        SELECT * INTO opened FROM accounts WHERE user_id = p_user_id;
    END IF;
    IF EXISTS (SELECT FROM unnest(p_assets) AS listed (asset) WHERE NOT EXISTS (
            SELECT FROM balances b WHERE b.account_no = opened.account_no AND b.asset = listed.asset)) THEN
        SELECT * INTO opened FROM accounts WHERE user_id = p_user_id FOR KEY SHARE;
        INSERT INTO balances (account_no, asset, frozen)
        SELECT opened.account_no, listed.asset, opened.frozen FROM unnest(p_assets) AS listed (asset)
         WHERE NOT EXISTS (SELECT FROM balances b WHERE b.account_no = opened.account_no AND b.asset = listed.asset)
         ORDER BY listed.asset
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN QUERY SELECT opened.account_no, opened.profile_id;
END $$;

-- Outcomes: done, unchanged (it is so already), unknown_account.
CREATE FUNCTION set_frozen(p_account bigint, p_frozen boolean, p_operator text, p_reason text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    account accounts;
BEGIN
    SELECT * INTO account FROM accounts WHERE account_no = p_account AND kind = 'trader' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'unknown_account';
    END IF;
    IF account.frozen = p_frozen THEN
        RETURN 'unchanged';
    END IF;
    PERFORM FROM balances WHERE account_no = p_account ORDER BY account_no, asset FOR UPDATE;
    UPDATE accounts SET frozen = p_frozen WHERE account_no = p_account;
    UPDATE balances SET frozen = p_frozen WHERE account_no = p_account;
    INSERT INTO account_actions (account_no, action, reason, operator)
    VALUES (p_account, CASE WHEN p_frozen THEN 'freeze' ELSE 'unfreeze' END, p_reason, p_operator);
    RETURN 'done';
END $$;

CREATE FUNCTION set_tier(p_account bigint, p_tier text, p_operator text, p_reason text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    account accounts;
BEGIN
    SELECT * INTO account FROM accounts WHERE account_no = p_account AND kind = 'trader' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'unknown_account';
    END IF;
    IF account.tier = p_tier THEN
        RETURN 'unchanged';
    END IF;
    UPDATE accounts SET tier = p_tier WHERE account_no = p_account;
    INSERT INTO account_actions (account_no, action, tier, reason, operator)
    VALUES (p_account, 'tier', p_tier, p_reason, p_operator);
    RETURN 'done';
END $$;

-- --- Addresses --------------------------------------------------------------------------------------------------------

-- The address book: the only places that crypto may be withdrawn to, each from `usable_at` on.
CREATE TABLE withdrawal_addresses (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    number          bigint GENERATED ALWAYS AS IDENTITY,
    account_no      bigint NOT NULL REFERENCES accounts,
    asset           text NOT NULL,
    address         text NOT NULL CHECK (length(address) BETWEEN 1 AND 128),
    destination_tag text NOT NULL DEFAULT '' CHECK (length(destination_tag) <= 64),
    label           text NOT NULL DEFAULT '' CHECK (length(label) <= 64),
    created_at      timestamptz NOT NULL DEFAULT now(),
    usable_at       timestamptz NOT NULL,
    deleted_at      timestamptz
);
CREATE UNIQUE INDEX withdrawal_addresses_live ON withdrawal_addresses (account_no, asset, address, destination_tag)
    WHERE deleted_at IS NULL;

-- Where deposits come to, as the custody adapter named it: one address per account and asset.
CREATE TABLE deposit_addresses (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_no bigint NOT NULL REFERENCES accounts,
    asset      text NOT NULL,
    address    text NOT NULL UNIQUE CHECK (length(address) BETWEEN 1 AND 128),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_no, asset)
);

-- What the sandbox's custody paid out: the outside world of a sandbox, not a part of the ledger. One row per transfer, however
-- often it is asked to pay.
CREATE TABLE sandbox_payouts (
    transfer_id uuid PRIMARY KEY,
    asset       text NOT NULL,
    amount      numeric(32,8) NOT NULL CHECK (amount > 0),
    destination text NOT NULL,
    settled     boolean NOT NULL,
    reference   text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- --- Withdrawals ------------------------------------------------------------------------------------------------------

-- requested -> approved -> sent -> completed         the amount is held from the request on, and leaves with `completed`
--     |            |         +---> returned          the custody could not pay: back to available
--     |            +-> refused                       by an operator, also before approval
--     +-> refused, canceled                          by its owner
-- `amount` is what leaves the account, `fee` the part of it that the house keeps.
ALTER TABLE transfers DROP CONSTRAINT transfers_status_check;
ALTER TABLE transfers ADD CONSTRAINT transfers_status_check CHECK (
    status IN ('requested', 'approved', 'sent', 'completed', 'returned', 'refused', 'canceled'));
ALTER TABLE transfers ADD COLUMN fee numeric(32,8) NOT NULL DEFAULT 0;
ALTER TABLE transfers ADD COLUMN destination text;
ALTER TABLE transfers ADD COLUMN destination_tag text NOT NULL DEFAULT '';
ALTER TABLE transfers ADD COLUMN reference text;
ALTER TABLE transfers ADD COLUMN ended_at timestamptz;
ALTER TABLE transfers ADD CONSTRAINT fee_within_amount CHECK (fee >= 0 AND fee < amount);
ALTER TABLE transfers ADD CONSTRAINT deposits_are_complete CHECK (kind = 'withdrawal' OR (status = 'completed' AND fee = 0));
ALTER TABLE transfers ADD CONSTRAINT withdrawals_have_a_destination CHECK (kind = 'deposit' OR destination IS NOT NULL);
ALTER TABLE transfers ADD CONSTRAINT only_completed_has_its_time CHECK (completed_at IS NULL OR status = 'completed');

-- One row of numbers for orders and transfers: the holds of a balance are both, in one list.
SELECT setval('orders_number_seq', greatest((SELECT max(number) FROM orders), (SELECT max(number) FROM transfers), 0) + 1);
ALTER TABLE transfers ALTER COLUMN number DROP IDENTITY;
ALTER TABLE transfers ALTER COLUMN number SET DEFAULT nextval('orders_number_seq');
CREATE INDEX transfers_holding ON transfers (account_no, asset, number DESC) WHERE status IN ('requested', 'approved', 'sent');
CREATE INDEX withdrawals_by_status ON transfers (status, number DESC) WHERE kind = 'withdrawal';

-- A transfer is in the ledger once.
DROP INDEX ledger_entries_by_transfer;
CREATE UNIQUE INDEX ledger_entries_by_transfer ON ledger_entries (transfer_id) WHERE transfer_id IS NOT NULL;

-- Every step of a transfer with its time, and who took it: a user, an operator, or the exchange itself ('').
CREATE TABLE transfer_steps (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transfer_id uuid NOT NULL REFERENCES transfers,
    status      text NOT NULL,
    actor       text NOT NULL DEFAULT '',
    note        text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX transfer_steps_by_transfer ON transfer_steps (transfer_id, number);
CREATE TRIGGER transfer_steps_are_final BEFORE UPDATE OR DELETE OR TRUNCATE ON transfer_steps
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION check_transfer_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.status, NEW.status) NOT IN (
            ('requested', 'approved'), ('requested', 'refused'), ('requested', 'canceled'), ('approved', 'refused'),
            ('approved', 'sent'), ('sent', 'completed'), ('sent', 'returned')) THEN
        RAISE EXCEPTION 'transfer %: no step from % to %', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'transfers_step_forward';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER transfers_step_forward BEFORE UPDATE OF status ON transfers FOR EACH ROW EXECUTE FUNCTION check_transfer_step();

CREATE FUNCTION refuse_other_terms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the terms of % are final', OLD.id USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER transfers_keep_their_terms BEFORE UPDATE ON transfers FOR EACH ROW
    WHEN ((OLD.id, OLD.number, OLD.account_no, OLD.asset, OLD.kind, OLD.method, OLD.external_id, OLD.amount, OLD.fee,
           OLD.destination, OLD.destination_tag, OLD.created_at)
          IS DISTINCT FROM (NEW.id, NEW.number, NEW.account_no, NEW.asset, NEW.kind, NEW.method, NEW.external_id, NEW.amount,
                            NEW.fee, NEW.destination, NEW.destination_tag, NEW.created_at))
    EXECUTE FUNCTION refuse_other_terms();

-- Everything that holds money of a balance: the sum per (account, asset) is `balances.held` (I3).
CREATE OR REPLACE VIEW holds_needed AS
    SELECT account_no, hold_asset AS asset, hold AS amount, 'order' AS type, id, number, created_at
      FROM orders WHERE status <> 'done'
    UNION ALL
    SELECT account_no, asset, amount, 'transfer', id, number, created_at
      FROM transfers WHERE status IN ('requested', 'approved', 'sent');

-- The house account of withdrawal fees; the markets' own have the numbers before it.
ALTER SEQUENCE house_account_numbers MAXVALUE 998;
INSERT INTO accounts (account_no, kind, name) VALUES (999, 'fees', 'fees:withdrawals');

-- As before, and: the account's row is locked first; the same external id with other terms is a `conflict`.
CREATE OR REPLACE FUNCTION credit_deposit(p_account bigint, p_asset text, p_amount numeric, p_method text, p_external_id text,
                                          p_limit numeric)
RETURNS TABLE (outcome text, transfer_id uuid, created_at timestamptz) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    balance balances;
    transfer transfers;
    entry bigint;
BEGIN
    PERFORM FROM accounts WHERE account_no = p_account FOR NO KEY UPDATE;
    SELECT * INTO balance FROM balances WHERE account_no = p_account AND asset = p_asset FOR UPDATE;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'unknown_account', NULL::uuid, NULL::timestamptz;
        RETURN;
    END IF;
    SELECT * INTO transfer FROM transfers WHERE external_id = p_external_id;
    IF FOUND THEN
        RETURN QUERY SELECT CASE WHEN (transfer.kind, transfer.account_no, transfer.asset, transfer.amount, transfer.method)
                                      = ('deposit', p_account, p_asset, p_amount, p_method) THEN 'repeated' ELSE 'conflict' END,
                            transfer.id, transfer.created_at;
        RETURN;
    END IF;
    IF p_limit IS NOT NULL AND p_amount + (SELECT coalesce(sum(amount), 0) FROM transfers
            WHERE account_no = p_account AND asset = p_asset AND method = p_method) > p_limit THEN
        RETURN QUERY SELECT 'over_limit', NULL::uuid, NULL::timestamptz;
        RETURN;
    END IF;
    INSERT INTO transfers (account_no, asset, kind, method, external_id, amount, status, completed_at)
    VALUES (p_account, p_asset, 'deposit', p_method, p_external_id, p_amount, 'completed', now())
    RETURNING * INTO transfer;
    UPDATE balances SET available = available + p_amount WHERE account_no = p_account AND asset = p_asset;
    INSERT INTO transfer_steps (transfer_id, status) VALUES (transfer.id, 'completed');
    INSERT INTO ledger_entries (kind, transfer_id) VALUES ('deposit', transfer.id) RETURNING id INTO entry;
    INSERT INTO postings (entry_id, account_no, asset, amount, balance_after, type)
    VALUES (entry, p_account, p_asset, p_amount, balance.available + balance.held + p_amount, 'transfer'),
           (entry, 1, p_asset, -p_amount, NULL, 'transfer');
    RETURN QUERY SELECT 'credited', transfer.id, transfer.created_at;
END $$;

-- The transfer with its account, its balance (and, to pay a fee, the house's) and itself locked; no row if there is none.
CREATE FUNCTION lock_transfer(p_id uuid) RETURNS SETOF transfers LANGUAGE plpgsql AS $$
DECLARE
    known transfers;
BEGIN
    SELECT * INTO known FROM transfers WHERE id = p_id AND kind = 'withdrawal';
    IF FOUND THEN
        PERFORM FROM accounts WHERE account_no = known.account_no FOR NO KEY UPDATE;
        PERFORM FROM balances WHERE asset = known.asset AND account_no IN (known.account_no, CASE WHEN known.fee > 0 THEN 999 END)
          ORDER BY account_no, asset FOR UPDATE;
        RETURN QUERY SELECT * FROM transfers WHERE id = p_id FOR UPDATE;
    END IF;
END $$;

-- One step, with its row. The caller holds the locks of lock_transfer.
CREATE FUNCTION step_transfer(p_id uuid, p_status text, p_actor text, p_note text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE transfers SET status = p_status, completed_at = CASE WHEN p_status = 'completed' THEN now() END,
        ended_at = CASE WHEN p_status IN ('completed', 'returned', 'refused', 'canceled') THEN now() END WHERE id = p_id;
    INSERT INTO transfer_steps (transfer_id, status, actor, note) VALUES (p_id, p_status, p_actor, p_note);
    IF p_status IN ('returned', 'refused', 'canceled') THEN
        UPDATE balances b SET available = b.available + t.amount, held = b.held - t.amount
          FROM transfers t WHERE t.id = p_id AND b.account_no = t.account_no AND b.asset = t.asset;
    END IF;
END $$;

-- Outcomes: requested, approved (within `p_approve_up_to`), repeated (the same terms under this external id), conflict (other
-- terms), account_frozen, unknown_account, unknown_address, waiting_address, over_limit (in 24 hours, by the account's tier),
-- insufficient_funds. One transaction; may be repeated.
CREATE FUNCTION request_withdrawal(p_id uuid, p_account bigint, p_asset text, p_method text, p_external_id text,
                                   p_amount numeric, p_fee numeric, p_destination text, p_destination_tag text,
                                   p_daily_limits jsonb, p_approve_up_to numeric, p_actor text)
RETURNS TABLE (outcome text, transfer_id uuid) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    account accounts;
    balance balances;
    earlier transfers;
    usable timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(7301012);
    SELECT * INTO account FROM accounts WHERE account_no = p_account FOR NO KEY UPDATE;
    SELECT * INTO balance FROM balances WHERE account_no = p_account AND asset = p_asset FOR UPDATE;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'unknown_account', NULL::uuid;
        RETURN;
    END IF;
    SELECT * INTO earlier FROM transfers WHERE external_id = p_external_id;
    IF FOUND THEN
        RETURN QUERY SELECT CASE WHEN (earlier.asset, earlier.method, earlier.amount, earlier.destination,
                                       earlier.destination_tag)
                                      = (p_asset, p_method, p_amount, p_destination, p_destination_tag)
                            THEN 'repeated' ELSE 'conflict' END, earlier.id;
        RETURN;
    END IF;
    IF account.frozen THEN
        RETURN QUERY SELECT 'account_frozen', NULL::uuid;
        RETURN;
    END IF;
    IF p_method = 'crypto' THEN
        SELECT usable_at INTO usable FROM withdrawal_addresses
         WHERE account_no = p_account AND asset = p_asset AND address = p_destination
           AND destination_tag = p_destination_tag AND deleted_at IS NULL;
        IF usable IS NULL OR usable > now() THEN
            RETURN QUERY SELECT CASE WHEN usable IS NULL THEN 'unknown_address' ELSE 'waiting_address' END, NULL::uuid;
            RETURN;
        END IF;
    END IF;
    IF balance.available < p_amount THEN
        RETURN QUERY SELECT 'insufficient_funds', NULL::uuid;
        RETURN;
    END IF;
    IF p_amount + (SELECT coalesce(sum(amount), 0) FROM transfers WHERE account_no = p_account AND asset = p_asset
            AND kind = 'withdrawal' AND status NOT IN ('refused', 'canceled', 'returned')
            AND created_at > now() - interval '24 hours') > coalesce((p_daily_limits ->> account.tier)::numeric, 0) THEN
        RETURN QUERY SELECT 'over_limit', NULL::uuid;
        RETURN;
    END IF;
    INSERT INTO transfers (id, account_no, asset, kind, method, external_id, amount, fee, destination, destination_tag, status)
    VALUES (p_id, p_account, p_asset, 'withdrawal', p_method, p_external_id, p_amount, p_fee, p_destination,
            p_destination_tag, 'requested');
    UPDATE balances SET available = available - p_amount, held = held + p_amount
     WHERE account_no = p_account AND asset = p_asset;
    INSERT INTO transfer_steps (transfer_id, status, actor) VALUES (p_id, 'requested', p_actor);
    IF p_amount <= p_approve_up_to THEN
        PERFORM step_transfer(p_id, 'approved', '', 'within the limit');
        RETURN QUERY SELECT 'approved', p_id;
        RETURN;
    END IF;
    RETURN QUERY SELECT 'requested', p_id;
END $$;

-- An operator's or the owner's decision: approved, refused or canceled. Outcomes: the decision, or unknown, or too_late.
CREATE FUNCTION decide_withdrawal(p_id uuid, p_decision text, p_account bigint, p_actor text, p_note text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    transfer transfers;
BEGIN
    SELECT * INTO transfer FROM lock_transfer(p_id);
    IF NOT FOUND OR transfer.account_no <> coalesce(p_account, transfer.account_no) THEN
        RETURN 'unknown';
    END IF;
    IF transfer.status = 'requested' OR (transfer.status = 'approved' AND p_decision = 'refused') THEN
        PERFORM step_transfer(p_id, p_decision, p_actor, p_note);
        RETURN p_decision;
    END IF;
    RETURN 'too_late';
END $$;

-- Says that the custody will be asked to pay, before it is: from here on only its answer ends the transfer. Answers the
-- transfer, or nothing when it is not to be sent (also while its account is frozen).
CREATE FUNCTION send_withdrawal(p_id uuid) RETURNS SETOF transfers LANGUAGE plpgsql AS $$
DECLARE
    transfer transfers;
BEGIN
    SELECT * INTO transfer FROM lock_transfer(p_id);
    IF transfer.status = 'approved' AND NOT (SELECT frozen FROM accounts WHERE account_no = transfer.account_no) THEN
        PERFORM step_transfer(p_id, 'sent', '', '');
    ELSIF transfer.status IS DISTINCT FROM 'sent' THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM transfers WHERE id = p_id;
END $$;

-- The custody's answer. Answers the status the transfer has now; a second answer changes nothing.
CREATE FUNCTION finish_withdrawal(p_id uuid, p_settled boolean, p_reference text, p_note text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    transfer transfers;
    total numeric;
    house numeric;
    entry bigint;
BEGIN
    INSERT INTO balances (account_no, asset) SELECT 999, asset FROM transfers WHERE id = p_id AND fee > 0
    ON CONFLICT DO NOTHING;
    SELECT * INTO transfer FROM lock_transfer(p_id);
    IF transfer.status IS DISTINCT FROM 'sent' THEN
        RETURN transfer.status;
    END IF;
    UPDATE transfers SET reference = p_reference WHERE id = p_id;
    IF NOT p_settled THEN
        PERFORM step_transfer(p_id, 'returned', '', p_note);
        RETURN 'returned';
    END IF;
    PERFORM step_transfer(p_id, 'completed', '', p_note);
    UPDATE balances SET held = held - transfer.amount
     WHERE account_no = transfer.account_no AND asset = transfer.asset RETURNING available + held INTO total;
    IF transfer.fee > 0 THEN
        UPDATE balances SET available = available + transfer.fee
         WHERE account_no = 999 AND asset = transfer.asset RETURNING available + held INTO house;
    END IF;
    INSERT INTO ledger_entries (kind, transfer_id) VALUES ('withdrawal', p_id) RETURNING id INTO entry;
    INSERT INTO postings (entry_id, account_no, asset, amount, balance_after, type)
    SELECT entry, p.account_no, transfer.asset, p.amount, p.balance_after, p.type
      FROM (VALUES (transfer.account_no, transfer.fee - transfer.amount, total + transfer.fee, 'transfer', 1),
                   (transfer.account_no, -transfer.fee, total, 'fee', 2), (999, transfer.fee, house, 'fee', 3),
                   (1, transfer.amount - transfer.fee, NULL, 'transfer', 4)) AS p (account_no, amount, balance_after, type, position)
     WHERE p.amount <> 0 ORDER BY p.position;
    RETURN 'completed';
END $$;

-- --- Adjustments ------------------------------------------------------------------------------------------------------

-- An amount put onto or taken from an account, against the outside world, by two operators: one asks, another decides.
CREATE TABLE adjustments (
    id           uuid PRIMARY KEY,
    number       bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    account_no   bigint NOT NULL REFERENCES accounts,
    asset        text NOT NULL,
    amount       numeric(32,8) NOT NULL CHECK (amount <> 0),
    reason       text NOT NULL CHECK (length(reason) BETWEEN 1 AND 1000),
    status       text NOT NULL DEFAULT 'requested' CHECK (status IN ('requested', 'approved', 'refused')),
    requested_by text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    decided_by   text,
    decided_at   timestamptz,
    FOREIGN KEY (account_no, asset) REFERENCES balances,
    CONSTRAINT another_operator_decides CHECK (decided_by <> requested_by),
    CHECK ((status = 'requested') = (decided_by IS NULL) AND (status = 'requested') = (decided_at IS NULL))
);
CREATE INDEX adjustments_by_status ON adjustments (status, number DESC);

CREATE FUNCTION refuse_second_decision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> 'requested' OR (OLD.id, OLD.account_no, OLD.asset, OLD.amount, OLD.reason, OLD.requested_by)
            IS DISTINCT FROM (NEW.id, NEW.account_no, NEW.asset, NEW.amount, NEW.reason, NEW.requested_by) THEN
        RAISE EXCEPTION 'adjustment % is decided once, and its terms are final', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER adjustments_are_decided_once BEFORE UPDATE ON adjustments
    FOR EACH ROW EXECUTE FUNCTION refuse_second_decision();

ALTER TABLE ledger_entries ADD COLUMN adjustment_id uuid REFERENCES adjustments;
ALTER TABLE ledger_entries ADD CONSTRAINT adjustments_are_named CHECK ((kind = 'adjustment') = (adjustment_id IS NOT NULL));
CREATE UNIQUE INDEX ledger_entries_by_adjustment ON ledger_entries (adjustment_id) WHERE adjustment_id IS NOT NULL;

-- Outcomes: requested, repeated (the same terms under this id), conflict, unknown_account.
CREATE FUNCTION request_adjustment(p_id uuid, p_account bigint, p_asset text, p_amount numeric, p_reason text, p_operator text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    earlier adjustments;
BEGIN
    PERFORM pg_advisory_xact_lock(7301011);
    SELECT * INTO earlier FROM adjustments WHERE id = p_id;
    IF FOUND THEN
        RETURN CASE WHEN (earlier.account_no, earlier.asset, earlier.amount, earlier.reason, earlier.requested_by)
                         = (p_account, p_asset, p_amount, p_reason, p_operator) THEN 'repeated' ELSE 'conflict' END;
    END IF;
    IF NOT EXISTS (SELECT FROM balances b JOIN accounts a USING (account_no)
                    WHERE b.account_no = p_account AND b.asset = p_asset AND a.kind = 'trader') THEN
        RETURN 'unknown_account';
    END IF;
    INSERT INTO adjustments (id, account_no, asset, amount, reason, requested_by)
    VALUES (p_id, p_account, p_asset, p_amount, p_reason, p_operator);
    RETURN 'requested';
END $$;

-- Outcomes: approved, refused, unknown, already_decided, same_operator, insufficient_funds. One transaction with its entry.
CREATE FUNCTION decide_adjustment(p_id uuid, p_approve boolean, p_operator text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    adjustment adjustments;
    balance balances;
    entry bigint;
BEGIN
    SELECT * INTO adjustment FROM adjustments WHERE id = p_id;
    IF NOT FOUND THEN
        RETURN 'unknown';
    END IF;
    PERFORM FROM accounts WHERE account_no = adjustment.account_no FOR NO KEY UPDATE;
    SELECT * INTO balance FROM balances WHERE account_no = adjustment.account_no AND asset = adjustment.asset FOR UPDATE;
    SELECT * INTO adjustment FROM adjustments WHERE id = p_id FOR UPDATE;
    IF adjustment.status <> 'requested' THEN
        RETURN 'already_decided';
    END IF;
    IF adjustment.requested_by = p_operator THEN
        RETURN 'same_operator';
    END IF;
    IF p_approve AND balance.available + adjustment.amount < 0 THEN
        RETURN 'insufficient_funds';
    END IF;
    UPDATE adjustments SET status = CASE WHEN p_approve THEN 'approved' ELSE 'refused' END, decided_by = p_operator,
        decided_at = now() WHERE id = p_id;
    IF NOT p_approve THEN
        RETURN 'refused';
    END IF;
    UPDATE balances SET available = available + adjustment.amount
     WHERE account_no = adjustment.account_no AND asset = adjustment.asset;
    INSERT INTO ledger_entries (kind, adjustment_id) VALUES ('adjustment', p_id) RETURNING id INTO entry;
    INSERT INTO postings (entry_id, account_no, asset, amount, balance_after, type)
    VALUES (entry, adjustment.account_no, adjustment.asset, adjustment.amount,
            balance.available + balance.held + adjustment.amount, 'transfer'),
           (entry, 1, adjustment.asset, -adjustment.amount, NULL, 'transfer');
    RETURN 'approved';
END $$;

-- --- Pages of orders ---------------------------------------------------------------------------------------------------

-- Orders of one account that hold different assets lock different balances, so a smaller number may be committed after a larger
-- one. They share a lock per account that a reader of a page takes alone for a moment: it waits for those on their way, and
-- sees every number below the largest. Otherwise as in 0006.
CREATE OR REPLACE FUNCTION place_order(
    p_id uuid, p_account bigint, p_market text, p_side text, p_type text, p_time_in_force text, p_stp text,
    p_post_only boolean, p_price numeric, p_size numeric, p_funds numeric, p_specified_funds numeric, p_client_oid uuid,
    p_hold_asset text, p_hold numeric, p_created_at timestamptz, p_command bytea, p_stop text, p_stop_price numeric,
    p_display_size numeric, p_expire_at timestamptz, p_sent_in uuid) RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared((7301014::bigint << 32) + p_account);
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
