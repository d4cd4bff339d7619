-- What operators did, by whom, when and why. A row is written before the act, so that nothing is done that is not here; a row
-- whose act failed on the way is the trace of the try.
CREATE TABLE operator_actions (
    number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id       uuid NOT NULL UNIQUE,
    at       timestamptz NOT NULL DEFAULT now(),
    operator text NOT NULL CHECK (operator <> ''),
    action   text NOT NULL CHECK (action ~ '^[a-z]+\.[a-z_]+$'),
    subject  text NOT NULL CHECK (length(subject) BETWEEN 1 AND 200),
    reason   text NOT NULL CHECK (length(reason) BETWEEN 1 AND 1000),
    details  jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX operator_actions_by_subject ON operator_actions (subject, number DESC);
CREATE TRIGGER operator_actions_are_final BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_actions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
