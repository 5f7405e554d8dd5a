-- What values look like that programs hand in: each key with its kind. A key that is not named here is refused, and so is
-- one that is missing. Whoever adds a field to a type of src/core/request adds its key here.
--   line N       one line of at most N characters      text N    the same, of any lines
--   number       a whole number                        yes       true or false
--   digest       sha256: or sha512: and their figures  any N     anything of at most N characters as JSON
--   list N KIND  at most N of them                     one of A|B
--   null         it may be null                        missing   it may be left out
CREATE FUNCTION wharf.shape(name text) RETURNS jsonb LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$ SELECT '{
    "asked": {
        "from": "line 1000", "title": "line 500", "tag": "line 128 null", "digest": "line 1000",
        "platforms": "list 200 any 300", "size": "number null"
    },
    "terms": {
        "until": "number null", "only": "yes", "exceptions": "list 5000 line 200", "rules": "list 100 line 100 missing"
    },
    "decision": {
        "by": "line 300 missing", "at": "number missing", "approve": "yes", "reason": "line 4000", "terms": "terms",
        "digest": "line 1000", "payload": "text 300000", "signature": "line 4000"
    },
    "ground": {
        "verdict": "verdict", "rule": "line 100", "words": "text 4000", "step": "text 2000", "findings": "list 5000 line 200 missing"
    },
    "dossier": {
        "verdict": "verdict", "policy": "text 300", "grounds": "list 500 ground", "evidence": "list 1000 text 4000",
        "base": "text 1000", "diff": "text 50000", "fixes": "list 5000 text 500", "quarantine": "text 1000",
        "scan": "any 100000 null", "tag": "line 128 null missing", "at": "number"
    },
    "admission": { "reference": "line 1000", "digest": "line 200", "signers": "list 20 text 500", "at": "number", "untagged": "text 2000 missing" },
    "notice": {
        "id": "number", "at": "number", "to": "line 200", "topic": "one vulnerability", "key": "line 300", "title": "text 500",
        "words": "text 20000", "request": "nothing", "warning": "warning", "seen": "yes"
    },
    "warning": {
        "reference": "line 1000", "digest": "line 200", "findings": "list 500 any 1000", "fixed": "line 1000 null",
        "workloads": "list 20000 text 500", "because": "list 20 text 100"
    }
}'::jsonb -> name $$;
