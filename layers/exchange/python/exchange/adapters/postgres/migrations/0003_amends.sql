-- Amending an order that rests.

-- `amend_requested_at`: an amend is on its way to the engine, and nothing of the order's hold is released before it is answered.
-- Set together with what the new terms need beyond the hold, see exchange/settlement.py; cleared by settlement.
-- From an amend on `command`, `price` and `size` are the amended order's, and `reduced` counts anew.
ALTER TABLE orders ADD COLUMN amend_requested_at timestamptz;
