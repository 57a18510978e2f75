-- What a refusal answered (rcpt, data, dot), and what it says.
ALTER TABLE delivery ADD COLUMN reply_step TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE delivery ADD COLUMN reply_verdict TEXT COLLATE "C" NOT NULL DEFAULT '';
-- Whose fault a refusal is became what it says.
UPDATE refusal SET blame = CASE blame WHEN 'hard' THEN 'unknown' WHEN 'soft' THEN 'delayed' WHEN 'ours' THEN 'policy'
    ELSE blame END;
-- Too many addresses at once that refusals would have suppressed: they wait for a word. domain is empty if they are of
-- several.
CREATE TABLE batch (
    key BIGSERIAL NOT NULL,
    verdict TEXT COLLATE "C" NOT NULL,
    domain TEXT COLLATE "C" NOT NULL,
    opened_at BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (key)
);

-- Whom refusals suppressed lately (done), or would have in a batch. note has the server's words.
CREATE TABLE finding (
    hash TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    verdict TEXT COLLATE "C" NOT NULL,
    domain TEXT COLLATE "C" NOT NULL,
    note TEXT NOT NULL,
    done BOOLEAN NOT NULL,
    batch_key BIGINT,
    PRIMARY KEY (hash)
);
CREATE INDEX finding_at ON finding (verdict, at);
CREATE INDEX finding_batch ON finding (batch_key);
