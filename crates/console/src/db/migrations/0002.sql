-- What was agreed with a tenant (policy), what people wrote down about it (records), and what its last audit said (result), all JSON.
CREATE TABLE tenant_audits (
    tenant_id BIGINT PRIMARY KEY REFERENCES tenants (id),
    policy TEXT,
    records TEXT,
    audited_secs BIGINT,
    result TEXT
);

-- What people wrote down about a host: plan, place, its end (JSON).
CREATE TABLE host_records (
    host_id BIGINT PRIMARY KEY REFERENCES hosts (id),
    body TEXT NOT NULL
);

-- What people wrote down about a vault: place, medium, lock (JSON).
CREATE TABLE vault_records (
    vault_id BIGINT PRIMARY KEY REFERENCES vaults (id),
    body TEXT NOT NULL
);

-- Findings, by whomever: origin 'host' is a host's own audit, 'policy' the checks of the tenant. Closed ones are the history.
CREATE TABLE findings (
    id {id},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    host_id BIGINT REFERENCES hosts (id),
    origin TEXT NOT NULL,
    -- Origin, host and name: what makes it the same.
    what TEXT NOT NULL,
    name TEXT NOT NULL,
    severity BIGINT NOT NULL,
    waived BIGINT NOT NULL,
    sentence TEXT NOT NULL,
    body TEXT NOT NULL,
    since_secs BIGINT NOT NULL,
    seen_secs BIGINT NOT NULL,
    closed_secs BIGINT
);
CREATE UNIQUE INDEX findings_one_open ON findings (tenant_id, what) WHERE closed_secs IS NULL;
CREATE INDEX findings_by_host ON findings (host_id, closed_secs);
CREATE INDEX findings_by_tenant ON findings (tenant_id, closed_secs);

-- A tenant's day: the trend.
CREATE TABLE audit_days (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    day BIGINT NOT NULL,
    score BIGINT,
    hosts BIGINT NOT NULL,
    passed BIGINT NOT NULL,
    found BIGINT NOT NULL,
    critical BIGINT NOT NULL,
    unknown BIGINT NOT NULL,
    waived BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, day)
) {clustered};

-- When a recovery identity opened a challenge.
CREATE TABLE key_proofs (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    recipient TEXT NOT NULL,
    proven_secs BIGINT NOT NULL,
    host_id BIGINT NOT NULL REFERENCES hosts (id),
    report TEXT NOT NULL,
    PRIMARY KEY (tenant_id, recipient, report)
) {clustered};
