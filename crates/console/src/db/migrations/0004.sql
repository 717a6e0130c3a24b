-- What a tool logs while its run goes on, until the run ends.
ALTER TABLE pings ADD COLUMN log TEXT NOT NULL DEFAULT '';
