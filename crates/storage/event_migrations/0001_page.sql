-- What happened on calls. A page holds what happened on one call since its page before; `page.rs` says how.
-- Moments are milliseconds since 1970 in UTC.

CREATE TABLE page (
    id INTEGER PRIMARY KEY,
    call TEXT NOT NULL,
    at INTEGER NOT NULL,
    begins TEXT,
    ended INTEGER,
    ends TEXT,
    events TEXT NOT NULL
) STRICT;

CREATE INDEX page_call ON page (call);
CREATE INDEX page_begins ON page (id) WHERE begins IS NOT NULL;
