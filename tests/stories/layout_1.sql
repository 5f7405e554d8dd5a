-- The shared store of a cluster. People have a login of their own in one of three groups; what they may do is decided
-- here, whatever program they use:
--   wharf_user      asks for images, sees what is not private and what is theirs
--   wharf_approver  decides, and sees all
--   wharf_steward   works on requests, watches images, delivers notices
-- Nobody writes to a table: everything is done by functions, which know their caller by session_user. History only grows.
-- A request's life is that of src/core/request/stage.rs; one contract is held against both.

CREATE SCHEMA IF NOT EXISTS wharf;

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['wharf_user', 'wharf_approver', 'wharf_steward'] LOOP
        -- Roles are the server's, not the database's: another set-up may make them at the same moment.
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN EXECUTE format('CREATE ROLE %I NOLOGIN', name); END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END LOOP;
END $$;

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

-- ── who asks ──────────────────────────────────────────────────────────────────────────────────────────────────────────
CREATE FUNCTION wharf.now() RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT extract(epoch FROM clock_timestamp())::bigint $$;
CREATE FUNCTION wharf.is(role text) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT pg_has_role(session_user, role, 'MEMBER') $$;
CREATE FUNCTION wharf.own() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = wharf, pg_temp AS
    $$ SELECT EXISTS (SELECT FROM setting WHERE key = 'self_approval' AND value = 'yes') $$;

CREATE FUNCTION wharf.must(role text) RETURNS void LANGUAGE plpgsql STABLE AS $$ BEGIN
    IF NOT wharf.is(role) THEN RAISE insufficient_privilege USING MESSAGE = format('you are no member of %s', role); END IF;
END $$;

-- A request that the caller may see and change; locked.
CREATE FUNCTION wharf.locked(number bigint) RETURNS wharf.request LANGUAGE plpgsql SET search_path = wharf, pg_temp AS $$
DECLARE it request;
BEGIN
    SELECT * INTO it FROM request WHERE request.id = number FOR UPDATE;
    IF NOT FOUND OR NOT (it.open OR wharf.is('wharf_approver') OR wharf.is('wharf_steward')
            OR EXISTS (SELECT FROM wish WHERE wish.request = number AND person = session_user)) THEN
        RAISE no_data_found USING MESSAGE = format('there is no request %s', number);
    END IF;
    RETURN it;
END $$;

