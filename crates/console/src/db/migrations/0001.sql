-- {id}, {bytes} and {clustered} are what the two databases call differently. Times are seconds since 1970, days are days since 1970.

CREATE TABLE tenants (
    id {id},
    name TEXT NOT NULL UNIQUE,
    created_secs BIGINT NOT NULL
);

CREATE TABLE hosts (
    id {id},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    created_secs BIGINT NOT NULL,
    -- What the overview sorts by: brought up to date with every ticket.
    severity BIGINT NOT NULL DEFAULT 0,
    open_tickets BIGINT NOT NULL DEFAULT 0,
    heard_secs BIGINT,
    software TEXT,
    quiet_until_secs BIGINT,
    closed_secs BIGINT,
    judged_secs BIGINT NOT NULL DEFAULT 0,
    clock TEXT NOT NULL DEFAULT '[]',
    alive TEXT,
    UNIQUE (tenant_id, name)
);
CREATE INDEX hosts_by_due ON hosts (judged_secs);

-- What is found on a host (kind 'inventory'), what an audit found there (kind 'audit').
CREATE TABLE host_documents (
    host_id BIGINT NOT NULL REFERENCES hosts (id),
    kind TEXT NOT NULL,
    made_secs BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (host_id, kind)
);
CREATE INDEX hosts_by_worst ON hosts (severity DESC, open_tickets DESC, name);

CREATE TABLE host_keys (
    key_id TEXT PRIMARY KEY,
    public_key TEXT NOT NULL,
    host_id BIGINT NOT NULL REFERENCES hosts (id),
    origin TEXT NOT NULL,
    created_secs BIGINT NOT NULL,
    revoked_secs BIGINT
);
CREATE INDEX host_keys_by_host ON host_keys (host_id);

CREATE TABLE sources (
    id {id},
    host_id BIGINT NOT NULL REFERENCES hosts (id),
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    source_type TEXT NOT NULL,
    created_secs BIGINT NOT NULL,
    -- What the plan promises, as reported (JSON); absent when no plan was reported.
    expected TEXT,
    next_secs BIGINT,
    gone_secs BIGINT,
    -- The newest run, by the time it began.
    last_run_id BIGINT,
    last_started_secs BIGINT,
    last_outcome TEXT,
    last_good_secs BIGINT,
    usual_gap_secs BIGINT,
    severity BIGINT NOT NULL DEFAULT 0,
    open_tickets BIGINT NOT NULL DEFAULT 0,
    -- What people said to be expected, and settings of rules for this source alone (JSON).
    marks TEXT NOT NULL DEFAULT '[]',
    adjusted TEXT,
    judged_secs BIGINT NOT NULL DEFAULT 0,
    UNIQUE (host_id, name)
);
CREATE INDEX sources_by_due ON sources (judged_secs);
CREATE INDEX sources_by_tenant ON sources (tenant_id);

-- What rules remember of earlier runs: the past in binary, what a run is compared with in JSON.
CREATE TABLE source_memory (
    source_id BIGINT PRIMARY KEY REFERENCES sources (id),
    past {bytes} NOT NULL,
    compared TEXT NOT NULL
);

CREATE TABLE vaults (
    id {id},
    name TEXT NOT NULL UNIQUE,
    tenant_id BIGINT REFERENCES tenants (id),
    address TEXT NOT NULL,
    fingerprint TEXT NOT NULL UNIQUE,
    created_secs BIGINT NOT NULL,
    removed_secs BIGINT,
    answered_secs BIGINT,
    failed_secs BIGINT,
    error TEXT,
    position BIGINT NOT NULL DEFAULT 0,
    head TEXT,
    set_back TEXT,
    reconciled_secs BIGINT NOT NULL DEFAULT 0,
    status TEXT,
    total_bytes BIGINT,
    free_bytes BIGINT,
    scrubbed_secs BIGINT
);

CREATE TABLE vault_days (
    vault_id BIGINT NOT NULL REFERENCES vaults (id),
    day BIGINT NOT NULL,
    at_secs BIGINT NOT NULL,
    total_bytes BIGINT NOT NULL,
    free_bytes BIGINT NOT NULL,
    stored_bytes BIGINT NOT NULL,
    snapshots BIGINT NOT NULL,
    PRIMARY KEY (vault_id, day)
) {clustered};

