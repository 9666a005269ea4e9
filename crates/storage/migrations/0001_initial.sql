-- Ids are the texts that the API shows, moments are RFC 3339 in UTC, enums the names that the API uses.

CREATE TABLE contact_center (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    name TEXT NOT NULL,
    switch_name TEXT NOT NULL
) STRICT;

CREATE TABLE contact_center_feature (
    feature TEXT PRIMARY KEY
) STRICT;

CREATE TABLE device (
    id TEXT PRIMARY KEY,
    phone_number TEXT NOT NULL UNIQUE,
    ha1_md5 BLOB,
    ha1_sha256 BLOB,
    telephony_network TEXT NOT NULL,
    auto_answer INTEGER
) STRICT;

CREATE TABLE comfort (
    device TEXT PRIMARY KEY,
    do_not_disturb INTEGER NOT NULL,
    forward_to TEXT
) STRICT;

CREATE TABLE user (
    id TEXT PRIMARY KEY,
    user_name TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    device TEXT
) STRICT;

CREATE TABLE user_role (
    user TEXT NOT NULL,
    role TEXT NOT NULL,
    PRIMARY KEY (user, role)
) STRICT;

CREATE TABLE user_team (
    user TEXT NOT NULL,
    team TEXT NOT NULL,
    PRIMARY KEY (user, team)
) STRICT;

CREATE TABLE user_supervises (
    user TEXT NOT NULL,
    team TEXT NOT NULL,
    PRIMARY KEY (user, team)
) STRICT;

CREATE TABLE user_monitor (
    user TEXT NOT NULL,
    operation TEXT NOT NULL,
    PRIMARY KEY (user, operation)
) STRICT;

CREATE TABLE queue (
    phone_number TEXT PRIMARY KEY,
    name TEXT NOT NULL
) STRICT;

CREATE TABLE queue_team (
    queue TEXT NOT NULL,
    team TEXT NOT NULL,
    PRIMARY KEY (queue, team)
) STRICT;

CREATE TABLE trunk (
    name TEXT PRIMARY KEY,
    address TEXT NOT NULL,
    transport TEXT NOT NULL
) STRICT;

CREATE TABLE trunk_inbound (
    trunk TEXT NOT NULL,
    dialled TEXT NOT NULL,
    number TEXT NOT NULL,
    PRIMARY KEY (trunk, dialled)
) STRICT;

CREATE TABLE dial_rule (
    position INTEGER PRIMARY KEY,
    prefix TEXT NOT NULL,
    trunk TEXT NOT NULL
) STRICT;

CREATE TABLE log_in (
    user TEXT PRIMARY KEY,
    device TEXT NOT NULL,
    state TEXT NOT NULL
) STRICT;

CREATE TABLE monitoring_order (
    id TEXT PRIMARY KEY,
    supervisor TEXT NOT NULL,
    device TEXT NOT NULL,
    target TEXT NOT NULL,
    operation TEXT NOT NULL,
    scope TEXT NOT NULL,
    calls TEXT NOT NULL,
    unanswered INTEGER NOT NULL
) STRICT;

CREATE TABLE registration (
    number TEXT NOT NULL,
    contact TEXT NOT NULL,
    source TEXT NOT NULL,
    call_id TEXT NOT NULL,
    cseq INTEGER NOT NULL,
    expires TEXT NOT NULL,
    PRIMARY KEY (number, contact)
) STRICT;

CREATE TABLE open_session (
    session TEXT PRIMARY KEY
) STRICT;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    what TEXT NOT NULL,
    supervisor TEXT NOT NULL,
    supervisor_name TEXT NOT NULL,
    supervisor_number TEXT,
    target_number TEXT,
    target_name TEXT,
    call TEXT,
    monitoring_order TEXT,
    session TEXT,
    operation TEXT,
    reason TEXT
) STRICT;

CREATE INDEX audit_session ON audit (session) WHERE session IS NOT NULL;

-- The trail only grows.
CREATE TRIGGER audit_not_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

CREATE TRIGGER audit_not_removed BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
