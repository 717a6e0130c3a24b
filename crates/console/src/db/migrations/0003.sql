-- The restorability debt, longest first, without sorting all levels of a fleet.
CREATE INDEX source_levels_by_debt ON source_levels ((COALESCE(proven_secs, 0)), source_id, level) WHERE planned = 1;
