-- What an editor wants of a post in editions.
ALTER TABLE post ADD COLUMN hand TEXT;
