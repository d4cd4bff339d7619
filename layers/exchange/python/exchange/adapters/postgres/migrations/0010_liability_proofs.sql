-- Proofs of liabilities: what the exchange owes its users in each asset, as the root of a Merkle sum tree.

-- `secret`: draws the nonces of the leaves; never shown. `journals`: market -> the settled entry, with its hash, that the
-- balances stand at.
CREATE TABLE liability_proofs (
    number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    taken_at timestamptz NOT NULL,
    secret   bytea NOT NULL CHECK (octet_length(secret) = 32),
    journals jsonb NOT NULL
);

CREATE TABLE liability_totals (
    proof    bigint NOT NULL REFERENCES liability_proofs,
    asset    text NOT NULL,
    accounts bigint NOT NULL CHECK (accounts >= 0),
    total    numeric(32,8) NOT NULL CHECK (total >= 0),
    root     bytea NOT NULL CHECK (octet_length(root) = 32),
    PRIMARY KEY (proof, asset)
);

-- Leaves and nodes of the newest proofs only, so that a user can be shown theirs. Zero balances have no leaf.
CREATE TABLE liability_leaves (
    proof      bigint NOT NULL REFERENCES liability_proofs,
    asset      text NOT NULL,
    account_no bigint NOT NULL,
    position   bigint NOT NULL CHECK (position >= 0),
    balance    numeric(32,8) NOT NULL CHECK (balance > 0),
    PRIMARY KEY (proof, asset, account_no)
);

-- 1,000 nodes of a level (0: the leaves) at a time, 48 bytes each; not compressed, so that one node is read without the others.
CREATE TABLE liability_nodes (
    proof bigint NOT NULL REFERENCES liability_proofs,
    asset text NOT NULL,
    level int NOT NULL CHECK (level >= 0),
    chunk int NOT NULL CHECK (chunk >= 0),
    nodes bytea NOT NULL CHECK (octet_length(nodes) % 48 = 0),
    PRIMARY KEY (proof, asset, level, chunk)
);
ALTER TABLE liability_nodes ALTER COLUMN nodes SET STORAGE EXTERNAL;