CREATE TABLE vault_hosts (
    vault_id BIGINT NOT NULL REFERENCES vaults (id),
    key_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    snapshots BIGINT NOT NULL DEFAULT 0,
    bytes BIGINT NOT NULL DEFAULT 0,
    last_commit_secs BIGINT,
    revoked BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (vault_id, key_id)
) {clustered};

CREATE TABLE source_levels (
    source_id BIGINT NOT NULL REFERENCES sources (id),
    level TEXT NOT NULL,
    vault_fingerprint TEXT,
    planned BIGINT NOT NULL DEFAULT 1,
    -- The newest receipt that the vault itself showed.
    snapshot TEXT,
    sequence BIGINT,
    received_secs BIGINT,
    -- What the host says of its newest run.
    reported_received BIGINT,
    reported_error TEXT,
    -- The newest snapshot of this level that was proven, and when.
    proven_secs BIGINT,
    proven_snapshot TEXT,
    drilled_secs BIGINT,
    drill_verdict TEXT,
    restore_secs DOUBLE PRECISION,
    PRIMARY KEY (source_id, level)
) {clustered};

CREATE TABLE runs (
    id {id},
    host_id BIGINT NOT NULL REFERENCES hosts (id),
    source_id BIGINT NOT NULL REFERENCES sources (id),
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    report TEXT NOT NULL,
    run TEXT NOT NULL,
    started_secs BIGINT NOT NULL,
    received_secs BIGINT NOT NULL,
    duration_secs DOUBLE PRECISION NOT NULL,
    outcome TEXT NOT NULL,
    snapshot TEXT,
    sequence BIGINT,
    files BIGINT NOT NULL,
    dirs BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    added_bytes BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    healthy BIGINT,
    spoke TEXT NOT NULL DEFAULT '',
    learning TEXT,
    UNIQUE (host_id, report)
);
CREATE INDEX runs_by_source ON runs (source_id, started_secs);
CREATE INDEX runs_by_received ON runs (received_secs);

CREATE TABLE run_details (
    run_id BIGINT PRIMARY KEY,
    body TEXT NOT NULL,
    output TEXT
);

CREATE TABLE source_days (
    source_id BIGINT NOT NULL REFERENCES sources (id),
    day BIGINT NOT NULL,
    ok BIGINT NOT NULL,
    partial BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    files BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    added_bytes BIGINT NOT NULL,
    duration_secs DOUBLE PRECISION NOT NULL,
    last_started_secs BIGINT NOT NULL,
    PRIMARY KEY (source_id, day)
) {clustered};

-- One row for the runs of a day (level ''), and one for each level.
CREATE TABLE host_days (
    host_id BIGINT NOT NULL REFERENCES hosts (id),
    day BIGINT NOT NULL,
    level TEXT NOT NULL,
    ok BIGINT NOT NULL,
    partial BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    PRIMARY KEY (host_id, day, level)
) {clustered};

CREATE TABLE snapshots (
    id {id},
    host_id BIGINT NOT NULL REFERENCES hosts (id),
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    source_id BIGINT REFERENCES sources (id),
    manifest TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    captured_secs BIGINT,
    first_received_secs BIGINT,
    run_id BIGINT,
    outcome TEXT,
    healthy BIGINT,
    files BIGINT,
    bytes BIGINT,
    added_bytes BIGINT,
    gone_secs BIGINT,
    UNIQUE (host_id, manifest)
);
CREATE INDEX snapshots_by_source ON snapshots (source_id, captured_secs);
CREATE INDEX snapshots_by_gone ON snapshots (gone_secs);

CREATE TABLE copies (
    snapshot_id BIGINT NOT NULL REFERENCES snapshots (id),
    vault_id BIGINT NOT NULL REFERENCES vaults (id),
    position BIGINT NOT NULL,
    received_secs BIGINT NOT NULL,
    gone_secs BIGINT,
    PRIMARY KEY (snapshot_id, vault_id)
) {clustered};

CREATE TABLE proofs (
    id {id},
    host_id BIGINT NOT NULL REFERENCES hosts (id),
    source_id BIGINT NOT NULL REFERENCES sources (id),
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    report TEXT NOT NULL,
    received_secs BIGINT NOT NULL,
    started_secs BIGINT NOT NULL,
    snapshot TEXT NOT NULL,
    level TEXT NOT NULL,
    verdict TEXT NOT NULL,
    restore_secs DOUBLE PRECISION NOT NULL,
    compare_secs DOUBLE PRECISION NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (host_id, report)
);
CREATE INDEX proofs_by_source ON proofs (source_id, started_secs);
CREATE INDEX proofs_by_time ON proofs (started_secs);

