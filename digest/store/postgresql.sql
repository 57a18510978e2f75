-- The tables of the store in PostgreSQL, as a new one is made and as all migrations leave it. Moments are whole
-- seconds since 1970, UTC; names compare by code points. What changes here gets a migration beside it.

-- Fingerprints, and whether the first import is over.
CREATE TABLE meta (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (name)
);

-- Every post file, as it was when it was last read.
CREATE TABLE file (
    path TEXT COLLATE "C" NOT NULL,
    size BIGINT NOT NULL,
    mtime_ns BIGINT NOT NULL,
    inode BIGINT NOT NULL,
    hash TEXT NOT NULL,
    recheck_at BIGINT,
    taken BOOLEAN NOT NULL,
    PRIMARY KEY (path)
);

-- What was wrong with a file when it was last read.
CREATE TABLE problem (
    path TEXT COLLATE "C" NOT NULL,
    position INTEGER NOT NULL,
    line INTEGER,
    reason TEXT NOT NULL,
    remedy TEXT NOT NULL,
    severity TEXT NOT NULL,
    PRIMARY KEY (path, position),
    FOREIGN KEY (path) REFERENCES file (path) ON DELETE CASCADE
);

-- Every post ever taken; keys grow in the order of collecting and are never used again. archive is the number of
-- the closed archive that has it, source the name of where it came from, hand what an editor wants of it in
-- editions.
CREATE TABLE post (
    key BIGINT NOT NULL,
    id TEXT NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    title TEXT NOT NULL,
    url TEXT NOT NULL,
    summary TEXT NOT NULL,
    published BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    first_seen BIGINT NOT NULL,
    collected_at BIGINT NOT NULL,
    gone_at BIGINT,
    retired BOOLEAN NOT NULL,
    unlisted BOOLEAN NOT NULL,
    categories TEXT NOT NULL,
    tags TEXT NOT NULL,
    source_name TEXT,
    original_url TEXT,
    authors TEXT NOT NULL,
    image TEXT,
    lang TEXT,
    codes TEXT NOT NULL,
    attachments TEXT NOT NULL,
    text_hash TEXT NOT NULL,
    archive INTEGER,
    source TEXT NOT NULL DEFAULT 'posts',
    hand TEXT,
    PRIMARY KEY (key),
    UNIQUE (id)
);
CREATE INDEX post_archive ON post (archive, first_seen, key);
CREATE INDEX post_feed ON post (unlisted, retired, first_seen, published, key);
CREATE INDEX post_gone ON post (retired, gone_at);
CREATE INDEX post_language ON post (lang, unlisted, retired, first_seen, published, key) WHERE lang IS NOT NULL;
CREATE INDEX post_link ON post (url) WHERE source <> 'posts';
CREATE INDEX post_path ON post (path);
CREATE INDEX post_published ON post (unlisted, published, key);

-- The text of posts whose source shows it for some time only: HTML, packed by zlib.
CREATE TABLE body (
    path TEXT COLLATE "C" NOT NULL,
    kept_at BIGINT NOT NULL,
    html BYTEA NOT NULL,
    PRIMARY KEY (path)
);
CREATE INDEX body_kept ON body (kept_at);

-- Posts that are worded otherwise since their files were read by other rules, and how: no edit of anybody's.
CREATE TABLE reread (
    post_key BIGINT NOT NULL,
    text_hash TEXT NOT NULL,
    PRIMARY KEY (post_key),
    FOREIGN KEY (post_key) REFERENCES post ("key")
);

-- Posts whose file is missing and that are not withdrawn: they left by age, or nobody has decided yet.
CREATE TABLE absence (
    post_key BIGINT NOT NULL,
    since BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    place TEXT NOT NULL,
    PRIMARY KEY (post_key),
    FOREIGN KEY (post_key) REFERENCES post (key)
);
CREATE INDEX absence_state ON absence (state, since);

-- Which posts a category's feed has, in its order: those that are listed and not retired.
CREATE TABLE post_category (
    name TEXT COLLATE "C" NOT NULL,
    first_seen BIGINT NOT NULL,
    published BIGINT NOT NULL,
    post_key BIGINT NOT NULL,
    PRIMARY KEY (name, first_seen, published, post_key),
    FOREIGN KEY (post_key) REFERENCES post (key)
);
CREATE INDEX post_category_post ON post_category (post_key);

