-- Who we are to a trunk, its password in clear because the trunk chooses the realm; and all that a registration says of its phone.
-- A path is one URI a line, the one nearest to us first.

ALTER TABLE trunk ADD COLUMN username TEXT;
ALTER TABLE trunk ADD COLUMN password TEXT;
ALTER TABLE trunk ADD COLUMN register INTEGER NOT NULL DEFAULT 0;

ALTER TABLE registration ADD COLUMN agent TEXT NOT NULL DEFAULT '';
ALTER TABLE registration ADD COLUMN preference INTEGER NOT NULL DEFAULT 1000;
ALTER TABLE registration ADD COLUMN instance TEXT NOT NULL DEFAULT '';
ALTER TABLE registration ADD COLUMN reg_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE registration ADD COLUMN path TEXT NOT NULL DEFAULT '';
