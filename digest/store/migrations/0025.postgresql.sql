-- Editions that wait for the operator's approval.
CREATE TABLE approval (
    key BIGSERIAL NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    period TEXT COLLATE "C" NOT NULL,
    first_day TEXT NOT NULL,
    began_at BIGINT NOT NULL,
    until BIGINT NOT NULL,
    otherwise TEXT NOT NULL,
    seen TEXT NOT NULL,
    subject TEXT NOT NULL,
    readers INTEGER NOT NULL,
    posts TEXT NOT NULL,
    approved_at BIGINT,
    ended_at BIGINT,
    html TEXT NOT NULL,
    PRIMARY KEY (key),
    CONSTRAINT approval_slot UNIQUE (digest, period)
);
CREATE INDEX approval_open ON approval (began_at) WHERE ended_at IS NULL;
