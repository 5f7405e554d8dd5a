-- Before rights and functions are made: the groups, and nothing of what an older Wharf or somebody's hand has left.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $$
DECLARE name text; it record;
BEGIN
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION 'the database has the encoding %, and UTF8 is needed: createdb -E UTF8 -T template0', current_setting('server_encoding');
    END IF;
    FOREACH name IN ARRAY ARRAY['wharf_user', 'wharf_approver', 'wharf_steward'] LOOP
        -- Roles are the server's, not the database's: another set-up may make them at the same moment.
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN EXECUTE format('CREATE ROLE %I NOLOGIN', name); END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END LOOP;
    FOR it IN SELECT policyname, tablename FROM pg_policies WHERE schemaname = 'wharf' LOOP
        EXECUTE format('DROP POLICY %I ON wharf.%I', it.policyname, it.tablename);
    END LOOP;
    FOR it IN SELECT tgname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
            WHERE relnamespace = 'wharf'::regnamespace AND NOT tgisinternal LOOP
        EXECUTE format('DROP TRIGGER %I ON wharf.%I', it.tgname, it.relname);
    END LOOP;
    FOR it IN SELECT oid::regprocedure AS called FROM pg_proc WHERE pronamespace = 'wharf'::regnamespace LOOP
        EXECUTE format('DROP FUNCTION %s', it.called);
    END LOOP;
END $$;
REVOKE ALL ON ALL TABLES IN SCHEMA wharf FROM PUBLIC, wharf_user, wharf_approver, wharf_steward;
