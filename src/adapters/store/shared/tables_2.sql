-- From the first layout to the second.

-- Stewards say that they live: the latest rows of each login.
CREATE TABLE wharf.steward (
    person text NOT NULL, worker text NOT NULL, host text NOT NULL, key text NOT NULL, version text NOT NULL, seen bigint NOT NULL,
    PRIMARY KEY (person, worker));
