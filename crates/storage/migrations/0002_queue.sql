-- How a queue treats those who wait. Lengths of time are in milliseconds; there is an overflow where it has a number.

ALTER TABLE queue ADD COLUMN music TEXT;
ALTER TABLE queue ADD COLUMN ring_timeout_ms INTEGER NOT NULL DEFAULT 20000;
ALTER TABLE queue ADD COLUMN overflow_after_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue ADD COLUMN overflow_to TEXT;
ALTER TABLE queue ADD COLUMN wrap_up_time_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue ADD COLUMN max_waiting INTEGER NOT NULL DEFAULT 100;
