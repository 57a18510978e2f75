-- What is left of deliveries of editions that are long over: how many of each domain ended how.
CREATE TABLE delivery_count (
    edition_key INTEGER NOT NULL,
    channel TEXT NOT NULL,
    state TEXT NOT NULL,
    domain TEXT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (edition_key, channel, state, domain),
    FOREIGN KEY (edition_key) REFERENCES edition ("key")
) WITHOUT ROWID;

-- The same of all editions together.
CREATE TABLE delivery_total (
    channel TEXT NOT NULL,
    state TEXT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (channel, state)
) WITHOUT ROWID;
