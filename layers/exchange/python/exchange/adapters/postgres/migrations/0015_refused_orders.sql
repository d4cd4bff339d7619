-- Orders that the engine refused, of an account, newest first: `GET /orders?status=rejected`. They are few among many, or many among
-- few, and no other index knows which they are.
CREATE INDEX orders_refused ON orders (account_no, number DESC) WHERE done_reason = 'rejected';