CREATE TABLE tickets (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    tenant_id BIGINT REFERENCES tenants (id),
    host_id BIGINT REFERENCES hosts (id),
    source_id BIGINT REFERENCES sources (id),
    -- What it is about, without the rule; a level counts to its source.
    about TEXT NOT NULL,
    problem TEXT NOT NULL,
    rule TEXT NOT NULL,
    status TEXT NOT NULL,
    severity BIGINT NOT NULL,
    sentence TEXT NOT NULL,
    opened_secs BIGINT NOT NULL,
    since_secs BIGINT NOT NULL,
    seen_secs BIGINT NOT NULL,
    closed_secs BIGINT,
    owner TEXT,
    acknowledged_by TEXT,
    snoozed_until_secs BIGINT,
    flapping BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE UNIQUE INDEX tickets_one_open ON tickets (problem) WHERE status = 'open';
CREATE INDEX tickets_by_problem ON tickets (problem, opened_secs);
CREATE INDEX tickets_by_about ON tickets (about);
CREATE INDEX tickets_by_status ON tickets (status, severity DESC, since_secs);
CREATE INDEX tickets_by_host ON tickets (host_id, status);
CREATE INDEX tickets_by_source ON tickets (source_id, status);

CREATE TABLE ticket_events (
    ticket TEXT NOT NULL REFERENCES tickets (id),
    revision BIGINT NOT NULL,
    at_secs BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (ticket, revision)
) {clustered};

CREATE TABLE outbox (
    id TEXT PRIMARY KEY,
    ticket TEXT NOT NULL,
    number BIGINT NOT NULL,
    channel TEXT NOT NULL,
    message TEXT NOT NULL,
    put_secs BIGINT NOT NULL,
    due_secs BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    error TEXT,
    -- waiting, leased, delivered or refused
    state TEXT NOT NULL,
    lease TEXT,
    until_secs BIGINT,
    settled_secs BIGINT,
    receipt TEXT,
    confirmed BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX outbox_by_state ON outbox (channel, state, due_secs);
CREATE INDEX outbox_by_ticket ON outbox (ticket, channel, number);

CREATE TABLE users (
    id {id},
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    tenant_id BIGINT REFERENCES tenants (id),
    password TEXT,
    totp_secret TEXT,
    totp_step BIGINT NOT NULL DEFAULT 0,
    created_secs BIGINT NOT NULL,
    disabled_secs BIGINT,
    last_login_secs BIGINT
);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id),
    form_token TEXT NOT NULL,
    created_secs BIGINT NOT NULL,
    used_secs BIGINT NOT NULL,
    ends_secs BIGINT NOT NULL,
    address TEXT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE tokens (
    id {id},
    hash TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    tenant_id BIGINT REFERENCES tenants (id),
    created_by TEXT NOT NULL,
    created_secs BIGINT NOT NULL,
    ends_secs BIGINT,
    used_secs BIGINT,
    revoked_secs BIGINT
);

CREATE TABLE join_tokens (
    id {id},
    hash TEXT NOT NULL UNIQUE,
    tenant TEXT,
    name TEXT,
    created_by TEXT NOT NULL,
    created_secs BIGINT NOT NULL,
    ends_secs BIGINT NOT NULL,
    used_by TEXT,
    used_secs BIGINT
);

CREATE TABLE attempts (
    who TEXT NOT NULL,
    slot BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    PRIMARY KEY (who, slot)
) {clustered};

CREATE TABLE pings (
    id {id},
    uuid TEXT NOT NULL UNIQUE,
    source_id BIGINT NOT NULL REFERENCES sources (id),
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    parser TEXT NOT NULL,
    started_secs BIGINT,
    pinged_secs BIGINT,
    created_by TEXT NOT NULL,
    created_secs BIGINT NOT NULL,
    revoked_secs BIGINT
);

CREATE TABLE audit (
    id {id},
    at_secs BIGINT NOT NULL,
    tenant_id BIGINT REFERENCES tenants (id),
    actor TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX audit_by_time ON audit (at_secs);

CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until_secs BIGINT NOT NULL
);

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
