CREATE TABLE adopted_id ( url TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (url) ) WITHOUT ROWID
CREATE TABLE alarm ( "key" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, text TEXT NOT NULL, raised_at BIGINT NOT NULL, ended_at BIGINT, end_text TEXT NOT NULL, told BOOLEAN NOT NULL, held_until BIGINT )
CREATE UNIQUE INDEX alarm_open ON alarm (name) WHERE ended_at IS NULL
CREATE INDEX alarm_told ON alarm (told)
CREATE TABLE archive ( number INTEGER NOT NULL, dirty BOOLEAN NOT NULL, PRIMARY KEY (number) )
CREATE INDEX archive_dirty ON archive (dirty)
CREATE TABLE attempt ( "key" INTEGER NOT NULL, kind TEXT NOT NULL, who TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY ("key") )
CREATE INDEX attempt_at ON attempt (at)
CREATE INDEX attempt_who ON attempt (kind, who, at)
CREATE TABLE consent ( "key" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, subscriber_key INTEGER, address TEXT NOT NULL, canonical TEXT NOT NULL, origin TEXT NOT NULL, asked_at BIGINT NOT NULL, text TEXT NOT NULL, choices TEXT NOT NULL, wishes TEXT NOT NULL, ip TEXT NOT NULL, confirmed_at BIGINT, handled BOOLEAN NOT NULL )
CREATE INDEX consent_canonical ON consent (canonical)
CREATE INDEX consent_handled ON consent (handled, "key")
CREATE INDEX consent_subscriber ON consent (subscriber_key)
CREATE TABLE digest ( name TEXT NOT NULL, began_at BIGINT NOT NULL, began_after INTEGER NOT NULL, PRIMARY KEY (name) )
CREATE TABLE edition ( "key" INTEGER NOT NULL, digest TEXT NOT NULL, category TEXT NOT NULL, period TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, frozen_at BIGINT NOT NULL, send_after BIGINT NOT NULL, expires_at BIGINT NOT NULL, page_published BOOLEAN NOT NULL, subject TEXT NOT NULL, html TEXT NOT NULL, text TEXT NOT NULL, document TEXT NOT NULL, paused_at BIGINT, resumed_at BIGINT, PRIMARY KEY ("key"), CONSTRAINT edition_slot UNIQUE (digest, category, period) )
CREATE INDEX edition_page ON edition (page_published)
CREATE INDEX edition_state ON edition (state)
CREATE TABLE errand ( "key" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, subscriber_key INTEGER NOT NULL, kind TEXT NOT NULL, asked_at BIGINT NOT NULL, used_at BIGINT, address TEXT )
CREATE INDEX errand_subscriber ON errand (subscriber_key)
CREATE TABLE feed ( kind TEXT NOT NULL, name TEXT NOT NULL, stem TEXT NOT NULL, folded_stem TEXT NOT NULL, posts BIGINT NOT NULL, dirty BOOLEAN NOT NULL, PRIMARY KEY (kind, name), CONSTRAINT feed_stem UNIQUE (kind, folded_stem) ) WITHOUT ROWID
CREATE TABLE file ( path TEXT NOT NULL, size BIGINT NOT NULL, mtime_ns BIGINT NOT NULL, inode BIGINT NOT NULL, hash TEXT NOT NULL, recheck_at BIGINT, taken BOOLEAN NOT NULL, PRIMARY KEY (path) ) WITHOUT ROWID
CREATE TABLE meta ( name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name) )
CREATE TABLE post ( "key" INTEGER NOT NULL, id TEXT NOT NULL, path TEXT NOT NULL, title TEXT NOT NULL, url TEXT NOT NULL, summary TEXT NOT NULL, published BIGINT NOT NULL, updated BIGINT NOT NULL, first_seen BIGINT NOT NULL, collected_at BIGINT NOT NULL, gone_at BIGINT, retired BOOLEAN NOT NULL, unlisted BOOLEAN NOT NULL, categories TEXT NOT NULL, tags TEXT NOT NULL, source_name TEXT, original_url TEXT, authors TEXT NOT NULL, image TEXT, lang TEXT, codes TEXT NOT NULL, attachments TEXT NOT NULL, text_hash TEXT NOT NULL, archive INTEGER, PRIMARY KEY ("key"), UNIQUE (id) )
CREATE INDEX post_archive ON post (archive, first_seen, "key")
CREATE INDEX post_feed ON post (unlisted, retired, first_seen, published, "key")
CREATE INDEX post_gone ON post (retired, gone_at)
CREATE INDEX post_path ON post (path)
CREATE INDEX post_published ON post (unlisted, published, "key")
CREATE TABLE reader_list ( "key" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, digest TEXT NOT NULL, UNIQUE (digest) )
CREATE TABLE refusal ( "key" INTEGER NOT NULL, name TEXT NOT NULL, hash TEXT NOT NULL, delivery_key INTEGER, at BIGINT NOT NULL, blame TEXT NOT NULL, status TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY ("key"), UNIQUE (name) )
CREATE INDEX refusal_hash ON refusal (hash, at)
CREATE TABLE run ( "key" INTEGER NOT NULL, started_at BIGINT NOT NULL, ended_at BIGINT, report TEXT NOT NULL, ok BOOLEAN, arrived INTEGER, written INTEGER, PRIMARY KEY ("key") )
CREATE INDEX run_log ON run (started_at, ended_at, ok, arrived, written)
CREATE TABLE subscriber ( "key" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, address TEXT NOT NULL, canonical TEXT NOT NULL, hash TEXT NOT NULL, created_at BIGINT NOT NULL, frequency TEXT NOT NULL, hour INTEGER, zone TEXT NOT NULL, paused_until TEXT, pause_ends BIGINT, held_until BIGINT, probe_at BIGINT, UNIQUE (canonical), UNIQUE (hash) )
CREATE TABLE suppression ( hash TEXT NOT NULL, reason TEXT NOT NULL, since BIGINT NOT NULL, note TEXT NOT NULL, PRIMARY KEY (hash) ) WITHOUT ROWID
CREATE TABLE absence ( post_key INTEGER NOT NULL, since BIGINT NOT NULL, state TEXT NOT NULL, place TEXT NOT NULL, PRIMARY KEY (post_key), FOREIGN KEY(post_key) REFERENCES post ("key") ) WITHOUT ROWID
CREATE INDEX absence_state ON absence (state, since)
CREATE TABLE delivery ( "key" INTEGER NOT NULL, edition_key INTEGER NOT NULL, address TEXT NOT NULL, message_id TEXT NOT NULL, token TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL, doubts INTEGER NOT NULL, not_before BIGINT NOT NULL, lease BIGINT NOT NULL, lease_until BIGINT, ended_at BIGINT, reply_code INTEGER, reply_enhanced TEXT NOT NULL, reply_text TEXT NOT NULL, queue_id TEXT NOT NULL, subscriber_key INTEGER, list_key INTEGER, expires_at BIGINT, PRIMARY KEY ("key"), CONSTRAINT delivery_recipient UNIQUE (edition_key, address), FOREIGN KEY(edition_key) REFERENCES edition ("key") )
CREATE INDEX delivery_due ON delivery (state, not_before, "key")
CREATE INDEX delivery_ended ON delivery (state, ended_at)
CREATE INDEX delivery_state ON delivery (edition_key, state)
CREATE INDEX delivery_subscriber ON delivery (subscriber_key)
CREATE INDEX delivery_token ON delivery (token)
CREATE TABLE edition_member ( edition_key INTEGER NOT NULL, post_key INTEGER NOT NULL, section TEXT NOT NULL, position INTEGER NOT NULL, shown TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (edition_key, post_key), FOREIGN KEY(edition_key) REFERENCES edition ("key"), FOREIGN KEY(post_key) REFERENCES post ("key") ) WITHOUT ROWID
CREATE INDEX edition_member_post ON edition_member (post_key)
CREATE TABLE omission ( edition_key INTEGER NOT NULL, subscriber_key INTEGER NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (edition_key, subscriber_key), FOREIGN KEY(edition_key) REFERENCES edition ("key") ) WITHOUT ROWID
CREATE INDEX omission_subscriber ON omission (subscriber_key)
CREATE TABLE post_category ( name TEXT NOT NULL, first_seen BIGINT NOT NULL, published BIGINT NOT NULL, post_key INTEGER NOT NULL, PRIMARY KEY (name, first_seen, published, post_key), FOREIGN KEY(post_key) REFERENCES post ("key") ) WITHOUT ROWID
CREATE INDEX post_category_post ON post_category (post_key)
CREATE TABLE post_tag ( name TEXT NOT NULL, first_seen BIGINT NOT NULL, published BIGINT NOT NULL, post_key INTEGER NOT NULL, PRIMARY KEY (name, first_seen, published, post_key), FOREIGN KEY(post_key) REFERENCES post ("key") ) WITHOUT ROWID
CREATE INDEX post_tag_post ON post_tag (post_key)
CREATE TABLE problem ( path TEXT NOT NULL, position INTEGER NOT NULL, line INTEGER, reason TEXT NOT NULL, remedy TEXT NOT NULL, severity TEXT NOT NULL, PRIMARY KEY (path, position), FOREIGN KEY(path) REFERENCES file (path) ON DELETE CASCADE ) WITHOUT ROWID
CREATE TABLE subscription ( subscriber_key INTEGER NOT NULL, list_key INTEGER NOT NULL, state TEXT NOT NULL, categories TEXT NOT NULL, label TEXT NOT NULL, since BIGINT NOT NULL, PRIMARY KEY (subscriber_key, list_key), FOREIGN KEY(subscriber_key) REFERENCES subscriber ("key"), FOREIGN KEY(list_key) REFERENCES reader_list ("key") ) WITHOUT ROWID
CREATE INDEX subscription_list ON subscription (list_key, state, label, subscriber_key)
