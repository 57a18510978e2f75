-- Mail is limited for each receiver by itself.
ALTER TABLE delivery ADD COLUMN receiver TEXT NOT NULL DEFAULT '';
CREATE INDEX delivery_receiver ON delivery (state, receiver, not_before, "key") WHERE state = 'queued';
-- Receivers with limits of their own: those that mail goes to more slowly, and domains of the configuration. free_at
-- (milliseconds) is when the next message may leave to it, holder who took the last turn; rate (messages a second) what
-- it got at slowed_at, when it asked for less.
CREATE TABLE receiver (
    name TEXT NOT NULL,
    free_at BIGINT NOT NULL DEFAULT 0,
    holder TEXT NOT NULL DEFAULT '',
    rate REAL,
    slowed_at BIGINT,
    times INTEGER NOT NULL DEFAULT 0,
    rests_until BIGINT,
    reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (name)
) WITHOUT ROWID;

-- Receivers that refused so much of an edition that nothing more of it goes to them, until it is resumed (over).
CREATE TABLE edition_stop (
    edition_key INTEGER NOT NULL,
    receiver TEXT NOT NULL,
    reason TEXT NOT NULL,
    since BIGINT NOT NULL,
    over BOOLEAN NOT NULL,
    PRIMARY KEY (edition_key, receiver),
    FOREIGN KEY (edition_key) REFERENCES edition ("key")
) WITHOUT ROWID;
