-- From the first layout to the second. Nothing that was kept is lost.

-- Stewards say that they live: the latest rows of each login.
CREATE TABLE wharf.steward (
    person text NOT NULL, worker text NOT NULL, host text NOT NULL, key text NOT NULL, version text NOT NULL, seen bigint NOT NULL,
    PRIMARY KEY (person, worker));

-- The login that has taken a request, beside the name of its worker, which anybody may say.
ALTER TABLE wharf.request ADD COLUMN holder text;

-- Whom a line concerns, beside those who decide and stewards; without a list, all who see the request.
ALTER TABLE wharf.history ADD COLUMN only_for text[];
ALTER TABLE wharf.remark ADD COLUMN only_for text[];
-- What was said privately before stays so, and also what was said before somebody changed their mind.
UPDATE wharf.history AS h SET only_for = ARRAY[h.who] WHERE h.what IN ('asked for', 'withdrawn', 'note', 'answer')
    AND EXISTS (SELECT FROM wharf.wish AS w WHERE w.request = h.request AND w.person = h.who AND (w.private OR h.what = 'asked for' AND w.reason <> h.detail));
UPDATE wharf.history AS h SET only_for = ARRAY(SELECT w.person FROM wharf.wish AS w WHERE w.request = h.request AND w.private) || h.who
    WHERE h.only_for IS NULL AND h.what IN ('note', 'question') AND EXISTS (SELECT FROM wharf.wish AS w WHERE w.request = h.request AND w.private);
UPDATE wharf.remark AS r SET only_for = ARRAY[r.person]
    WHERE r.kind IN ('note', 'answer') AND EXISTS (SELECT FROM wharf.wish AS w WHERE w.request = r.request AND w.person = r.person AND w.private);
UPDATE wharf.remark AS r SET only_for = ARRAY(SELECT w.person FROM wharf.wish AS w WHERE w.request = r.request AND w.private) || r.person
    WHERE r.only_for IS NULL AND r.kind IN ('note', 'question') AND EXISTS (SELECT FROM wharf.wish AS w WHERE w.request = r.request AND w.private);

-- What people did lately is counted.
CREATE INDEX history_who ON wharf.history (who, at);
CREATE INDEX remark_person ON wharf.remark (person, at);
CREATE INDEX used_person ON wharf.used (person, at);