CREATE FUNCTION wharf.refuse(why text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE object_not_in_prerequisite_state USING MESSAGE = why; END $$;
CREATE FUNCTION wharf.note(number bigint, who text, what text, detail text) RETURNS void LANGUAGE sql SET search_path = wharf, pg_temp AS
    $$ INSERT INTO history (request, at, who, what, detail) VALUES (number, wharf.now(), who, what, detail) $$;
CREATE FUNCTION wharf.terms_words(terms jsonb) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT concat_ws(', ',
        'until ' || to_char(to_timestamp((terms->>'until')::bigint) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        CASE WHEN (terms->>'only')::boolean THEN 'only in this project' END,
        'taking ' || NULLIF((SELECT string_agg(value, ', ') FROM jsonb_array_elements_text(coalesce(terms->'exceptions', '[]')) AS value), '')) $$;

-- ── what a change tells, and to whom ──────────────────────────────────────────────────────────────────────────────────
CREATE FUNCTION wharf.grounds(dossier jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(string_agg(one->>'words', '; '), '') FROM jsonb_array_elements(coalesce(dossier->'grounds', '[]')) AS one
    WHERE one->>'verdict' = dossier->>'verdict' $$;

CREATE FUNCTION wharf.told() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = wharf, pg_temp AS $$
DECLARE said text; topic text := 'request';
BEGIN
    PERFORM pg_notify('wharf', NEW.id::text);
    IF TG_OP = 'INSERT' OR NEW.stage = OLD.stage THEN RETURN NULL; END IF;
    said := CASE NEW.stage
        WHEN 'waiting' THEN CASE OLD.stage WHEN 'asked' THEN 'was answered' ELSE 'waits for a decision: ' || wharf.grounds(NEW.dossier) END
        WHEN 'asked' THEN 'a question: ' || coalesce((SELECT words FROM remark WHERE request = NEW.id AND kind = 'question' ORDER BY id DESC LIMIT 1), '')
        WHEN 'admitted' THEN 'was admitted: ' || coalesce(NEW.admitted->>'reference', '')
        WHEN 'rejected' THEN 'was rejected by ' || coalesce(NEW.decision->>'by', '') || ': ' || coalesce(NEW.decision->>'reason', '')
        WHEN 'failed' THEN 'could not be done: ' || NEW.failure END;
    IF said IS NULL THEN RETURN NULL; END IF;
    IF NEW.stage = 'waiting' THEN topic := 'decision'; END IF;
    INSERT INTO notice (at, receiver, topic, key, title, words, request)
        SELECT wharf.now(), receiver, topic, format('request %s %s %s', NEW.id, NEW.stage, NEW.version), NEW.asked->>'title', said, NEW.id
        FROM (SELECT '@approvers' AS receiver WHERE NEW.stage = 'waiting'
              UNION ALL SELECT person FROM wish WHERE request = NEW.id AND NOT withdrawn AND NEW.stage <> 'waiting') AS whom
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER told AFTER INSERT OR UPDATE ON wharf.request FOR EACH ROW EXECUTE FUNCTION wharf.told();

CREATE FUNCTION wharf.rang() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_notify('wharf', ''); RETURN NULL; END $$;
CREATE TRIGGER rang AFTER INSERT ON wharf.notice FOR EACH STATEMENT EXECUTE FUNCTION wharf.rang();

-- ── what people do ────────────────────────────────────────────────────────────────────────────────────────────────────
CREATE FUNCTION wharf.submit(asked jsonb, destination text, reason text, until bigint, private boolean) RETURNS TABLE (id bigint, new boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE it request; fresh boolean := false; moment bigint := wharf.now(); same boolean;
BEGIN
    PERFORM wharf.must('wharf_user');
    IF coalesce(asked->>'digest', '') = '' OR length(asked::text) > 100000 OR length(submit.reason) > 4000 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'a request names a digest, and is no book';
    END IF;
    INSERT INTO request (digest, destination, asked, since, changed)
        VALUES (submit.asked->>'digest', submit.destination, submit.asked, moment, moment)
        ON CONFLICT (digest, destination) WHERE stage NOT IN ('rejected', 'withdrawn') DO NOTHING RETURNING * INTO it;
    fresh := FOUND;
    IF NOT fresh THEN
        SELECT * INTO it FROM request AS r WHERE r.digest = submit.asked->>'digest' AND r.destination = submit.destination
            AND r.stage NOT IN ('rejected', 'withdrawn') FOR UPDATE;
    END IF;
    SELECT true INTO same FROM wish AS w WHERE w.request = it.id AND w.person = session_user AND w.reason = submit.reason
        AND w.until IS NOT DISTINCT FROM submit.until AND w.private = submit.private AND NOT w.withdrawn;
    IF same AND it.stage <> 'failed' AND NOT (it.stage = 'admitted' AND coalesce((it.decision->'terms'->>'until')::bigint <= moment, false)) THEN
        RETURN QUERY SELECT it.id, false;
        RETURN;
    END IF;
    INSERT INTO wish (request, person, reason, until, since, private) VALUES (it.id, session_user, submit.reason, submit.until, moment, submit.private)
        ON CONFLICT (request, person) DO UPDATE SET reason = excluded.reason, until = excluded.until, private = excluded.private, withdrawn = false;
    IF it.stage = 'failed' OR (it.stage = 'admitted' AND (it.decision->'terms'->>'until')::bigint <= moment) THEN
        UPDATE request AS r SET stage = 'submitted', since = moment, decision = NULL, failure = '', tries = 0, retry = 0 WHERE r.id = it.id;
    END IF;
    UPDATE request AS r SET version = r.version + 1, changed = moment,
        open = EXISTS (SELECT FROM wish AS w WHERE w.request = it.id AND NOT w.private) WHERE r.id = it.id;
    PERFORM wharf.note(it.id, session_user, 'asked for', submit.reason);
    RETURN QUERY SELECT it.id, fresh;
END $$;

-- How many are before it: only a number, also where they are private.
CREATE FUNCTION wharf.ahead(number bigint) RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = wharf, pg_temp AS $$
DECLARE at text := (SELECT stage FROM request WHERE id = number);
BEGIN
    PERFORM wharf.must('wharf_user');
    RETURN CASE
        WHEN at IN ('submitted', 'gathering', 'admitting') THEN (SELECT count(*) FROM request WHERE stage IN ('submitted', 'gathering', 'admitting') AND id < number)
        WHEN at IN ('waiting', 'asked') THEN (SELECT count(*) FROM request WHERE stage IN ('waiting', 'asked') AND id < number)
        ELSE 0 END;
END $$;

CREATE FUNCTION wharf.withdraw(number bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = wharf, pg_temp AS $$
DECLARE it request := wharf.locked(number);
BEGIN
    IF it.stage IN ('admitted', 'rejected', 'withdrawn', 'failed') THEN PERFORM wharf.refuse('it is ' || it.stage || ' already'); END IF;
    UPDATE wish SET withdrawn = true WHERE request = number AND person = session_user AND NOT withdrawn;
    IF NOT FOUND THEN RAISE insufficient_privilege USING MESSAGE = 'you did not ask for it'; END IF;
    IF EXISTS (SELECT FROM wish WHERE request = number AND NOT withdrawn) THEN
        UPDATE request SET version = version + 1, changed = wharf.now() WHERE id = number;
    ELSE
        UPDATE request SET stage = 'withdrawn', worker = NULL, lease = 0, version = version + 1, changed = wharf.now() WHERE id = number;
    END IF;
    PERFORM wharf.note(number, session_user, 'withdrawn', '');
END $$;

CREATE FUNCTION wharf.remark(number bigint, kind text, words text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = wharf, pg_temp AS $$
DECLARE it request := wharf.locked(number); next text := it.stage;
    mine boolean := EXISTS (SELECT FROM wish WHERE request = number AND person = session_user AND NOT withdrawn);
BEGIN
    IF length(words) > 4000 THEN RAISE invalid_parameter_value USING MESSAGE = 'that is too long'; END IF;
    IF kind = 'note' AND NOT (mine OR wharf.is('wharf_approver')) OR kind = 'answer' AND NOT mine THEN
        RAISE insufficient_privilege USING MESSAGE = 'you did not ask for it';
    ELSIF kind = 'question' THEN
        IF NOT wharf.is('wharf_approver') THEN RAISE insufficient_privilege USING MESSAGE = 'only who may decide asks back'; END IF;
        IF it.stage NOT IN ('waiting', 'asked') THEN PERFORM wharf.refuse('it is ' || it.stage); END IF;
        next := 'asked';
    ELSIF kind = 'answer' THEN
        IF it.stage <> 'asked' THEN PERFORM wharf.refuse('nobody has asked anything'); END IF;
        next := 'waiting';
    END IF;
    INSERT INTO remark (request, at, person, kind, words) VALUES (number, wharf.now(), session_user, remark.kind, remark.words);
    UPDATE request SET stage = next, version = version + 1, changed = wharf.now() WHERE id = number;
    PERFORM wharf.note(number, session_user, kind, words);
END $$;

CREATE FUNCTION wharf.decide(number bigint, decision jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE it request; yes boolean := (decide.decision->>'approve')::boolean; terms text := wharf.terms_words(decide.decision->'terms');
BEGIN
    IF NOT wharf.is('wharf_approver') THEN RAISE insufficient_privilege USING MESSAGE = 'you may not decide'; END IF;
    it := wharf.locked(number);
    IF it.stage NOT IN ('waiting', 'asked') THEN
        PERFORM wharf.refuse(CASE WHEN it.decision IS NULL THEN 'it is ' || it.stage ELSE format('%s has %s it already: %s', it.decision->>'by',
            CASE WHEN (it.decision->>'approve')::boolean THEN 'approved' ELSE 'rejected' END, it.decision->>'reason') END);
    END IF;
    IF yes AND NOT wharf.own() AND EXISTS (SELECT FROM wish WHERE request = number AND person = session_user AND NOT withdrawn) THEN
        RAISE insufficient_privilege USING MESSAGE = 'it is your own';
    END IF;
    IF decide.decision->>'digest' IS DISTINCT FROM it.digest THEN PERFORM wharf.refuse('the decision is about another digest'); END IF;
    UPDATE request SET stage = CASE WHEN yes THEN 'admitting' ELSE 'rejected' END,
        decision = decide.decision || jsonb_build_object('by', session_user, 'at', wharf.now()),
        failure = '', tries = 0, retry = 0, version = version + 1, changed = wharf.now() WHERE id = number;
    PERFORM wharf.note(number, session_user, CASE WHEN yes THEN 'approved' ELSE 'rejected' END,
        (decide.decision->>'reason') || CASE WHEN terms = '' THEN '' ELSE format(' (%s)', terms) END);
END $$;

CREATE FUNCTION wharf.approve_class(base text, rule text, decision jsonb) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE number bigint; ends bigint := (approve_class.decision->'terms'->>'until')::bigint;
BEGIN
    PERFORM wharf.must('wharf_approver');
    IF ends IS NULL OR ends <= wharf.now() THEN RAISE invalid_parameter_value USING MESSAGE = 'a class is approved until a day that is to come'; END IF;
    INSERT INTO class (base, rule, until, decision) VALUES (approve_class.base, approve_class.rule, ends,
        approve_class.decision || jsonb_build_object('by', session_user, 'at', wharf.now())) RETURNING id INTO number;
    UPDATE request SET stage = 'gathering' WHERE stage = 'waiting' AND rule = approve_class.rule AND (approve_class.base = '' OR base = approve_class.base)
        AND (wharf.own() OR NOT EXISTS (SELECT FROM wish AS w WHERE w.request = request.id AND w.person = session_user AND NOT w.withdrawn));
    RETURN number;
END $$;
CREATE FUNCTION wharf.end_class(number bigint) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = wharf, pg_temp AS $$ BEGIN
    PERFORM wharf.must('wharf_approver');
    UPDATE class SET until = wharf.now() WHERE id = number AND until > wharf.now();
    RETURN FOUND;
END $$;

CREATE FUNCTION wharf.use(how text, digest text, reference text, place text, at bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = wharf, pg_temp AS $$ BEGIN
    PERFORM wharf.must('wharf_user');
    INSERT INTO used (person, how, digest, reference, place, at) VALUES (session_user, use.how, use.digest, use.reference, use.place, use.at) ON CONFLICT DO NOTHING;
END $$;
CREATE FUNCTION wharf.introduce(mail text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = wharf, pg_temp AS $$ BEGIN
    PERFORM wharf.must('wharf_user');
    INSERT INTO contact (person, mail) VALUES (session_user, introduce.mail) ON CONFLICT (person) DO UPDATE SET mail = excluded.mail;
END $$;
CREATE FUNCTION wharf.see(numbers bigint[]) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = wharf, pg_temp AS $$
    INSERT INTO seen (notice, person) SELECT id, session_user FROM notice WHERE id = ANY(numbers)
        AND (receiver = session_user OR receiver = '@approvers' AND wharf.is('wharf_approver')) ON CONFLICT DO NOTHING;
    SELECT pg_notify('wharf', '') $$;

-- ── what stewards do ──────────────────────────────────────────────────────────────────────────────────────────────────
CREATE FUNCTION wharf.claim(worker text, seconds bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE number bigint; moment bigint := wharf.now();
BEGIN
    PERFORM wharf.must('wharf_steward');
    SELECT id INTO number FROM request WHERE stage IN ('submitted', 'gathering', 'admitting') AND retry <= moment AND lease <= moment
        ORDER BY stage = 'admitting' DESC, id LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF number IS NULL THEN RETURN NULL; END IF;
    UPDATE request SET stage = CASE stage WHEN 'submitted' THEN 'gathering' ELSE stage END, worker = claim.worker, lease = moment + seconds WHERE id = number;
    PERFORM wharf.note(number, claim.worker, 'taken', '');
    RETURN number;
END $$;

-- Only the worker that has taken it goes on with it.
CREATE FUNCTION wharf.held(number bigint, worker text) RETURNS wharf.request LANGUAGE plpgsql SET search_path = wharf, pg_temp AS $$
DECLARE it request;
BEGIN
    PERFORM wharf.must('wharf_steward');
    it := wharf.locked(number);
    IF it.worker IS DISTINCT FROM held.worker THEN PERFORM wharf.refuse('another steward has taken it over'); END IF;
    RETURN it;
END $$;
CREATE FUNCTION wharf.renew(number bigint, worker text, ends bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = wharf, pg_temp AS $$ BEGIN
    PERFORM wharf.held(number, renew.worker);
    UPDATE request SET lease = ends WHERE id = number;
END $$;
CREATE FUNCTION wharf.judged(number bigint, worker text, dossier jsonb, decision jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE it request := wharf.held(number, judged.worker); grounds jsonb;
    next text := CASE (judged.decision->>'approve')::boolean WHEN true THEN 'admitting' WHEN false THEN 'rejected' ELSE 'waiting' END;
BEGIN
    IF it.stage <> 'gathering' THEN PERFORM wharf.refuse('it is ' || it.stage || ' already'); END IF;
    SELECT one INTO grounds FROM jsonb_array_elements(coalesce(judged.dossier->'grounds', '[]')) AS one WHERE one->>'verdict' = judged.dossier->>'verdict' LIMIT 1;
    UPDATE request SET stage = next, dossier = judged.dossier, decision = coalesce(judged.decision, decision), failure = '', tries = 0, retry = 0,
        rule = coalesce(grounds->>'rule', ''), base = coalesce(judged.dossier->>'base', ''),
        worker = CASE next WHEN 'admitting' THEN worker END, lease = CASE next WHEN 'admitting' THEN lease ELSE 0 END,
        version = version + 1, changed = wharf.now() WHERE id = number;
    PERFORM wharf.note(number, judged.worker, 'judged', replace(judged.dossier->>'verdict', '-', ' ') || ': ' || wharf.grounds(judged.dossier));
END $$;
CREATE FUNCTION wharf.admitted(number bigint, worker text, admission jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE it request := wharf.held(number, admitted.worker);
BEGIN
    IF it.stage <> 'admitting' THEN PERFORM wharf.refuse('it is ' || it.stage); END IF;
    UPDATE request SET stage = 'admitted', admitted = admission, failure = '', tries = 0, retry = 0, worker = NULL, lease = 0,
        version = version + 1, changed = wharf.now() WHERE id = number;
    PERFORM wharf.note(number, admitted.worker, 'admitted', admission->>'reference');
END $$;
CREATE FUNCTION wharf.failed(number bigint, worker text, why text, again bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE it request := wharf.held(number, failed.worker);
BEGIN
    UPDATE request SET stage = CASE WHEN again IS NULL THEN 'failed' ELSE stage END, failure = why, tries = tries + 1, retry = coalesce(again, retry),
        worker = NULL, lease = 0, version = version + 1, changed = wharf.now() WHERE id = number;
    PERFORM wharf.note(number, failed.worker, 'failed', why);
END $$;

CREATE FUNCTION wharf.watch(digest text, reference text, checked bigint, body jsonb, notices jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = wharf, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM wharf.must('wharf_steward');
    INSERT INTO watched (digest, reference, checked, body) VALUES (watch.digest, watch.reference, watch.checked, watch.body)
        ON CONFLICT (digest) DO UPDATE SET reference = excluded.reference, checked = excluded.checked, body = excluded.body;
    INSERT INTO notice (at, receiver, topic, key, title, words, request, warning)
        SELECT (one->>'at')::bigint, one->>'to', one->>'topic', one->>'key', one->>'title', one->>'words', (one->>'request')::bigint, NULLIF(one->'warning', 'null')
        FROM jsonb_array_elements(notices) AS one ON CONFLICT DO NOTHING;
END $$;
CREATE FUNCTION wharf.due(way text, seconds bigint, oldest bigint) RETURNS TABLE (notice bigint, tries bigint, mail text) LANGUAGE plpgsql SECURITY DEFINER SET search_path = wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE it notice; moment bigint := wharf.now(); tried bigint;
BEGIN
    PERFORM wharf.must('wharf_steward');
    SELECT n.* INTO it FROM notice AS n LEFT JOIN delivery AS d ON d.notice = n.id AND d.way = due.way
        WHERE n.at > moment - oldest AND NOT coalesce(d.sent, false) AND coalesce(d.due, 0) <= moment ORDER BY n.id LIMIT 1 FOR UPDATE OF n SKIP LOCKED;
    IF NOT FOUND THEN RETURN; END IF;
    INSERT INTO delivery AS d (notice, way, tries, due) VALUES (it.id, due.way, 1, moment + seconds)
        ON CONFLICT (notice, way) DO UPDATE SET tries = d.tries + 1, due = excluded.due RETURNING d.tries - 1 INTO tried;
    RETURN QUERY SELECT it.id, tried, (SELECT c.mail FROM contact AS c WHERE c.person = it.receiver);
END $$;
CREATE FUNCTION wharf.delivered(number bigint, way text, again bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = wharf, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM wharf.must('wharf_steward');
    UPDATE delivery SET sent = again IS NULL, due = coalesce(again, 0) WHERE notice = number AND way = delivered.way;
END $$;

-- ── who sees what ─────────────────────────────────────────────────────────────────────────────────────────────────────
ALTER TABLE wharf.request ENABLE ROW LEVEL SECURITY;
ALTER TABLE wharf.wish ENABLE ROW LEVEL SECURITY;
ALTER TABLE wharf.remark ENABLE ROW LEVEL SECURITY;
ALTER TABLE wharf.history ENABLE ROW LEVEL SECURITY;
ALTER TABLE wharf.used ENABLE ROW LEVEL SECURITY;
ALTER TABLE wharf.notice ENABLE ROW LEVEL SECURITY;
ALTER TABLE wharf.seen ENABLE ROW LEVEL SECURITY;
CREATE POLICY see ON wharf.request FOR SELECT USING (open OR (SELECT wharf.is('wharf_approver') OR wharf.is('wharf_steward'))
    OR EXISTS (SELECT FROM wharf.wish WHERE wish.request = request.id AND wish.person = session_user));
CREATE POLICY see ON wharf.wish FOR SELECT USING (NOT private OR person = session_user OR (SELECT wharf.is('wharf_approver') OR wharf.is('wharf_steward')));
CREATE POLICY see ON wharf.remark FOR SELECT USING (EXISTS (SELECT FROM wharf.request WHERE request.id = remark.request));
CREATE POLICY see ON wharf.history FOR SELECT USING (EXISTS (SELECT FROM wharf.request WHERE request.id = history.request));
CREATE POLICY see ON wharf.used FOR SELECT USING (person = session_user OR (SELECT wharf.is('wharf_steward')));
CREATE POLICY see ON wharf.notice FOR SELECT USING (receiver = session_user OR (SELECT wharf.is('wharf_steward'))
    OR receiver = '@approvers' AND (SELECT wharf.is('wharf_approver')));
CREATE POLICY see ON wharf.seen FOR SELECT USING (person = session_user);

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA wharf FROM PUBLIC;
GRANT USAGE ON SCHEMA wharf TO wharf_user, wharf_approver, wharf_steward;
GRANT SELECT ON wharf.request, wharf.wish, wharf.remark, wharf.history, wharf.class, wharf.used, wharf.notice, wharf.seen, wharf.setting
    TO wharf_user, wharf_approver, wharf_steward;
GRANT SELECT ON wharf.watched, wharf.delivery, wharf.contact TO wharf_steward;
GRANT EXECUTE ON FUNCTION wharf.now(), wharf.is(text), wharf.own(), wharf.grounds(jsonb) TO wharf_user, wharf_approver, wharf_steward;
GRANT EXECUTE ON FUNCTION wharf.submit(jsonb, text, text, bigint, boolean), wharf.withdraw(bigint), wharf.remark(bigint, text, text),
    wharf.use(text, text, text, text, bigint), wharf.introduce(text), wharf.see(bigint[]), wharf.ahead(bigint) TO wharf_user;
GRANT EXECUTE ON FUNCTION wharf.remark(bigint, text, text), wharf.decide(bigint, jsonb), wharf.approve_class(text, text, jsonb), wharf.end_class(bigint),
    wharf.see(bigint[]) TO wharf_approver;
GRANT EXECUTE ON FUNCTION wharf.claim(text, bigint), wharf.renew(bigint, text, bigint), wharf.judged(bigint, text, jsonb, jsonb),
    wharf.admitted(bigint, text, jsonb), wharf.failed(bigint, text, text, bigint), wharf.watch(text, text, bigint, jsonb, jsonb),
    wharf.due(text, bigint, bigint), wharf.delivered(bigint, text, bigint) TO wharf_steward;
