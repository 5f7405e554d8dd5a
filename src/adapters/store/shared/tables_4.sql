-- From the third layout to the fourth.

-- What the store has seen of people's audits: ends of chains, and their entries.
CREATE TABLE wharf.witness (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, person text NOT NULL, chain text NOT NULL CHECK (chain ~ '^[0-9a-f]{16}$'),
    place text NOT NULL CHECK (length(place) <= 1000), number bigint NOT NULL CHECK (number BETWEEN 1 AND 1000000000),
    hash text NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'), body text NOT NULL CHECK (octet_length(body) <= 8000), at bigint NOT NULL,
    UNIQUE (person, chain, number, hash));
CREATE INDEX witness_person ON wharf.witness (person, id);
CREATE INDEX witness_lately ON wharf.witness (person, at);

-- Requests are one where they mean one thing: the same bytes from the same place under the same tag, for the same place; and
-- one that somebody asks for privately is theirs alone. Else whoever asks first could spoil it for others, or learn of them.
ALTER TABLE wharf.request ADD COLUMN apart text NOT NULL DEFAULT '';
UPDATE wharf.request SET apart = regexp_replace(asked->>'from', '(:[^/@]*)?@.*$', '') || ' ' || coalesce(asked->>'tag', '');
DROP INDEX wharf.request_one;
CREATE UNIQUE INDEX request_one ON wharf.request (digest, destination, apart) WHERE stage NOT IN ('rejected', 'withdrawn', 'revoked');

-- When a use was written down: that is what is counted, whenever it is said to have been.
ALTER TABLE wharf.used ADD COLUMN noted bigint NOT NULL DEFAULT 0;
UPDATE wharf.used SET noted = at;
DROP INDEX wharf.used_person;
CREATE INDEX used_person ON wharf.used (person, noted);

-- An image is watched in each place where it is used: who uses it elsewhere has no say in where it is looked at.
ALTER TABLE wharf.watched DROP CONSTRAINT watched_pkey, ADD PRIMARY KEY (digest, reference);