-- The same for tags.
CREATE TABLE post_tag (
    name TEXT COLLATE "C" NOT NULL,
    first_seen BIGINT NOT NULL,
    published BIGINT NOT NULL,
    post_key BIGINT NOT NULL,
    PRIMARY KEY (name, first_seen, published, post_key),
    FOREIGN KEY (post_key) REFERENCES post (key)
);
CREATE INDEX post_tag_post ON post_tag (post_key);

-- Feeds that exist, how many posts each has, and whether its files must be looked at again.
CREATE TABLE feed (
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    stem TEXT NOT NULL,
    folded_stem TEXT COLLATE "C" NOT NULL,
    posts BIGINT NOT NULL,
    dirty BOOLEAN NOT NULL,
    PRIMARY KEY (kind, name),
    CONSTRAINT feed_stem UNIQUE (kind, folded_stem)
);

-- Closed archives of the overall feed, and whether their files must be written again.
CREATE TABLE archive (
    number INTEGER NOT NULL,
    dirty BOOLEAN NOT NULL,
    PRIMARY KEY (number)
);
CREATE INDEX archive_dirty ON archive (dirty);

-- Ids of an earlier feed, by the entry's link.
CREATE TABLE adopted_id (
    url TEXT COLLATE "C" NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (url)
);

-- Digests that were begun: posts with a greater key are news to them.
CREATE TABLE digest (
    name TEXT NOT NULL,
    began_at BIGINT NOT NULL,
    began_after BIGINT NOT NULL,
    PRIMARY KEY (name)
);

-- What mails are made with besides the contents of their edition: templates, catalogue, limits.
CREATE TABLE look (
    hash TEXT COLLATE "C" NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (hash)
);

-- One digest, one period: made once, frozen, sent once, whatever its subscribers chose of it. html and text are the mail of
-- everything. kind is digest, weekly (which sums_up another) or notice (to one subscriber). paused_at is when its sending was last stopped: from then
-- on its refusals say nothing about subscribers.
CREATE TABLE edition (
    key BIGSERIAL NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    period TEXT COLLATE "C" NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    frozen_at BIGINT NOT NULL,
    send_after BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    page_published BOOLEAN NOT NULL,
    subject TEXT NOT NULL,
    html TEXT NOT NULL,
    text TEXT NOT NULL,
    document TEXT NOT NULL,
    paused_at BIGINT,
    resumed_at BIGINT,
    sums_up TEXT COLLATE "C" NOT NULL DEFAULT '',
    look TEXT COLLATE "C" NOT NULL DEFAULT '',
    lead TEXT,
    PRIMARY KEY (key),
    CONSTRAINT edition_slot UNIQUE (digest, kind, period)
);
CREATE INDEX edition_page ON edition (page_published, key) WHERE page_published = false;
CREATE INDEX edition_state ON edition (state);

-- Which posts an edition has, and why.
CREATE TABLE edition_member (
    edition_key BIGINT NOT NULL,
    post_key BIGINT NOT NULL,
    section TEXT NOT NULL,
    position INTEGER NOT NULL,
    shown TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (edition_key, post_key),
    FOREIGN KEY (edition_key) REFERENCES edition (key),
    FOREIGN KEY (post_key) REFERENCES post (key)
);
CREATE INDEX edition_member_post ON edition_member (post_key);

-- An edition's mail for a selection of its posts, from the first time that it was made on: what is sent again is the
-- same.
CREATE TABLE mail (
    edition_key BIGINT NOT NULL,
    selection TEXT COLLATE "C" NOT NULL,
    subject TEXT NOT NULL,
    html TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (edition_key, selection),
    FOREIGN KEY (edition_key) REFERENCES edition (key)
);

