
-- ── what the store has seen of people's audits ────────────────────────────────────────────────────────────────────────
-- A person only adds to it, under their own login and by this clock; nothing of theirs is changed, and what makes room for
-- more is their oldest: at 2000 a day nobody pushes 50000 out before somebody has looked.
CREATE FUNCTION wharf.witness(chain text, place text, marks jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE moment bigint := wharf.now();
BEGIN
    IF NOT (wharf.is('wharf_user') OR wharf.is('wharf_approver') OR wharf.is('wharf_steward')) THEN
        PERFORM wharf.forbid('you are no member of wharf_user');
    END IF;
    IF marks IS NULL OR jsonb_typeof(marks) <> 'array' OR jsonb_array_length(marks) > 500 THEN
        PERFORM wharf.wrong('the store is told of at most 500 entries at once');
    END IF;
    -- Whoever counts below is alone with it: a row of one's own is nobody else's to hold.
    PERFORM FROM witness WHERE person = session_user ORDER BY id DESC LIMIT 1 FOR UPDATE;
    IF (SELECT count(*) FROM witness WHERE person = session_user AND at > moment - 86400) + jsonb_array_length(marks) > 2000 THEN
        PERFORM wharf.too_many('the store was told of 2000 entries of yours in a day: of more it is told later');
    END IF;
    INSERT INTO witness (person, chain, place, number, hash, body, at)
        SELECT session_user, witness.chain, witness.place, (one->>'number')::bigint, one->>'hash',
            -- Whatever name it says: it is theirs by the login that tells of it.
            CASE WHEN jsonb_typeof(NULLIF(one->>'body', '')::jsonb) IS NULL THEN '' ELSE one->>'body' END, moment
        FROM jsonb_array_elements(marks) WITH ORDINALITY AS each (one, place) ORDER BY each.place
        ON CONFLICT DO NOTHING;
    DELETE FROM witness WHERE person = session_user
        AND id <= (SELECT id FROM witness WHERE person = session_user ORDER BY id DESC OFFSET 50000 LIMIT 1);
END $$;

ALTER TABLE wharf.witness ENABLE ROW LEVEL SECURITY;
CREATE POLICY see ON wharf.witness FOR SELECT
    USING (person = session_user OR (SELECT wharf.is('wharf_approver') OR wharf.is('wharf_steward')));
REVOKE ALL ON FUNCTION wharf.witness(text, text, jsonb) FROM PUBLIC;
GRANT SELECT ON wharf.witness TO wharf_user, wharf_approver, wharf_steward;
GRANT EXECUTE ON FUNCTION wharf.witness(text, text, jsonb) TO wharf_user, wharf_approver, wharf_steward;
