-- When the sending of an edition was last stopped, and when it went on.
ALTER TABLE edition ADD COLUMN paused_at BIGINT;
ALTER TABLE edition ADD COLUMN resumed_at BIGINT;
