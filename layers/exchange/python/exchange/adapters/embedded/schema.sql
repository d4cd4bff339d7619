-- The embedded ports: a FIFO queue and the journal as PostgreSQL tables, in a schema of their own.
-- Applied at each start of the local runtime; every statement may be repeated.
CREATE SCHEMA IF NOT EXISTS embedded;

CREATE TABLE IF NOT EXISTS embedded.queues (
    queue text PRIMARY KEY,
    identity bigint NOT NULL,          -- drawn once: another one after the queue was dropped and made again
    visibility_ms bigint NOT NULL,
    dead_letter_queue text,
    max_receives integer NOT NULL
);

-- One row per group. Its lock orders the senders: a number is given and committed before the next one is given, so a
-- larger number never becomes visible before a smaller one (a sequence object would allow that, and the engine would
-- take the late message for a redelivery).
CREATE TABLE IF NOT EXISTS embedded.queue_groups (
    queue text NOT NULL,
    group_id text NOT NULL,
    last_sequence bigint NOT NULL DEFAULT 0,
    -- The batch in flight: while it is, no other message of the group is delivered.
    receipt text,
    consumer text,
    in_flight_until timestamptz,
    in_flight_last bigint,
    -- How often the message at the group's head was delivered.
    head_sequence bigint,
    head_receives integer NOT NULL DEFAULT 0,
    PRIMARY KEY (queue, group_id)
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS embedded.queue_messages (
    queue text NOT NULL,
    group_id text NOT NULL,
    sequence bigint NOT NULL,
    dedup_id text NOT NULL,
    body text NOT NULL,
    sent_at timestamptz NOT NULL,
    PRIMARY KEY (queue, group_id, sequence)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);

-- What was sent in the last 5 minutes, delivered or not.
CREATE TABLE IF NOT EXISTS embedded.queue_dedup (
    queue text NOT NULL,
    dedup_id text NOT NULL,
    sequence bigint NOT NULL,
    sent_at timestamptz NOT NULL,
    PRIMARY KEY (queue, dedup_id)
);
-- Purging reads the table once a minute, which costs less than an index that each send keeps.
DROP INDEX IF EXISTS embedded.queue_dedup_sent_at;

CREATE TABLE IF NOT EXISTS embedded.journal (
    market text NOT NULL,
    seq bigint NOT NULL,
    entry bytea NOT NULL,
    PRIMARY KEY (market, seq)
);

-- One transaction: number, message and deduplication row; the sequence number, or the first send's for a repeat.
CREATE OR REPLACE FUNCTION embedded.queue_send(p_queue text, p_group text, p_dedup text, p_body text)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    given bigint;
    earlier bigint;
    at timestamptz;
BEGIN
    UPDATE embedded.queue_groups SET last_sequence = last_sequence + 1
        WHERE queue = p_queue AND group_id = p_group RETURNING last_sequence INTO given;
    IF given IS NULL THEN
        IF NOT EXISTS (SELECT FROM embedded.queues WHERE queue = p_queue) THEN
            RAISE EXCEPTION 'the queue % does not exist', p_queue USING ERRCODE = 'undefined_object';
        END IF;
        INSERT INTO embedded.queue_groups AS g (queue, group_id, last_sequence) VALUES (p_queue, p_group, 1)
            ON CONFLICT (queue, group_id) DO UPDATE SET last_sequence = g.last_sequence + 1
            RETURNING last_sequence INTO given;
    END IF;
    at := clock_timestamp();
    INSERT INTO embedded.queue_dedup AS d (queue, dedup_id, sequence, sent_at) VALUES (p_queue, p_dedup, given, at)
        ON CONFLICT (queue, dedup_id) DO UPDATE SET sequence = EXCLUDED.sequence, sent_at = EXCLUDED.sent_at
            WHERE d.sent_at < at - interval '5 minutes'
        RETURNING sequence INTO earlier;
    IF earlier IS NULL THEN
        SELECT sequence INTO earlier FROM embedded.queue_dedup WHERE queue = p_queue AND dedup_id = p_dedup;
        RETURN earlier;
    END IF;
    INSERT INTO embedded.queue_messages (queue, group_id, sequence, dedup_id, body, sent_at)
        VALUES (p_queue, p_group, given, p_dedup, p_body, at);
    RETURN given;
END $$;

-- One transaction: picks the free group whose head is oldest and puts its first messages in flight. A head that was delivered
-- too often goes to the dead-letter queue first (its sequence is its own), or stays where there is none.
CREATE OR REPLACE FUNCTION embedded.queue_receive(p_queue text, p_max integer, p_consumer text, p_receipt text)
RETURNS TABLE (group_id text, sequence bigint, dedup_id text, body text, receives integer, sent_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    g record;
BEGIN
    LOOP
        SELECT c.group_id, first.sequence AS head, q.dead_letter_queue, q.max_receives, q.visibility_ms,
               CASE WHEN c.head_sequence = first.sequence THEN c.head_receives ELSE 0 END AS receives_before
        INTO g
        FROM embedded.queue_groups AS c
        JOIN embedded.queues AS q ON q.queue = c.queue
        JOIN LATERAL (SELECT m.sequence, m.sent_at FROM embedded.queue_messages AS m
                      WHERE m.queue = c.queue AND m.group_id = c.group_id ORDER BY m.sequence LIMIT 1) AS first ON true
        WHERE c.queue = p_queue AND (c.in_flight_until IS NULL OR c.in_flight_until <= clock_timestamp())
        ORDER BY first.sent_at LIMIT 1
        FOR UPDATE OF c SKIP LOCKED;
        EXIT WHEN NOT FOUND;
        IF g.dead_letter_queue IS NOT NULL AND g.receives_before >= g.max_receives THEN
            PERFORM embedded.queue_send(g.dead_letter_queue, g.group_id, 'dead:' || p_queue || ':' || g.head, m.body)
                FROM embedded.queue_messages AS m
                WHERE m.queue = p_queue AND m.group_id = g.group_id AND m.sequence = g.head;
            DELETE FROM embedded.queue_messages AS m
                WHERE m.queue = p_queue AND m.group_id = g.group_id AND m.sequence = g.head;
            CONTINUE;
        END IF;
        RETURN QUERY
            WITH batch AS MATERIALIZED (
                SELECT m.group_id, m.sequence, m.dedup_id, m.body, m.sent_at FROM embedded.queue_messages AS m
                WHERE m.queue = p_queue AND m.group_id = g.group_id ORDER BY m.sequence LIMIT p_max),
            taken AS (
                UPDATE embedded.queue_groups AS u SET
                    receipt = p_receipt, consumer = p_consumer, in_flight_last = ends.last, head_sequence = ends.head,
                    in_flight_until = clock_timestamp() + make_interval(secs => g.visibility_ms / 1000.0),
                    head_receives = CASE WHEN ends.head = g.head THEN g.receives_before ELSE 0 END + 1
                FROM (SELECT min(b.sequence) AS head, max(b.sequence) AS last FROM batch AS b) AS ends
                WHERE u.queue = p_queue AND u.group_id = g.group_id AND ends.head IS NOT NULL)
            SELECT b.group_id, b.sequence, b.dedup_id, b.body,
                   CASE WHEN b.sequence = g.head THEN g.receives_before + 1 ELSE 1 END, b.sent_at
            FROM batch AS b ORDER BY b.sequence;
        -- Another consumer may have emptied the group between the look and the lock.
        IF FOUND THEN
            RETURN;
        END IF;
    END LOOP;
    IF NOT EXISTS (SELECT FROM embedded.queues AS q WHERE q.queue = p_queue) THEN
        RAISE EXCEPTION 'the queue % does not exist', p_queue USING ERRCODE = 'undefined_object';
    END IF;
END $$;

-- One transaction: deletes the batch's messages in `p_sequences` and, when none of the batch is left in flight, frees
-- the group. A receipt that has run out (delivered again meanwhile) changes nothing.
CREATE OR REPLACE FUNCTION embedded.queue_acknowledge(p_queue text, p_group text, p_receipt text, p_sequences bigint[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    until_sequence bigint;
BEGIN
    SELECT in_flight_last INTO until_sequence FROM embedded.queue_groups
        WHERE queue = p_queue AND group_id = p_group AND receipt = p_receipt FOR UPDATE;
    IF until_sequence IS NULL THEN
        RETURN;
    END IF;
    DELETE FROM embedded.queue_messages
        WHERE queue = p_queue AND group_id = p_group AND sequence = ANY (p_sequences);
    IF NOT EXISTS (SELECT FROM embedded.queue_messages
                   WHERE queue = p_queue AND group_id = p_group AND sequence <= until_sequence) THEN
        UPDATE embedded.queue_groups SET receipt = NULL, consumer = NULL, in_flight_until = NULL, in_flight_last = NULL
            WHERE queue = p_queue AND group_id = p_group;
    END IF;
END $$;

-- A consumer that has done a batch, all of it, and wants the next one: both in one transaction. A receipt that has run out
-- acknowledges nothing. The next batch is that of the group that has waited longest: to stay with one group would let the others
-- wait, and find it with one message each time.
CREATE OR REPLACE FUNCTION embedded.queue_next(p_queue text, p_done_group text, p_done_receipt text, p_done bigint[],
                                               p_max integer, p_consumer text, p_receipt text)
RETURNS TABLE (group_id text, sequence bigint, dedup_id text, body text, receives integer, sent_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    WITH freed AS (
        UPDATE embedded.queue_groups AS u SET receipt = NULL, consumer = NULL, in_flight_until = NULL, in_flight_last = NULL
        WHERE u.queue = p_queue AND u.group_id = p_done_group AND u.receipt = p_done_receipt
        RETURNING u.group_id)
    DELETE FROM embedded.queue_messages AS m USING freed
        WHERE m.queue = p_queue AND m.group_id = freed.group_id AND m.sequence = ANY (p_done);
    RETURN QUERY SELECT * FROM embedded.queue_receive(p_queue, p_max, p_consumer, p_receipt);
END $$;
