
-- ── jobs that one steward at a time does for the site ─────────────────────────────────────────────────────────────────
-- What was kept of a job that is due, and the claim on it; null where it is not due or somebody has it.
CREATE FUNCTION wharf.claim_job(name text, worker text, seconds bigint) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE moment bigint := wharf.now(); kept text;
BEGIN
    PERFORM wharf.must('wharf_steward');
    PERFORM wharf.line(claim_job.worker, 'the name of the worker', 300);
    PERFORM wharf.within(claim_job.seconds, 'the seconds of a claim', 1, 3600);
    IF claim_job.name IS DISTINCT FROM 'mirror' THEN PERFORM wharf.wrong('there is no such job'); END IF;
    INSERT INTO job (name) VALUES (claim_job.name) ON CONFLICT DO NOTHING;
    UPDATE job AS j SET worker = claim_job.worker, holder = session_user, lease = moment + claim_job.seconds
        WHERE j.name = claim_job.name AND j.due <= moment AND j.lease <= moment RETURNING j.notes INTO kept;
    RETURN kept;
END $$;
-- Notes of a job that one has; `done` says whether its seconds are those until it is due again, or those of the claim.
CREATE FUNCTION wharf.keep_job(name text, worker text, notes text, seconds bigint, done boolean) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, wharf, pg_temp AS $$
#variable_conflict use_column
DECLARE moment bigint := wharf.now(); ended boolean := coalesce(keep_job.done, false);
BEGIN
    PERFORM wharf.must('wharf_steward');
    PERFORM wharf.within(keep_job.seconds, 'the seconds of a job', 0, CASE WHEN ended THEN 31536000 ELSE 3600 END);
    IF keep_job.notes IS NULL OR length(keep_job.notes) > 500000 THEN PERFORM wharf.wrong('the notes of a job are longer than 500000 characters'); END IF;
    UPDATE job AS j SET notes = keep_job.notes, changed = moment,
            worker = CASE WHEN ended THEN NULL ELSE j.worker END, holder = CASE WHEN ended THEN NULL ELSE j.holder END,
            lease = CASE WHEN ended THEN 0 ELSE moment + keep_job.seconds END,
            due = CASE WHEN ended THEN moment + keep_job.seconds ELSE j.due END
        WHERE j.name = keep_job.name AND j.worker = keep_job.worker AND j.holder = session_user;
    IF NOT FOUND THEN PERFORM wharf.refuse('another steward has taken it over'); END IF;
END $$;

REVOKE ALL ON FUNCTION wharf.claim_job(text, text, bigint), wharf.keep_job(text, text, text, bigint, boolean) FROM PUBLIC;
GRANT SELECT ON wharf.job TO wharf_user, wharf_approver, wharf_steward;
GRANT EXECUTE ON FUNCTION wharf.claim_job(text, text, bigint), wharf.keep_job(text, text, text, bigint, boolean) TO wharf_steward;
