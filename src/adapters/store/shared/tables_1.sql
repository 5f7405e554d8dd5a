-- The tables of the first layout. A database may have been made with them: changes are steps of their own (tables_2.sql …).

CREATE SCHEMA IF NOT EXISTS wharf;

CREATE TABLE wharf.setting (key text PRIMARY KEY, value text NOT NULL);

CREATE TABLE wharf.request (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest text NOT NULL, destination text NOT NULL, asked jsonb NOT NULL, stage text NOT NULL DEFAULT 'submitted'
        CHECK (stage IN ('submitted', 'gathering', 'waiting', 'asked', 'admitting', 'admitted', 'rejected', 'withdrawn', 'failed')),
    version bigint NOT NULL DEFAULT 1, since bigint NOT NULL, changed bigint NOT NULL,
    rule text NOT NULL DEFAULT '', base text NOT NULL DEFAULT '',
    dossier jsonb, decision jsonb, admitted jsonb,
    failure text NOT NULL DEFAULT '', tries bigint NOT NULL DEFAULT 0, retry bigint NOT NULL DEFAULT 0,
    worker text, lease bigint NOT NULL DEFAULT 0,
    -- Whether anybody may see it: one of its wishes is not private.
    open boolean NOT NULL DEFAULT false);
CREATE UNIQUE INDEX request_one ON wharf.request (digest, destination) WHERE stage NOT IN ('rejected', 'withdrawn');
CREATE INDEX request_queue ON wharf.request (rule, base, since, id) WHERE stage IN ('waiting', 'asked');
CREATE INDEX request_waiting ON wharf.request (id) WHERE stage IN ('waiting', 'asked');
CREATE INDEX request_work ON wharf.request (id) WHERE stage IN ('submitted', 'gathering', 'admitting');
CREATE INDEX request_admitted ON wharf.request ((admitted->>'digest')) WHERE stage = 'admitted';
CREATE INDEX request_destination ON wharf.request (destination) WHERE stage = 'admitted';

CREATE TABLE wharf.wish (
    request bigint NOT NULL REFERENCES wharf.request, person text NOT NULL, reason text NOT NULL, until bigint,
    since bigint NOT NULL, private boolean NOT NULL, withdrawn boolean NOT NULL DEFAULT false, PRIMARY KEY (request, person));
CREATE INDEX wish_person ON wharf.wish (person, request);

CREATE TABLE wharf.remark (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, request bigint NOT NULL REFERENCES wharf.request,
    at bigint NOT NULL, person text NOT NULL, kind text NOT NULL CHECK (kind IN ('note', 'question', 'answer')), words text NOT NULL);
CREATE INDEX remark_request ON wharf.remark (request);

CREATE TABLE wharf.history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, request bigint NOT NULL REFERENCES wharf.request,
    at bigint NOT NULL, who text NOT NULL, what text NOT NULL, detail text NOT NULL);
CREATE INDEX history_request ON wharf.history (request);

CREATE TABLE wharf.class (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, base text NOT NULL, rule text NOT NULL, until bigint NOT NULL, decision jsonb NOT NULL);

CREATE TABLE wharf.used (
    person text NOT NULL, how text NOT NULL CHECK (how IN ('launched', 'downloaded', 'given', 'supplied')), digest text NOT NULL,
    reference text NOT NULL, place text NOT NULL, at bigint NOT NULL, PRIMARY KEY (digest, person, how, place));

CREATE TABLE wharf.watched (
    digest text PRIMARY KEY, reference text NOT NULL, checked bigint NOT NULL, body jsonb NOT NULL);

CREATE TABLE wharf.notice (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at bigint NOT NULL, receiver text NOT NULL, topic text NOT NULL,
    key text NOT NULL, title text NOT NULL, words text NOT NULL, request bigint, warning jsonb, UNIQUE (receiver, key));
CREATE INDEX notice_receiver ON wharf.notice (receiver, id);
CREATE TABLE wharf.seen (notice bigint NOT NULL REFERENCES wharf.notice, person text NOT NULL, PRIMARY KEY (notice, person));
CREATE TABLE wharf.delivery (
    notice bigint NOT NULL REFERENCES wharf.notice, way text NOT NULL, tries bigint NOT NULL, due bigint NOT NULL,
    sent boolean NOT NULL DEFAULT false, PRIMARY KEY (notice, way));
CREATE TABLE wharf.contact (person text PRIMARY KEY, mail text NOT NULL);