-- The ledger: one row for each message to each recipient; lease counts the claims. channel is the way by which it
-- leaves, domain the recipient's, in lower case, selection which of the edition's posts it has (JSON, empty for all): all
-- three are kept when it is queued. receiver is who runs the domain's mailboxes, if it has limits of its own.
CREATE TABLE delivery (
    key BIGSERIAL NOT NULL,
    edition_key BIGINT NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    message_id TEXT NOT NULL,
    token TEXT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    attempts INTEGER NOT NULL,
    doubts INTEGER NOT NULL,
    not_before BIGINT NOT NULL,
    lease BIGINT NOT NULL,
    lease_until BIGINT,
    ended_at BIGINT,
    reply_code INTEGER,
    reply_enhanced TEXT NOT NULL,
    reply_text TEXT NOT NULL,
    queue_id TEXT NOT NULL,
    subscriber_key BIGINT,
    list_key INTEGER,
    expires_at BIGINT,
    channel TEXT COLLATE "C" NOT NULL DEFAULT 'mail',
    domain TEXT COLLATE "C" NOT NULL DEFAULT '',
    selection TEXT COLLATE "C" NOT NULL DEFAULT '',
    reply_step TEXT COLLATE "C" NOT NULL DEFAULT '',
    reply_verdict TEXT COLLATE "C" NOT NULL DEFAULT '',
    receiver TEXT COLLATE "C" NOT NULL DEFAULT '',
    PRIMARY KEY (key),
    CONSTRAINT delivery_recipient UNIQUE (edition_key, address),
    FOREIGN KEY (edition_key) REFERENCES edition (key)
);
CREATE INDEX delivery_doubt ON delivery (state, edition_key, key) WHERE state = 'in_doubt';
CREATE INDEX delivery_due ON delivery (state, not_before, key) WHERE state = 'queued';
CREATE INDEX delivery_elsewhere ON delivery (state, channel, not_before, "key") WHERE channel <> 'mail';
CREATE INDEX delivery_ended ON delivery (state, ended_at);
CREATE INDEX delivery_leased ON delivery (state, lease_until) WHERE state = 'leased';
CREATE INDEX delivery_receiver ON delivery (state, receiver, not_before, key) WHERE state = 'queued';
CREATE INDEX delivery_state ON delivery (edition_key, state);
CREATE INDEX delivery_subscriber ON delivery (subscriber_key);
CREATE INDEX delivery_token ON delivery (token);
CREATE INDEX delivery_transmitting ON delivery (state, lease_until) WHERE state = 'transmitting';

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

-- Receivers with limits of their own: those that mail goes to more slowly, and domains of the configuration. free_at
-- (milliseconds) is when the next message may leave to it, holder who took the last turn; rate (messages a second) what
-- it got at slowed_at, when it asked for less.
CREATE TABLE receiver (
    name TEXT COLLATE "C" NOT NULL,
    free_at BIGINT NOT NULL DEFAULT 0,
    holder TEXT COLLATE "C" NOT NULL DEFAULT '',
    rate DOUBLE PRECISION,
    slowed_at BIGINT,
    times INTEGER NOT NULL DEFAULT 0,
    rests_until BIGINT,
    reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (name)
);

-- Receivers that refused so much of an edition that nothing more of it goes to them, until it is resumed (over).
CREATE TABLE edition_stop (
    edition_key BIGINT NOT NULL,
    receiver TEXT COLLATE "C" NOT NULL,
    reason TEXT NOT NULL,
    since BIGINT NOT NULL,
    over BOOLEAN NOT NULL,
    PRIMARY KEY (edition_key, receiver),
    FOREIGN KEY (edition_key) REFERENCES edition (key)
);

-- The log of runs, each with its report as JSON; arrived posts were new, written files were put in place.
CREATE TABLE run (
    key BIGSERIAL NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    report TEXT NOT NULL,
    ok BOOLEAN,
    arrived INTEGER,
    written INTEGER,
    PRIMARY KEY (key)
);
CREATE INDEX run_log ON run (started_at, ended_at, ok, arrived, written);

-- What the operator is told. An alarm of a name is open once; told is false as long as there is something to say
-- about it (that it was raised, then that it is over), which held_until some process is about to say.
CREATE TABLE alarm (
    key BIGSERIAL NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    text TEXT NOT NULL,
    raised_at BIGINT NOT NULL,
    ended_at BIGINT,
    end_text TEXT NOT NULL,
    told BOOLEAN NOT NULL,
    held_until BIGINT,
    PRIMARY KEY (key)
);
CREATE UNIQUE INDEX alarm_open ON alarm (name) WHERE ended_at IS NULL;
CREATE INDEX alarm_told ON alarm (told);

