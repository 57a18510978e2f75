-- What is left of deliveries of editions that are long over: how many of each domain ended how.
CREATE TABLE delivery_count (
    edition_key BIGINT NOT NULL,
    channel TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    domain TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (edition_key, channel, state, domain),
    FOREIGN KEY (edition_key) REFERENCES edition (key)
);

-- The same of all editions together.
CREATE TABLE delivery_total (
    channel TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (channel, state)
);
