-- Rights and functions of the shared store of a cluster. Whenever a database is set up, those that are there are taken away
-- and made anew, so that this file is what holds. Tables and their changes are in tables_1.sql, tables_2.sql …, what values
-- look like is in shapes.sql.
-- People have a login of their own in one of three groups; what they may do is decided here, whatever program they use:
--   wharf_user      asks for images, sees what is not private and what is theirs
--   wharf_approver  decides, and sees all
--   wharf_steward   works on requests, watches images, delivers notices
-- Nobody writes to a table: everything is done by functions, which know their caller by session_user, look names up in
-- pg_catalog and here alone, check every argument, and take times from this database's clock. History only grows.
-- A request's life is that of src/core/request/event.rs; one contract is held against both.

-- ── how values are checked ────────────────────────────────────────────────────────────────────────────────────────────
CREATE FUNCTION wharf.wrong(why text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
    $$ BEGIN RAISE invalid_parameter_value USING MESSAGE = why; END $$;
CREATE FUNCTION wharf.refuse(why text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
    $$ BEGIN RAISE object_not_in_prerequisite_state USING MESSAGE = why; END $$;
CREATE FUNCTION wharf.forbid(why text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
    $$ BEGIN RAISE insufficient_privilege USING MESSAGE = why; END $$;
CREATE FUNCTION wharf.too_many(why text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
    $$ BEGIN RAISE program_limit_exceeded USING MESSAGE = why; END $$;

-- Whether text is one plain line: no control characters, no breaks, nothing that turns the direction of reading.
CREATE FUNCTION wharf.is_line(value text) RETURNS boolean LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS
    $$ SELECT value !~ '[\u0001-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]' $$;
-- The same of what programs say, made so: the words of an error must not keep it from being told.
CREATE FUNCTION wharf.tidy(value text, longest integer) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS
    $$ SELECT left(regexp_replace(coalesce(value, ''), '[\u0001-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+', ' ', 'g'), longest) $$;
CREATE FUNCTION wharf.line(value text, called text, longest integer) RETURNS void LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$ BEGIN
    IF value IS NULL THEN PERFORM wharf.wrong(called || ' is missing'); END IF;
    IF length(value) > longest THEN PERFORM wharf.wrong(format('%s is longer than %s characters', called, longest)); END IF;
    IF NOT wharf.is_line(value) THEN PERFORM wharf.wrong(called || ' has to be one line without control characters'); END IF;
END $$;
CREATE FUNCTION wharf.within(value bigint, called text, lowest bigint, highest bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$ BEGIN
    IF value IS NULL OR value < lowest OR value > highest THEN PERFORM wharf.wrong(format('%s has to be from %s to %s', called, lowest, highest)); END IF;
    RETURN value;
END $$;
CREATE FUNCTION wharf.is_digest(value text) RETURNS boolean LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS
    $$ SELECT coalesce(value ~ '^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$', false) $$;
-- An image of a registry, by the digest that is meant.
CREATE FUNCTION wharf.is_pinned(reference text, digest text) RETURNS boolean LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(wharf.is_digest(digest) AND length(reference) <= 1000
        AND reference ~ '^oci://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?@'
        AND right(reference, length(digest) + 1) = '@' || digest AND reference !~ '@.*@', false) $$;
-- An image in a kind of place that only an adapter knows, by the digest that is meant.
CREATE FUNCTION wharf.is_other(reference text, digest text) RETURNS boolean LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(wharf.is_digest(digest) AND length(reference) <= 1000
        AND reference ~ '^[a-z][a-z0-9+.-]{0,31}://[][A-Za-z0-9._:-]{1,255}(/[A-Za-z0-9%._~!$&''()*+,;=-]+)+@'
        AND reference !~ '^(oci|engine|glance|volume|file|https?)://' AND reference !~ '/[.]{1,2}[/@]'
        AND right(reference, length(digest) + 1) = '@' || digest AND reference !~ '@.*@', false) $$;
-- A disk image of a cloud: its id or its name.
CREATE FUNCTION wharf.is_disk(reference text) RETURNS boolean LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(wharf.is_line(reference) AND reference ~ '^glance://[A-Za-z0-9._-]{1,64}/[^/"''`\\{}<>|$&;%?#*]{1,255}$', false) $$;

-- Whether a value is what `kind` says, by shapes.sql; complains by its name.
CREATE FUNCTION wharf.fits(value jsonb, kind text, called text) RETURNS void LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE words text[] := string_to_array(kind, ' '); type text := jsonb_typeof(value); shape jsonb; name text; one jsonb; content text := value #>> '{}';
BEGIN
    IF value IS NULL THEN
        IF NOT 'missing' = ANY(words) THEN PERFORM wharf.wrong(called || ' is missing'); END IF;
        RETURN;
    END IF;
    IF type = 'null' AND ('null' = ANY(words) OR words[1] = 'nothing') THEN RETURN; END IF;
    CASE words[1]
    WHEN 'line', 'text' THEN
        IF type <> 'string' THEN PERFORM wharf.wrong(called || ' has to be text'); END IF;
        IF length(content) > words[2]::integer THEN PERFORM wharf.wrong(format('%s is longer than %s characters', called, words[2])); END IF;
        IF words[1] = 'line' AND NOT wharf.is_line(content) THEN PERFORM wharf.wrong(called || ' has to be one line without control characters'); END IF;
    WHEN 'number' THEN
        IF type <> 'number' OR content !~ '^[0-9]{1,18}$' THEN PERFORM wharf.wrong(called || ' has to be a whole number'); END IF;
    WHEN 'yes' THEN
        IF type <> 'boolean' THEN PERFORM wharf.wrong(called || ' has to be true or false'); END IF;
    WHEN 'verdict' THEN
        IF type <> 'string' OR content NOT IN ('allow', 'needs-approval', 'deny', 'undecided') THEN PERFORM wharf.wrong(called || ' is no verdict'); END IF;
    WHEN 'one' THEN
        IF type <> 'string' OR NOT content = ANY(string_to_array(words[2], '|')) THEN PERFORM wharf.wrong(format('%s has to be %s', called, words[2])); END IF;
    WHEN 'any' THEN
        IF length(value::text) > words[2]::integer THEN PERFORM wharf.wrong(format('%s is longer than %s characters', called, words[2])); END IF;
    WHEN 'list' THEN
        IF type <> 'array' THEN PERFORM wharf.wrong(called || ' has to be a list'); END IF;
        IF jsonb_array_length(value) > words[2]::integer THEN PERFORM wharf.wrong(format('%s has more than %s entries', called, words[2])); END IF;
        FOR one IN SELECT * FROM jsonb_array_elements(value) LOOP PERFORM wharf.fits(one, array_to_string(words[3:], ' '), 'an entry of ' || called); END LOOP;
    ELSE
        shape := wharf.shape(words[1]);
        IF shape IS NULL OR type <> 'object' THEN PERFORM wharf.wrong(called || ' has not the form it should have'); END IF;
        SELECT key INTO name FROM jsonb_object_keys(value) AS key WHERE NOT shape ? key LIMIT 1;
        IF name IS NOT NULL THEN PERFORM wharf.wrong(format('%s has ''%s'', which is not known', called, wharf.tidy(name, 50))); END IF;
        FOR name IN SELECT jsonb_object_keys(shape) LOOP PERFORM wharf.fits(value -> name, shape ->> name, format('''%s'' of %s', name, called)); END LOOP;
    END CASE;
END $$;

-- ── who asks ──────────────────────────────────────────────────────────────────────────────────────────────────────────
CREATE FUNCTION wharf.now() RETURNS bigint LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS
    $$ SELECT extract(epoch FROM clock_timestamp())::bigint $$;
CREATE FUNCTION wharf.is(role text) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS
    $$ SELECT pg_has_role(session_user, role, 'MEMBER') $$;
CREATE FUNCTION wharf.own() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS
    $$ SELECT EXISTS (SELECT FROM setting WHERE key = 'self_approval' AND value = 'yes') $$;
-- A number that the owner of the database may set: INSERT INTO wharf.setting VALUES ('open_requests', '200').
CREATE FUNCTION wharf.most(called text, usual bigint) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS
    $$ SELECT coalesce((SELECT value::bigint FROM setting WHERE key = called AND value ~ '^[0-9]{1,9}$'), usual) $$;

CREATE FUNCTION wharf.must(role text) RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$ BEGIN
    IF NOT wharf.is(role) THEN PERFORM wharf.forbid(format('you are no member of %s', role)); END IF;
END $$;

-- Whether the caller may see a request.
CREATE FUNCTION wharf.sees(it wharf.request) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, wharf, pg_temp AS $$
    SELECT it.open OR wharf.is('wharf_approver') OR wharf.is('wharf_steward')
        OR EXISTS (SELECT FROM wish WHERE wish.request = it.id AND wish.person = session_user) $$;
-- A session of somebody else that keeps rows here locked for longer than any program of ours does is ended: nobody holds up
-- the others by leaving a transaction open. One that waits for a row itself has as long as our programs wait.
CREATE FUNCTION wharf.make_way() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$ BEGIN
    PERFORM pg_terminate_backend(a.pid) FROM pg_stat_activity AS a
        WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
            AND a.xact_start < clock_timestamp() - CASE WHEN a.wait_event_type = 'Lock' THEN interval '12 s' ELSE interval '4 s' END
            AND NOT (SELECT rolsuper FROM pg_roles WHERE oid = a.usesysid) AND NOT pg_has_role(a.usesysid, 'wharf_steward', 'MEMBER')
            AND EXISTS (SELECT FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation WHERE l.pid = a.pid AND l.granted AND l.locktype = 'relation'
                AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND c.relnamespace = 'wharf'::regnamespace AND l.mode <> 'AccessShareLock');
EXCEPTION WHEN insufficient_privilege THEN
    -- Where the owner of the database may not end sessions, setting it up says so.
    NULL;
END $$;
-- A request that the caller may see and change; locked.
CREATE FUNCTION wharf.locked(number bigint) RETURNS wharf.request LANGUAGE plpgsql SET search_path = pg_catalog, wharf, pg_temp AS $$
DECLARE it request;
BEGIN
    PERFORM wharf.make_way();
    SELECT * INTO it FROM request WHERE request.id = number FOR UPDATE;
    IF NOT FOUND OR NOT wharf.sees(it) THEN RAISE no_data_found USING MESSAGE = format('there is no request %s', number); END IF;
    RETURN it;
END $$;
-- Whether somebody has ever asked for it: who has is not the one to approve it, also after taking it back.
CREATE FUNCTION wharf.is_own(number bigint, who text) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, wharf, pg_temp AS
    $$ SELECT NOT wharf.own() AND EXISTS (SELECT FROM wish WHERE wish.request = number AND wish.person = who) $$;

-- Whom what somebody says of a request concerns, beside those who decide: nobody else where it is said of a private wish;
-- those who asked for it where all of them asked privately.
CREATE FUNCTION wharf.audience(number bigint, who text) RETURNS text[] LANGUAGE sql STABLE SET search_path = pg_catalog, wharf, pg_temp AS $$
    SELECT CASE
        WHEN EXISTS (SELECT FROM wish WHERE request = number AND person = who AND private) THEN ARRAY[who]
        WHEN NOT EXISTS (SELECT FROM wish WHERE request = number AND NOT private) THEN ARRAY(SELECT person FROM wish WHERE request = number) || who
    END $$;
CREATE FUNCTION wharf.note(number bigint, who text, what text, detail text, only_for text[] DEFAULT NULL) RETURNS void LANGUAGE sql SET search_path = pg_catalog, wharf, pg_temp AS
    $$ INSERT INTO history (request, at, who, what, detail, only_for) VALUES (number, wharf.now(), who, what, detail, only_for) $$;
CREATE FUNCTION wharf.terms_words(terms jsonb) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT concat_ws(', ',
        'until ' || to_char(to_timestamp((terms->>'until')::bigint) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        CASE WHEN (terms->>'only')::boolean THEN 'only in this project' END,
        'taking ' || NULLIF((SELECT string_agg(value, ', ') FROM jsonb_array_elements_text(coalesce(terms->'exceptions', '[]')) AS value), '')) $$;

-- ── what a change tells, and to whom ──────────────────────────────────────────────────────────────────────────────────
CREATE FUNCTION wharf.grounds(dossier jsonb) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(string_agg(one->>'words', '; '), '')
    FROM jsonb_array_elements(CASE jsonb_typeof(dossier->'grounds') WHEN 'array' THEN dossier->'grounds' ELSE '[]' END) AS one
    WHERE one->>'verdict' = dossier->>'verdict' $$;

-- That something has changed is told to everybody who listens, and nothing of what it was.
CREATE FUNCTION wharf.told() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
DECLARE said text; topic text := 'request';
BEGIN
    PERFORM pg_notify('wharf', '');
    IF TG_OP = 'INSERT' OR NEW.stage = OLD.stage THEN RETURN NULL; END IF;
    said := CASE NEW.stage
        WHEN 'waiting' THEN CASE OLD.stage WHEN 'asked' THEN 'was answered' ELSE 'waits for a decision: ' || wharf.grounds(NEW.dossier) END
        WHEN 'asked' THEN 'a question: ' || coalesce((SELECT words FROM remark WHERE request = NEW.id AND kind = 'question' ORDER BY id DESC LIMIT 1), '')
        WHEN 'admitted' THEN 'was admitted: ' || coalesce(NEW.admitted->>'reference', '')
        WHEN 'rejected' THEN 'was rejected by ' || coalesce(NEW.decision->>'by', '') || ': ' || coalesce(NEW.decision->>'reason', '')
        WHEN 'revoking' THEN 'was taken back by ' || coalesce(NEW.decision->>'by', '') || ': ' || coalesce(NEW.decision->>'reason', '')
        WHEN 'failed' THEN 'could not be done: ' || NEW.failure END;
    IF said IS NULL THEN RETURN NULL; END IF;
    IF NEW.stage = 'waiting' THEN topic := 'decision'; END IF;
    INSERT INTO notice (at, receiver, topic, key, title, words, request)
        SELECT wharf.now(), receiver, topic, format('request %s %s %s', NEW.id, NEW.stage, NEW.version),
            coalesce(NEW.asked->>'title', format('request %s', NEW.id)), said, NEW.id
        FROM (SELECT '@approvers' AS receiver WHERE NEW.stage = 'waiting'
              UNION SELECT person FROM wish WHERE request = NEW.id AND NOT withdrawn AND NEW.stage <> 'waiting'
              UNION SELECT person FROM used WHERE NEW.stage = 'revoking' AND used.digest = NEW.admitted->>'digest') AS whom
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER told AFTER INSERT OR UPDATE ON wharf.request FOR EACH ROW EXECUTE FUNCTION wharf.told();

CREATE FUNCTION wharf.rang() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$ BEGIN PERFORM pg_notify('wharf', ''); RETURN NULL; END $$;
CREATE TRIGGER rang AFTER INSERT ON wharf.notice FOR EACH STATEMENT EXECUTE FUNCTION wharf.rang();

-- ── what people do ────────────────────────────────────────────────────────────────────────────────────────────────────
-- What is asked for has to be an image of a registry or another place by its digest, a disk image of a cloud with its hash, or
-- the address of one on the web; and it has to be admitted where such images are.
CREATE FUNCTION wharf.is_asked(asked jsonb, destination text) RETURNS void LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE source text := asked->>'from'; digest text := asked->>'digest';
BEGIN
    PERFORM wharf.fits(asked, 'asked', 'what is asked for');
    PERFORM wharf.line(destination, 'the destination', 500);
    IF source LIKE 'oci:%' OR wharf.is_other(source, digest) THEN
        IF source LIKE 'oci:%' AND NOT wharf.is_pinned(source, digest) THEN PERFORM wharf.wrong('an image is asked for by its digest: oci://HOST/NAME@sha256:…'); END IF;
        IF destination !~ '^oci://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+$' THEN
            PERFORM wharf.wrong('the destination of an image is oci://HOST/NAME, without a version');
        END IF;
    ELSE
        IF source LIKE 'glance:%' THEN
            IF NOT wharf.is_disk(source) OR NOT wharf.is_digest(digest) THEN PERFORM wharf.wrong('a disk image is asked for as glance://CLOUD/ID, with its hash'); END IF;
        ELSIF source !~ '^https?://[A-Za-z0-9][A-Za-z0-9.:-]*/[^[:space:]"\\]+$' OR digest IS DISTINCT FROM source THEN
            PERFORM wharf.wrong('an image is asked for as oci://, glance:// or https://, or elsewhere as SCHEME://PLACE/PATH by its digest');
        END IF;
        IF NOT wharf.is_disk(destination) THEN PERFORM wharf.wrong('the destination of a disk image is glance://CLOUD/NAME'); END IF;
    END IF;
END $$;

-- What an image is called to whoever decides: by where it is, and not by what whoever asks would like it to be called. Of a
-- disk image in a cloud its place says nothing.
CREATE FUNCTION wharf.title_of(asked jsonb) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN asked->>'from' LIKE 'oci:%' THEN regexp_replace(regexp_replace(asked->>'from', '^oci://[^/]+/', ''), '(:[^/@]*)?@.*$', '') || coalesce(':' || (asked->>'tag'), '')
        WHEN asked->>'from' LIKE 'http%' THEN coalesce(NULLIF(regexp_replace(asked->>'from', '^.*/', ''), ''), asked->>'title')
        WHEN wharf.is_other(asked->>'from', asked->>'digest') THEN regexp_replace(regexp_replace(asked->>'from', '^[^/]+://[^/]+/', ''), '@.*$', '')
        ELSE asked->>'title' END $$;

CREATE FUNCTION wharf.submit(asked jsonb, destination text, reason text, until bigint, private boolean) RETURNS TABLE (id bigint, new boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE it request; fresh boolean := false; moment bigint := wharf.now(); same boolean; most bigint;
    common text := regexp_replace(submit.asked->>'from', '(:[^/@]*)?@.*$', '') || ' ' || coalesce(submit.asked->>'tag', '');
    own text := common || ' ' || session_user;
BEGIN
    PERFORM wharf.must('wharf_user');
    PERFORM wharf.is_asked(submit.asked, submit.destination);
    PERFORM wharf.line(submit.reason, 'the reason', 2000);
    IF submit.until IS NOT NULL THEN PERFORM wharf.within(submit.until, 'the day until when it is needed', 0, 253402300799); END IF;
    IF submit.private IS NULL THEN PERFORM wharf.wrong('it is private or it is not'); END IF;
    PERFORM wharf.make_way();
    -- Of those that mean the same: one's own private one, else that of all.
    SELECT * INTO it FROM request AS r WHERE r.digest = submit.asked->>'digest' AND r.destination = submit.destination AND r.apart IN (common, own)
        AND wharf.sees(r) AND r.stage NOT IN ('rejected', 'withdrawn', 'revoked') ORDER BY r.apart = own DESC LIMIT 1 FOR UPDATE;
    SELECT true INTO same FROM wish AS w WHERE w.request = it.id AND w.person = session_user AND w.reason = submit.reason
        AND w.until IS NOT DISTINCT FROM submit.until AND w.private = submit.private AND NOT w.withdrawn;
    IF same AND it.stage <> 'failed' AND NOT (it.stage = 'admitted' AND coalesce((it.decision->'terms'->>'until')::bigint <= moment, false)) THEN
        RETURN QUERY SELECT it.id, false;
        RETURN;
    END IF;
    most := wharf.most('requests_per_day', 200);
    IF (SELECT count(*) FROM history AS h WHERE h.who = session_user AND h.what = 'asked for' AND h.at > moment - 86400) >= most THEN
        PERFORM wharf.too_many(format('you have made %s requests since yesterday, which is the limit: continue tomorrow', most));
    END IF;
    most := wharf.most('open_requests', 100);
    IF (SELECT count(*) FROM wish AS w JOIN request AS r ON r.id = w.request WHERE w.person = session_user AND NOT w.withdrawn
            AND r.stage IN ('submitted', 'gathering', 'waiting', 'asked', 'admitting', 'failed') AND r.id IS DISTINCT FROM it.id) >= most THEN
        PERFORM wharf.too_many(format('you have %s open requests, which is the limit: withdraw one, or wait until some are decided', most));
    END IF;
    IF it.id IS NULL THEN
        -- What all have in common may be there and hidden: all who asked for it publicly have asked privately since.
        IF NOT submit.private AND EXISTS (SELECT FROM request AS r WHERE r.digest = submit.asked->>'digest' AND r.destination = submit.destination
                AND r.apart = common AND NOT wharf.sees(r) AND r.stage NOT IN ('rejected', 'withdrawn', 'revoked')) THEN
            common := own;
        END IF;
        INSERT INTO request (digest, destination, asked, since, changed, apart)
            VALUES (submit.asked->>'digest', submit.destination, submit.asked || jsonb_build_object('title', wharf.title_of(submit.asked)), moment, moment, CASE WHEN submit.private THEN own ELSE common END)
            ON CONFLICT (digest, destination, apart) WHERE stage NOT IN ('rejected', 'withdrawn', 'revoked') DO NOTHING RETURNING * INTO it;
        fresh := FOUND;
        IF NOT fresh THEN
            SELECT * INTO it FROM request AS r WHERE r.digest = submit.asked->>'digest' AND r.destination = submit.destination
                AND r.apart = CASE WHEN submit.private THEN own ELSE common END AND r.stage NOT IN ('rejected', 'withdrawn', 'revoked') FOR UPDATE;
        END IF;
    END IF;
    INSERT INTO wish (request, person, reason, until, since, private) VALUES (it.id, session_user, submit.reason, submit.until, moment, submit.private)
        ON CONFLICT (request, person) DO UPDATE SET reason = excluded.reason, until = excluded.until, private = excluded.private, withdrawn = false;
    IF it.stage = 'failed' OR (it.stage = 'admitted' AND (it.decision->'terms'->>'until')::bigint <= moment) THEN
        UPDATE request AS r SET stage = 'submitted', since = moment, decision = NULL, failure = '', tries = 0, retry = 0 WHERE r.id = it.id;
    END IF;
    UPDATE request AS r SET version = r.version + 1, changed = moment,
        open = EXISTS (SELECT FROM wish AS w WHERE w.request = it.id AND NOT w.private) WHERE r.id = it.id;
    PERFORM wharf.note(it.id, session_user, 'asked for', submit.reason, CASE WHEN submit.private THEN ARRAY[session_user::text] END);
    RETURN QUERY SELECT it.id, fresh;
END $$;

-- How many are before one that the caller sees: only a number, also where they are private.
CREATE FUNCTION wharf.ahead(number bigint) RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
DECLARE it request;
BEGIN
    SELECT * INTO it FROM request WHERE id = number;
    IF NOT FOUND OR NOT wharf.sees(it) THEN RAISE no_data_found USING MESSAGE = format('there is no request %s', number); END IF;
    RETURN CASE
        WHEN it.stage IN ('submitted', 'gathering', 'admitting') THEN (SELECT count(*) FROM request WHERE stage IN ('submitted', 'gathering', 'admitting') AND id < number)
        WHEN it.stage IN ('waiting', 'asked') THEN (SELECT count(*) FROM request WHERE stage IN ('waiting', 'asked') AND id < number)
        ELSE 0 END;
END $$;

CREATE FUNCTION wharf.withdraw(number bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
DECLARE it request := wharf.locked(number); whom text[];
BEGIN
    IF it.stage IN ('admitted', 'revoking', 'revoked', 'rejected', 'withdrawn', 'failed') THEN PERFORM wharf.refuse('it is ' || it.stage || ' already'); END IF;
    SELECT CASE WHEN private THEN ARRAY[person] END INTO whom FROM wish WHERE request = number AND person = session_user;
    UPDATE wish SET withdrawn = true WHERE request = number AND person = session_user AND NOT withdrawn;
    IF NOT FOUND THEN PERFORM wharf.forbid('you did not ask for it'); END IF;
    IF EXISTS (SELECT FROM wish WHERE request = number AND NOT withdrawn) THEN
        UPDATE request SET version = version + 1, changed = wharf.now() WHERE id = number;
    ELSE
        UPDATE request SET stage = 'withdrawn', worker = NULL, holder = NULL, lease = 0, version = version + 1, changed = wharf.now() WHERE id = number;
    END IF;
    PERFORM wharf.note(number, session_user, 'withdrawn', '', whom);
END $$;

CREATE FUNCTION wharf.remark(number bigint, kind text, words text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
DECLARE it request := wharf.locked(number); next text := it.stage; whom text[] := wharf.audience(number, session_user); most bigint; moment bigint := wharf.now();
    mine boolean := EXISTS (SELECT FROM wish WHERE request = number AND person = session_user AND NOT withdrawn);
BEGIN
    PERFORM wharf.line(remark.words, 'what is said', 2000);
    IF remark.kind IS NULL OR remark.kind NOT IN ('note', 'question', 'answer') THEN PERFORM wharf.wrong('it is a note, a question or an answer'); END IF;
    most := wharf.most('remarks_per_day', 200);
    IF (SELECT count(*) FROM remark AS r WHERE r.person = session_user AND r.at > moment - 86400) >= most THEN
        PERFORM wharf.too_many(format('you have written %s remarks since yesterday, which is the limit: continue tomorrow', most));
    END IF;
    most := wharf.most('remarks_per_request', 100);
    IF (SELECT count(*) FROM remark AS r WHERE r.request = number AND r.person = session_user) >= most THEN
        PERFORM wharf.too_many(format('you have written %s remarks on it, which is the limit: withdraw it and make a new request', most));
    END IF;
    IF remark.kind = 'note' AND NOT (mine OR wharf.is('wharf_approver')) OR remark.kind = 'answer' AND NOT mine THEN
        PERFORM wharf.forbid('you did not ask for it');
    ELSIF remark.kind = 'question' THEN
        IF NOT wharf.is('wharf_approver') THEN PERFORM wharf.forbid('only who may decide asks back'); END IF;
        IF it.stage NOT IN ('waiting', 'asked') THEN PERFORM wharf.refuse('it is ' || it.stage); END IF;
        next := 'asked';
    ELSIF remark.kind = 'answer' THEN
        IF it.stage <> 'asked' THEN PERFORM wharf.refuse('no question was asked'); END IF;
        -- A class that was approved meanwhile may take it.
        next := CASE WHEN EXISTS (SELECT FROM class AS c WHERE c.until > moment AND c.rule = it.rule AND c.base IN ('', it.base)
            AND NOT wharf.is_own(it.id, c.decision->>'by')) THEN 'gathering' ELSE 'waiting' END;
    END IF;
    INSERT INTO remark (request, at, person, kind, words, only_for) VALUES (number, moment, session_user, remark.kind, remark.words, whom);
    UPDATE request SET stage = next, version = version + 1, changed = moment WHERE id = number;
    PERFORM wharf.note(number, session_user, remark.kind, remark.words, whom);
END $$;

-- A decision as it is kept: whoever hands it in is who decided, and now is when.
CREATE FUNCTION wharf.decision_of(decision jsonb) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$ BEGIN
    PERFORM wharf.fits(decision, 'decision', 'the decision');
    IF decision->'terms'->'until' <> 'null' THEN PERFORM wharf.within((decision->'terms'->>'until')::bigint, 'the day until when it counts', 0, 253402300799); END IF;
    -- A login that is called so would pass for the policy, or for a class of somebody else's.
    IF session_user LIKE 'policy %' OR session_user LIKE '% (class %' THEN PERFORM wharf.forbid('a login of this form cannot decide'); END IF;
    RETURN decision || jsonb_build_object('by', session_user, 'at', wharf.now());
END $$;

CREATE FUNCTION wharf.decide(number bigint, decision jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE it request; kept jsonb; yes boolean; terms text;
BEGIN
    IF NOT wharf.is('wharf_approver') THEN PERFORM wharf.forbid('you may not decide'); END IF;
    kept := wharf.decision_of(decide.decision);
    yes := (kept->>'approve')::boolean;
    terms := wharf.terms_words(kept->'terms');
    it := wharf.locked(number);
    IF it.stage NOT IN ('waiting', 'asked') THEN
        PERFORM wharf.refuse(CASE WHEN it.decision IS NULL THEN 'it is ' || it.stage ELSE format('%s has %s it already: %s', it.decision->>'by',
            CASE WHEN (it.decision->>'approve')::boolean THEN 'approved' ELSE 'rejected' END, it.decision->>'reason') END);
    END IF;
    IF yes AND wharf.is_own(number, session_user) THEN PERFORM wharf.forbid('it is your own request'); END IF;
    IF kept->>'digest' IS DISTINCT FROM it.digest THEN PERFORM wharf.refuse('the decision is about another digest'); END IF;
    UPDATE request SET stage = CASE WHEN yes THEN 'admitting' ELSE 'rejected' END, decision = kept,
        failure = '', tries = 0, retry = 0, worker = NULL, holder = NULL, lease = 0, version = version + 1, changed = wharf.now() WHERE id = number;
    PERFORM wharf.note(number, session_user, CASE WHEN yes THEN 'approved' ELSE 'rejected' END,
        (kept->>'reason') || CASE WHEN terms = '' THEN '' ELSE format(' (%s)', terms) END);
END $$;

-- Takes an admission back: everybody's verdict asks for this at once; a steward signs it.
CREATE FUNCTION wharf.revoke(number bigint, decision jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE it request; kept jsonb;
BEGIN
    PERFORM wharf.must('wharf_approver');
    kept := wharf.decision_of(revoke.decision);
    IF (kept->>'approve')::boolean THEN PERFORM wharf.wrong('what is taken back is not approved'); END IF;
    it := wharf.locked(number);
    IF it.stage <> 'admitted' THEN PERFORM wharf.refuse('it is ' || it.stage || ': only an admission is taken back'); END IF;
    UPDATE request SET stage = 'revoking', decision = kept,
        failure = '', tries = 0, retry = 0, worker = NULL, holder = NULL, lease = 0, version = version + 1, changed = wharf.now() WHERE id = number;
    -- The same bytes in the same place, admitted for somebody who had asked apart: what is signed says it of the place.
    UPDATE request SET stage = 'revoked', decision = kept, version = version + 1, changed = wharf.now()
        WHERE digest = it.digest AND destination = it.destination AND stage = 'admitted' AND id <> number;
    PERFORM wharf.note(number, session_user, 'taken back', kept->>'reason');
END $$;

CREATE FUNCTION wharf.approve_class(base text, rule text, decision jsonb) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE number bigint; kept jsonb; ends bigint; most bigint := wharf.most('classes', 1000);
BEGIN
    PERFORM wharf.must('wharf_approver');
    PERFORM wharf.make_way();
    PERFORM wharf.line(approve_class.base, 'the base', 1000);
    PERFORM wharf.line(approve_class.rule, 'the rule', 100);
    kept := wharf.decision_of(approve_class.decision);
    ends := (kept->'terms'->>'until')::bigint;
    IF ends IS NULL OR ends <= wharf.now() THEN PERFORM wharf.wrong('a class is approved until a day that is to come'); END IF;
    IF NOT (kept->>'approve')::boolean THEN PERFORM wharf.wrong('a class is approved, or it is not there'); END IF;
    IF (SELECT count(*) FROM class WHERE until > wharf.now()) >= most THEN PERFORM wharf.too_many(format('%s classes are approved, and no more may be: end one', most)); END IF;
    INSERT INTO class (base, rule, until, decision) VALUES (approve_class.base, approve_class.rule, ends, kept) RETURNING id INTO number;
    UPDATE request SET stage = 'gathering' WHERE stage = 'waiting' AND rule = approve_class.rule AND (approve_class.base = '' OR base = approve_class.base)
        AND NOT wharf.is_own(request.id, session_user);
    RETURN number;
END $$;
CREATE FUNCTION wharf.end_class(number bigint) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$ BEGIN
    PERFORM wharf.must('wharf_approver');
    UPDATE class SET until = wharf.now() WHERE id = number AND until > wharf.now();
    RETURN FOUND;
END $$;

-- `ago` is how many seconds ago it was: a program may have kept it while this database was away. Of what somebody used long
-- ago, the oldest is forgotten once there is too much of it.
CREATE FUNCTION wharf.use(how text, digest text, reference text, place text, ago bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE moment bigint := wharf.now(); most bigint;
BEGIN
    PERFORM wharf.must('wharf_user');
    IF use.how IS NULL OR use.how NOT IN ('launched', 'downloaded', 'given', 'supplied') THEN PERFORM wharf.wrong('an image is launched, downloaded, given or supplied'); END IF;
    IF NOT wharf.is_pinned(use.reference, use.digest) AND NOT wharf.is_other(use.reference, use.digest)
            AND NOT (wharf.is_disk(use.reference) AND wharf.is_digest(use.digest)) THEN
        PERFORM wharf.wrong('only images of registries and other places, by their digest, and of clouds are written down');
    END IF;
    PERFORM wharf.line(use.place, 'the place', 1000);
    PERFORM wharf.within(use.ago, 'how long ago it was', 0, 31 * 86400);
    IF EXISTS (SELECT FROM used AS u WHERE u.digest = use.digest AND u.person = session_user AND u.how = use.how AND u.place = use.place) THEN RETURN; END IF;
    most := wharf.most('uses_per_day', 5000);
    IF (SELECT count(*) FROM used AS u WHERE u.person = session_user AND u.noted > moment - 86400) >= most THEN
        PERFORM wharf.too_many(format('%s uses of yours were written down since yesterday, and no more are: what you use now is not watched for vulnerabilities', most));
    END IF;
    INSERT INTO used (person, how, digest, reference, place, at, noted)
        VALUES (session_user, use.how, use.digest, use.reference, use.place, moment - use.ago, moment) ON CONFLICT DO NOTHING;
    most := wharf.most('uses', 20000);
    IF (SELECT count(*) FROM used AS u WHERE u.person = session_user) > most THEN
        DELETE FROM used WHERE ctid = ANY(ARRAY(SELECT u.ctid FROM used AS u WHERE u.person = session_user ORDER BY u.noted, u.at, u.digest LIMIT 100));
    END IF;
END $$;
CREATE FUNCTION wharf.introduce(mail text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM wharf.must('wharf_user');
    PERFORM wharf.line(introduce.mail, 'the mail address', 254);
    IF introduce.mail !~ '^[^@[:space:]<>,;:"()\\]+@[^@[:space:]<>,;:"()\\]+$' THEN PERFORM wharf.wrong('that is no mail address'); END IF;
    INSERT INTO contact (person, mail) VALUES (session_user, introduce.mail) ON CONFLICT (person) DO UPDATE SET mail = excluded.mail;
END $$;
CREATE FUNCTION wharf.see(numbers bigint[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$ BEGIN
    IF cardinality(numbers) > 10000 THEN PERFORM wharf.wrong('that are too many at once'); END IF;
    INSERT INTO seen (notice, person) SELECT id, session_user FROM notice WHERE id = ANY(numbers)
        AND (receiver = session_user OR receiver = '@approvers' AND wharf.is('wharf_approver')) ON CONFLICT DO NOTHING;
    PERFORM pg_notify('wharf', '');
END $$;

-- ── what stewards do ──────────────────────────────────────────────────────────────────────────────────────────────────
-- The oldest of those people of whose requests the fewest are in hand; of whom so many are, no other one is taken.
CREATE FUNCTION wharf.claim(worker text, seconds bigint, most bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE number bigint; moment bigint := wharf.now();
BEGIN
    PERFORM wharf.must('wharf_steward');
    PERFORM wharf.line(claim.worker, 'the name of the worker', 300);
    PERFORM wharf.within(claim.seconds, 'the seconds of a claim', 1, 3600);
    PERFORM wharf.make_way();
    WITH busy AS (SELECT wish.person, count(*) AS hands FROM request AS held JOIN wish ON wish.request = held.id
            WHERE held.stage IN ('submitted', 'gathering', 'admitting', 'revoking') AND held.lease > moment AND NOT wish.withdrawn GROUP BY 1)
    SELECT of.id INTO number FROM request AS of CROSS JOIN LATERAL (SELECT coalesce(min(coalesce(busy.hands, 0)), 0) AS hands
            FROM wish LEFT JOIN busy ON busy.person = wish.person WHERE wish.request = of.id AND NOT wish.withdrawn) AS own
        WHERE of.stage IN ('submitted', 'gathering', 'admitting', 'revoking') AND of.retry <= moment AND of.lease <= moment AND (own.hands < claim.most OR of.stage = 'revoking')
        ORDER BY of.stage = 'revoking' DESC, of.stage = 'admitting' DESC, own.hands, of.id LIMIT 1 FOR UPDATE OF of SKIP LOCKED;
    IF number IS NULL THEN RETURN NULL; END IF;
    UPDATE request SET stage = CASE stage WHEN 'submitted' THEN 'gathering' ELSE stage END,
        worker = claim.worker, holder = session_user, lease = moment + claim.seconds WHERE id = number;
    PERFORM wharf.note(number, session_user, 'taken', claim.worker);
    RETURN number;
END $$;

-- Only the worker that has taken it goes on with it, and only under the login that it took it with.
CREATE FUNCTION wharf.held(number bigint, worker text) RETURNS wharf.request LANGUAGE plpgsql SET search_path = pg_catalog, wharf, pg_temp AS $$
DECLARE it request;
BEGIN
    PERFORM wharf.must('wharf_steward');
    it := wharf.locked(number);
    IF it.worker IS DISTINCT FROM held.worker OR it.holder IS DISTINCT FROM session_user THEN PERFORM wharf.refuse('another steward has taken it over'); END IF;
    RETURN it;
END $$;
CREATE FUNCTION wharf.renew(number bigint, worker text, seconds bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$ BEGIN
    PERFORM wharf.held(number, renew.worker);
    UPDATE request SET lease = wharf.now() + wharf.within(renew.seconds, 'the seconds of a claim', 1, 3600) WHERE id = number;
END $$;

-- Whether what a steward says was decided was: by the policy, or by somebody who has approved a class, in their words, for
-- what others asked for.
CREATE FUNCTION wharf.was_decided(it wharf.request, dossier jsonb, rule text, decision jsonb) RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE number bigint; known class; person text;
BEGIN
    PERFORM wharf.fits(was_decided.decision, 'decision', 'the decision');
    IF was_decided.decision->>'digest' IS DISTINCT FROM it.digest THEN PERFORM wharf.refuse('the decision is about another digest'); END IF;
    IF was_decided.decision->>'by' LIKE 'policy %' THEN RETURN; END IF;
    number := substring(was_decided.decision->>'by' FROM ' \(class ([0-9]{1,18})\)$')::bigint;
    SELECT * INTO known FROM class WHERE id = number AND until > wharf.now();
    person := known.decision->>'by';
    IF known.id IS NULL OR was_decided.decision->>'by' <> format('%s (class %s)', person, number)
            OR NOT (was_decided.decision->>'approve')::boolean
            OR known.decision - 'by' - 'at' - 'digest' <> was_decided.decision - 'by' - 'at' - 'digest'
            OR known.rule <> was_decided.rule OR known.base NOT IN ('', was_decided.dossier->>'base') THEN
        PERFORM wharf.forbid('there is no such decision');
    END IF;
    IF wharf.is_own(it.id, person) THEN PERFORM wharf.forbid('who approved the class asked for this one'); END IF;
END $$;
CREATE FUNCTION wharf.judged(number bigint, worker text, dossier jsonb, decision jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE it request := wharf.held(number, judged.worker); blocks text; moment bigint := wharf.now(); kept jsonb;
    next text := CASE (judged.decision->>'approve')::boolean WHEN true THEN 'admitting' WHEN false THEN 'rejected' ELSE 'waiting' END;
BEGIN
    IF it.stage <> 'gathering' THEN PERFORM wharf.refuse('it is ' || it.stage || ' already'); END IF;
    PERFORM wharf.fits(judged.dossier, 'dossier', 'the dossier');
    SELECT coalesce((SELECT one->>'rule' FROM jsonb_array_elements(judged.dossier->'grounds') AS one WHERE one->>'verdict' = judged.dossier->>'verdict' LIMIT 1), '') INTO blocks;
    IF judged.decision IS NOT NULL THEN
        PERFORM wharf.was_decided(it, judged.dossier, blocks, judged.decision);
        kept := judged.decision || jsonb_build_object('at', moment);
    END IF;
    UPDATE request SET stage = next, dossier = judged.dossier || jsonb_build_object('at', moment), decision = coalesce(kept, decision), failure = '', tries = 0, retry = 0,
        rule = blocks, base = coalesce(judged.dossier->>'base', ''),
        worker = CASE next WHEN 'admitting' THEN worker END, holder = CASE next WHEN 'admitting' THEN holder END, lease = CASE next WHEN 'admitting' THEN lease ELSE 0 END,
        version = version + 1, changed = moment WHERE id = number;
    PERFORM wharf.note(number, session_user, 'judged', wharf.tidy(replace(judged.dossier->>'verdict', '-', ' ') || ': ' || wharf.grounds(judged.dossier), 4000));
END $$;
CREATE FUNCTION wharf.admitted(number bigint, worker text, admission jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE it request := wharf.held(number, admitted.worker); place text := admitted.admission->>'reference';
BEGIN
    IF it.stage <> 'admitting' THEN PERFORM wharf.refuse('it is ' || it.stage); END IF;
    PERFORM wharf.fits(admitted.admission, 'admission', 'the admission');
    IF (it.decision->>'approve')::boolean IS NOT TRUE OR it.decision->>'digest' IS DISTINCT FROM it.digest THEN PERFORM wharf.refuse('it was not approved'); END IF;
    IF it.destination LIKE 'oci://%' THEN
        IF admitted.admission->>'digest' IS DISTINCT FROM it.digest OR NOT wharf.is_pinned(place, it.digest)
                OR NOT (starts_with(place, it.destination || ':') OR starts_with(place, it.destination || '@')) THEN
            PERFORM wharf.refuse('it was approved for another place, or as another image');
        END IF;
    ELSIF NOT wharf.is_disk(place) OR NOT wharf.is_digest(admitted.admission->>'digest') THEN
        PERFORM wharf.refuse('a disk image is admitted into a cloud, with its hash');
    END IF;
    UPDATE request SET stage = 'admitted', admitted = admission || jsonb_build_object('at', wharf.now()), failure = '', tries = 0, retry = 0,
        worker = NULL, holder = NULL, lease = 0, version = version + 1, changed = wharf.now() WHERE id = number;
    PERFORM wharf.note(number, session_user, 'admitted', place);
END $$;
CREATE FUNCTION wharf.revoked(number bigint, worker text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE it request := wharf.held(number, revoked.worker);
BEGIN
    IF it.stage <> 'revoking' THEN PERFORM wharf.refuse('it is ' || it.stage); END IF;
    UPDATE request SET stage = 'revoked', failure = '', tries = 0, retry = 0, worker = NULL, holder = NULL, lease = 0,
        version = version + 1, changed = wharf.now() WHERE id = number;
    PERFORM wharf.note(number, session_user, 'revoked', '');
END $$;
-- `again` is in how many seconds it is tried again; nothing gives it up.
CREATE FUNCTION wharf.failed(number bigint, worker text, why text, again bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE it request := wharf.held(number, failed.worker); said text := wharf.tidy(failed.why, 2000); moment bigint := wharf.now();
BEGIN
    UPDATE request SET stage = CASE WHEN failed.again IS NULL AND stage <> 'revoking' THEN 'failed' ELSE stage END, failure = said, tries = tries + 1,
        retry = CASE WHEN failed.again IS NULL THEN retry ELSE moment + wharf.within(failed.again, 'the seconds until it is tried again', 0, 86400) END,
        worker = NULL, holder = NULL, lease = 0, version = version + 1, changed = moment WHERE id = number;
    PERFORM wharf.note(number, session_user, 'failed', said);
END $$;

-- Keeps how an image was judged that is admitted or used, and tells those who use it; of what is admitted also those who
-- decide and whoever the site names as its supplier. A supplier without a login here, who gets letters only, is told of what
-- is used as well. Nobody else is told, and nobody of another image.
CREATE FUNCTION wharf.watch(digest text, reference text, body jsonb, notices jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE moment bigint := wharf.now(); here boolean; one jsonb;
BEGIN
    PERFORM wharf.must('wharf_steward');
    here := EXISTS (SELECT FROM request AS r WHERE r.stage = 'admitted' AND r.admitted->>'digest' = watch.digest);
    IF NOT here AND NOT EXISTS (SELECT FROM used AS u WHERE u.digest = watch.digest) THEN PERFORM wharf.refuse('it is neither used nor admitted'); END IF;
    PERFORM wharf.line(watch.reference, 'the reference', 1000);
    PERFORM wharf.fits(watch.body, 'any 2000000', 'what is known of it');
    PERFORM wharf.fits(watch.notices, 'list 20000 notice', 'what people are told');
    FOR one IN SELECT * FROM jsonb_array_elements(watch.notices) LOOP
        IF one->'warning'->>'digest' IS DISTINCT FROM watch.digest OR one->>'key' NOT LIKE 'vulnerability %' THEN PERFORM wharf.refuse('people are told of this image alone'); END IF;
    END LOOP;
    INSERT INTO watched (digest, reference, checked, body) VALUES (watch.digest, watch.reference, moment, watch.body)
        ON CONFLICT (digest, reference) DO UPDATE SET checked = excluded.checked, body = excluded.body;
    INSERT INTO notice (at, receiver, topic, key, title, words, warning)
        SELECT moment, each->>'to', each->>'topic', each->>'key', each->>'title', each->>'words', each->'warning'
        FROM jsonb_array_elements(watch.notices) AS each
        WHERE here OR EXISTS (SELECT FROM used AS u WHERE u.digest = watch.digest AND u.person = each->>'to')
            OR each->>'to' NOT LIKE '@%' AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = each->>'to' AND pg_has_role(oid, 'wharf_user', 'MEMBER'))
        ON CONFLICT DO NOTHING;
END $$;
CREATE FUNCTION wharf.due(way text, seconds bigint, oldest bigint) RETURNS TABLE (notice bigint, tries bigint, mail text) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE it notice; moment bigint := wharf.now(); tried bigint;
BEGIN
    PERFORM wharf.must('wharf_steward');
    PERFORM wharf.line(due.way, 'the way', 50);
    PERFORM wharf.within(due.seconds, 'the seconds of a delivery', 1, 3600);
    SELECT n.* INTO it FROM notice AS n LEFT JOIN delivery AS d ON d.notice = n.id AND d.way = due.way
        WHERE n.at > moment - oldest AND NOT coalesce(d.sent, false) AND coalesce(d.due, 0) <= moment ORDER BY n.id LIMIT 1 FOR UPDATE OF n SKIP LOCKED;
    IF NOT FOUND THEN RETURN; END IF;
    INSERT INTO delivery AS d (notice, way, tries, due) VALUES (it.id, due.way, 1, moment + due.seconds)
        ON CONFLICT (notice, way) DO UPDATE SET tries = d.tries + 1, due = excluded.due RETURNING d.tries - 1 INTO tried;
    RETURN QUERY SELECT it.id, tried, (SELECT c.mail FROM contact AS c WHERE c.person = it.receiver);
END $$;
CREATE FUNCTION wharf.delivered(number bigint, way text, again bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM wharf.must('wharf_steward');
    IF again IS NOT NULL THEN PERFORM wharf.within(again, 'the seconds until it is tried again', 0, 86400); END IF;
    UPDATE delivery SET sent = again IS NULL, due = CASE WHEN again IS NULL THEN 0 ELSE wharf.now() + again END WHERE notice = number AND way = delivered.way;
END $$;
-- That a steward lives: rows of its own login only, as many as one may have.
CREATE FUNCTION wharf.alive(worker text, host text, key text, version text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE moment bigint := wharf.now();
BEGIN
    PERFORM wharf.must('wharf_steward');
    PERFORM wharf.line(alive.worker, 'the name of the worker', 300);
    PERFORM wharf.line(alive.host, 'the name of the machine', 300);
    PERFORM wharf.line(alive.key, 'the id of the key', 200);
    PERFORM wharf.line(alive.version, 'the version', 100);
    INSERT INTO steward (person, worker, host, key, version, seen) VALUES (session_user, alive.worker, alive.host, alive.key, alive.version, moment)
        ON CONFLICT (person, worker) DO UPDATE SET host = excluded.host, key = excluded.key, version = excluded.version, seen = moment;
    DELETE FROM steward WHERE person = session_user AND (seen < moment - 7 * 86400
        OR steward.worker NOT IN (SELECT s.worker FROM steward AS s WHERE s.person = session_user ORDER BY s.seen DESC, s.worker LIMIT 50));
END $$;

-- ── what everybody may know of an image ───────────────────────────────────────────────────────────────────────────────
-- How stewards judged it, and whether its admission in that place was taken back; where it was never admitted there, whether
-- the last one anywhere was. Nothing of who asked for it or uses it.
CREATE FUNCTION wharf.known(digest text, place text) RETURNS jsonb LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE judged jsonb; newest record;
BEGIN
    PERFORM wharf.must('wharf_user');
    -- Where it is admitted counts before where somebody uses it.
    SELECT body - 'reference' || jsonb_build_object('checked', w.checked) INTO judged FROM wharf.watched AS w WHERE w.digest = known.digest
        ORDER BY EXISTS (SELECT FROM request AS r WHERE r.stage = 'admitted' AND r.admitted->>'digest' = w.digest AND r.admitted->>'reference' = w.reference) DESC,
            w.checked DESC LIMIT 1;
    SELECT stage, decision INTO newest FROM wharf.request AS r
        WHERE r.admitted->>'digest' = known.digest AND stage IN ('admitted', 'revoking', 'revoked')
        ORDER BY regexp_replace(r.admitted->>'reference', '(:[^/@]*)?@.*$', '') = known.place DESC, id DESC LIMIT 1;
    RETURN jsonb_build_object('judged', judged,
        'taken_back', CASE WHEN newest.stage IN ('revoking', 'revoked') THEN newest.decision - 'payload' - 'signature' END);
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
CREATE POLICY see ON wharf.remark FOR SELECT USING ((only_for IS NULL OR session_user = ANY(only_for) OR (SELECT wharf.is('wharf_approver') OR wharf.is('wharf_steward')))
    AND EXISTS (SELECT FROM wharf.request WHERE request.id = remark.request));
CREATE POLICY see ON wharf.history FOR SELECT USING ((only_for IS NULL OR session_user = ANY(only_for) OR (SELECT wharf.is('wharf_approver') OR wharf.is('wharf_steward')))
    AND EXISTS (SELECT FROM wharf.request WHERE request.id = history.request));
CREATE POLICY see ON wharf.used FOR SELECT USING (person = session_user OR (SELECT wharf.is('wharf_steward')));
CREATE POLICY see ON wharf.notice FOR SELECT USING (receiver = session_user OR (SELECT wharf.is('wharf_steward'))
    OR receiver = '@approvers' AND (SELECT wharf.is('wharf_approver')));
CREATE POLICY see ON wharf.seen FOR SELECT USING (person = session_user);

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA wharf FROM PUBLIC;
REVOKE ALL ON SCHEMA wharf FROM PUBLIC, wharf_user, wharf_approver, wharf_steward;
GRANT USAGE ON SCHEMA wharf TO wharf_user, wharf_approver, wharf_steward;
GRANT SELECT ON wharf.request, wharf.wish, wharf.remark, wharf.history, wharf.class, wharf.used, wharf.notice, wharf.seen, wharf.setting, wharf.steward
    TO wharf_user, wharf_approver, wharf_steward;
GRANT SELECT ON wharf.watched, wharf.delivery, wharf.contact TO wharf_steward;
GRANT EXECUTE ON FUNCTION wharf.now(), wharf.is(text), wharf.own() TO wharf_user, wharf_approver, wharf_steward;
GRANT EXECUTE ON FUNCTION wharf.submit(jsonb, text, text, bigint, boolean), wharf.withdraw(bigint), wharf.remark(bigint, text, text),
    wharf.use(text, text, text, text, bigint), wharf.introduce(text), wharf.see(bigint[]), wharf.ahead(bigint) TO wharf_user;
GRANT EXECUTE ON FUNCTION wharf.remark(bigint, text, text), wharf.decide(bigint, jsonb), wharf.approve_class(text, text, jsonb), wharf.end_class(bigint),
    wharf.revoke(bigint, jsonb),
    wharf.see(bigint[]) TO wharf_approver;
GRANT EXECUTE ON FUNCTION wharf.known(text, text) TO wharf_user;
GRANT EXECUTE ON FUNCTION wharf.claim(text, bigint, bigint), wharf.renew(bigint, text, bigint), wharf.judged(bigint, text, jsonb, jsonb),
    wharf.admitted(bigint, text, jsonb), wharf.revoked(bigint, text), wharf.failed(bigint, text, text, bigint), wharf.watch(text, text, jsonb, jsonb),
    wharf.due(text, bigint, bigint), wharf.delivered(bigint, text, bigint), wharf.alive(text, text, text, text) TO wharf_steward;
