-- From the third layout to the fourth.

-- What the store has seen of people's audits: ends of chains, and their entries.
CREATE TABLE wharf.witness (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, person text NOT NULL, chain text NOT NULL CHECK (chain ~ '^[0-9a-f]{16}$'),
    place text NOT NULL CHECK (length(place) <= 1000), number bigint NOT NULL CHECK (number BETWEEN 1 AND 1000000000),
    hash text NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'), body text NOT NULL CHECK (octet_length(body) <= 8000), at bigint NOT NULL,
    UNIQUE (person, chain, number, hash));
CREATE INDEX witness_person ON wharf.witness (person, id);
CREATE INDEX witness_lately ON wharf.witness (person, at);