-- Digests that anybody ever subscribed to, by the short key that stands in links.
CREATE TABLE reader_list (
    key SERIAL NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (key),
    UNIQUE (digest)
);

-- Subscribers. hash is the keyed hash of canonical; paused_until is the local date they chose, pause_ends the moment of
-- it. Keys are never used again: links in old mails name them.
CREATE TABLE subscriber (
    key BIGSERIAL NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    canonical TEXT COLLATE "C" NOT NULL,
    hash TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    frequency TEXT NOT NULL,
    hour INTEGER,
    zone TEXT NOT NULL,
    paused_until TEXT,
    pause_ends BIGINT,
    held_until BIGINT,
    probe_at BIGINT,
    PRIMARY KEY (key),
    UNIQUE (canonical),
    UNIQUE (hash)
);

-- Who reads what: the categories as they were chosen, and the selection that they are, empty for all.
CREATE TABLE subscription (
    subscriber_key BIGINT NOT NULL,
    list_key INTEGER NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    categories TEXT NOT NULL,
    selection TEXT COLLATE "C" NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (subscriber_key, list_key),
    FOREIGN KEY (subscriber_key) REFERENCES subscriber (key),
    FOREIGN KEY (list_key) REFERENCES reader_list (key)
);
CREATE INDEX subscription_list ON subscription (list_key, state, selection, subscriber_key);

-- Every sign-up, confirmed or not yet: what was asked for, when and under which words.
CREATE TABLE consent (
    key BIGSERIAL NOT NULL,
    subscriber_key BIGINT,
    address TEXT COLLATE "C" NOT NULL,
    canonical TEXT COLLATE "C" NOT NULL,
    origin TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    text TEXT NOT NULL,
    choices TEXT NOT NULL,
    wishes TEXT NOT NULL,
    ip TEXT NOT NULL,
    confirmed_at BIGINT,
    handled BOOLEAN NOT NULL,
    PRIMARY KEY (key)
);
CREATE INDEX consent_canonical ON consent (canonical);
CREATE INDEX consent_handled ON consent (handled, key);
CREATE INDEX consent_subscriber ON consent (subscriber_key);

-- Fresh links to a subscriber's data, each good for once; address is a new one that is not confirmed yet.
CREATE TABLE errand (
    key BIGSERIAL NOT NULL,
    subscriber_key BIGINT NOT NULL,
    kind TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    used_at BIGINT,
    address TEXT COLLATE "C",
    PRIMARY KEY (key)
);
CREATE INDEX errand_subscriber ON errand (subscriber_key);

-- Addresses that are never written to, by their keyed hash: it stays when everything else about them is erased.
CREATE TABLE suppression (
    hash TEXT COLLATE "C" NOT NULL,
    reason TEXT NOT NULL,
    since BIGINT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (hash)
);

-- Bounces and complaints, each report once.
CREATE TABLE refusal (
    key BIGSERIAL NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    hash TEXT COLLATE "C" NOT NULL,
    delivery_key BIGINT,
    at BIGINT NOT NULL,
    blame TEXT NOT NULL,
    status TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (key),
    UNIQUE (name)
);
CREATE INDEX refusal_hash ON refusal (hash, at);

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

-- Whom an edition left out although they asked for it, and why: a pause may be over tomorrow.
CREATE TABLE omission (
    edition_key BIGINT NOT NULL,
    subscriber_key BIGINT NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (edition_key, subscriber_key),
    FOREIGN KEY (edition_key) REFERENCES edition (key)
);
CREATE INDEX omission_subscriber ON omission (subscriber_key);

-- What is limited in number: sign-ups by place, mails by address. who is a keyed hash.
CREATE TABLE attempt (
    key BIGSERIAL NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    who TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (key)
);
CREATE INDEX attempt_at ON attempt (at);
CREATE INDEX attempt_who ON attempt (kind, who, at);

CREATE TABLE digest_schema (
    version_num VARCHAR(32) NOT NULL CONSTRAINT digest_schema_pkc PRIMARY KEY
);
INSERT INTO feed (kind, name, stem, folded_stem, posts, dirty) VALUES ('all', '', 'feed', 'feed', 0, true);
