-- From the fourth layout to the fifth.

-- Jobs that one steward at a time does for the site: who has it until when, when it is due, and what is kept of it.
CREATE TABLE wharf.job (
    name text PRIMARY KEY, worker text, holder text, lease bigint NOT NULL DEFAULT 0, due bigint NOT NULL DEFAULT 0,
    notes text NOT NULL DEFAULT '', changed bigint NOT NULL DEFAULT 0);
