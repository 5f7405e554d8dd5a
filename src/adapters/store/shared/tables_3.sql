-- Admissions can be taken back.

ALTER TABLE wharf.request DROP CONSTRAINT request_stage_check;
ALTER TABLE wharf.request ADD CONSTRAINT request_stage_check CHECK (stage IN ('submitted', 'gathering', 'waiting', 'asked',
    'admitting', 'admitted', 'revoking', 'revoked', 'rejected', 'withdrawn', 'failed'));
DROP INDEX wharf.request_one, wharf.request_work, wharf.request_admitted;
CREATE UNIQUE INDEX request_one ON wharf.request (digest, destination) WHERE stage NOT IN ('rejected', 'withdrawn', 'revoked');
CREATE INDEX request_work ON wharf.request (id) WHERE stage IN ('submitted', 'gathering', 'admitting', 'revoking');
CREATE INDEX request_admitted ON wharf.request ((admitted->>'digest')) WHERE stage IN ('admitted', 'revoking', 'revoked');
