-- What a refusal answered (rcpt, data, dot), and what it says.
ALTER TABLE delivery ADD COLUMN reply_step TEXT NOT NULL DEFAULT '';
ALTER TABLE delivery ADD COLUMN reply_verdict TEXT NOT NULL DEFAULT '';
-- Whose fault a refusal is became what it says.
UPDATE refusal SET blame = CASE blame WHEN 'hard' THEN 'unknown' WHEN 'soft' THEN 'delayed' WHEN 'ours' THEN 'policy'
    ELSE blame END;
-- Too many addresses at once that refusals would have suppressed: they wait for a word. domain is empty if they are of
-- several.
CREATE TABLE batch (
    "key" INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    domain TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY ("key")
);

-- Whom refusals suppressed lately (done), or would have in a batch. note has the server's words.
CREATE TABLE finding (
    hash TEXT NOT NULL,
    at BIGINT NOT NULL,
    verdict TEXT NOT NULL,
    domain TEXT NOT NULL,
    note TEXT NOT NULL,
    done BOOLEAN NOT NULL,
    batch_key INTEGER,
    PRIMARY KEY (hash)
) WITHOUT ROWID;
CREATE INDEX finding_at ON finding (verdict, at);
CREATE INDEX finding_batch ON finding (batch_key);
