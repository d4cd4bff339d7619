-- What an audit has rebuilt up to its position (of a journal's audit: the book), stored with it in one transaction.
ALTER TABLE audit_cursors ADD COLUMN state bytea;
