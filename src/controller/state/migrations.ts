/**
 * Numbered migrations of the store: index 0 makes version 1. A published one is never edited; a
 * change of shape is a new entry.
 *
 * JSON columns hold objects; times are milliseconds since the epoch; life is alive|dying|dead.
 */
export const migrations: readonly string[] = [
  `
-- Migration 1. JSON columns hold objects; times are milliseconds since the epoch; life is
-- alive|dying|dead.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
-- keys: model-uuid, model-name, subnet ('127.77.3'), version

-- only values that were set
CREATE TABLE model_config (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

CREATE TABLE sequence (name TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT;
-- names: unit/<app>, relation, machine, storage, task (tasks and operations share it), charm/<name>

CREATE TABLE charm (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, revision INTEGER NOT NULL, sha256 TEXT NOT NULL,
  metadata TEXT NOT NULL, config TEXT NOT NULL, actions TEXT NOT NULL, manifest TEXT NOT NULL,
  version TEXT, created INTEGER NOT NULL, UNIQUE (name, revision)
) STRICT;

CREATE TABLE application (
  name TEXT PRIMARY KEY, charm_id INTEGER NOT NULL REFERENCES charm (id),
  life TEXT NOT NULL DEFAULT 'alive',
  charm_modified INTEGER NOT NULL DEFAULT 0,     -- bumped by refresh, also to identical content
  config TEXT NOT NULL DEFAULT '{}',             -- typed values the operator set
  config_version INTEGER NOT NULL DEFAULT 1,
  trust INTEGER NOT NULL DEFAULT 0, exposed INTEGER NOT NULL DEFAULT 0,
  base TEXT NOT NULL DEFAULT 'ubuntu@24.04',
  constraints TEXT NOT NULL DEFAULT '{}', storage_directives TEXT NOT NULL DEFAULT '{}',
  workload_version TEXT,
  -- NULL until status-set --application
  status TEXT, status_message TEXT, status_data TEXT, status_since INTEGER,
  destroy_storage INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL
) STRICT;

CREATE TABLE machine (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL DEFAULT 'loopback', address TEXT NOT NULL UNIQUE,
  life TEXT NOT NULL DEFAULT 'alive',
  power TEXT NOT NULL DEFAULT 'on',              -- on|off: off after a power-off, no agent runs
  -- counts boots; a unit that saw an older one gets start again
  boot INTEGER NOT NULL DEFAULT 1,
  hostname TEXT NOT NULL, created INTEGER NOT NULL, status TEXT NOT NULL DEFAULT 'started',
  status_since INTEGER NOT NULL
) STRICT;

CREATE TABLE unit (
  name TEXT PRIMARY KEY, application TEXT NOT NULL REFERENCES application (name),
  number INTEGER NOT NULL,
  machine_id TEXT NOT NULL REFERENCES machine (id), life TEXT NOT NULL DEFAULT 'alive',
  force_removal INTEGER NOT NULL DEFAULT 0,
  destroy_storage INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL,
  -- what the unit agent has done and seen (its local state)
  installed INTEGER NOT NULL DEFAULT 0, started INTEGER NOT NULL DEFAULT 0,
  stopped INTEGER NOT NULL DEFAULT 0, removed INTEGER NOT NULL DEFAULT 0,
  leader_accepted INTEGER NOT NULL DEFAULT 0, seen_boot INTEGER NOT NULL DEFAULT 0,
  -- what is unpacked in the charm directory
  charm_id INTEGER, charm_modified INTEGER NOT NULL DEFAULT 0,
  config_hash TEXT, trust_hash TEXT, address_hash TEXT,
  last_update_status INTEGER NOT NULL DEFAULT 0,
  -- the operation in progress, an OperationState of uniter/operation.ts, or NULL when idle
  operation TEXT,
  -- statuses
  workload_status TEXT NOT NULL DEFAULT 'waiting',
  workload_message TEXT NOT NULL DEFAULT 'waiting for machine',
  workload_data TEXT NOT NULL DEFAULT '{}', workload_since INTEGER NOT NULL,
  agent_status TEXT NOT NULL DEFAULT 'allocating', agent_message TEXT NOT NULL DEFAULT '',
  agent_since INTEGER NOT NULL,
  workload_version TEXT,
  -- [{from,to,protocol,endpoints:[…]}]; endpoints [] = all
  opened_ports TEXT NOT NULL DEFAULT '[]',
  -- the hook process that runs now, so that a new controller can find and end it
  -- {"pid":n,"startTime":"…","contextId":"…"} or NULL
  process TEXT
) STRICT;

CREATE TABLE relation (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL,    -- regular|peer
  interface TEXT NOT NULL, scope TEXT NOT NULL DEFAULT 'global', life TEXT NOT NULL DEFAULT 'alive',
  suspended INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL
) STRICT;
CREATE TABLE relation_endpoint (
  relation_id INTEGER NOT NULL REFERENCES relation (id) ON DELETE CASCADE,
  application TEXT NOT NULL, endpoint TEXT NOT NULL,
  role TEXT NOT NULL,                            -- provider|requirer|peer
  PRIMARY KEY (relation_id, application, endpoint)
) STRICT;
-- Units and applications own databags by name. version starts at 0 and grows with each change of
-- content.
CREATE TABLE databag (
  relation_id INTEGER NOT NULL REFERENCES relation (id) ON DELETE CASCADE, owner TEXT NOT NULL,
  version INTEGER NOT NULL DEFAULT 0, data TEXT NOT NULL DEFAULT '{}', PRIMARY KEY (relation_id,
  owner)
) STRICT;
-- A unit within the scope of a relation, and what its agent has seen there.
CREATE TABLE relation_unit (
  relation_id INTEGER NOT NULL REFERENCES relation (id) ON DELETE CASCADE, unit TEXT NOT NULL,
  in_scope INTEGER NOT NULL DEFAULT 1, created_run INTEGER NOT NULL DEFAULT 0,
  members TEXT NOT NULL DEFAULT '{}',            -- remote unit -> databag version seen
  apps TEXT NOT NULL DEFAULT '{}',               -- remote application -> databag version seen
  changed_pending TEXT, PRIMARY KEY (relation_id, unit)
) STRICT;

CREATE TABLE lease (application TEXT PRIMARY KEY, unit TEXT NOT NULL,
  expires INTEGER NOT NULL) STRICT;

CREATE TABLE secret (
  id TEXT PRIMARY KEY, owner_kind TEXT NOT NULL, -- application|unit|model
  owner TEXT NOT NULL, label TEXT, name TEXT, description TEXT,
  rotate TEXT NOT NULL DEFAULT 'never', next_rotate INTEGER,
  latest INTEGER NOT NULL DEFAULT 1, created INTEGER NOT NULL, updated INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX secret_label ON secret (owner_kind, owner, label) WHERE label IS NOT NULL;
CREATE TABLE secret_revision (
  -- values base64
  secret_id TEXT NOT NULL REFERENCES secret (id) ON DELETE CASCADE, revision INTEGER NOT NULL,
  content TEXT NOT NULL,
  checksum TEXT NOT NULL, expires INTEGER, obsolete INTEGER NOT NULL DEFAULT 0,
  remove_notified INTEGER NOT NULL DEFAULT 0,
  created INTEGER NOT NULL, PRIMARY KEY (secret_id, revision)
) STRICT;
CREATE TABLE secret_grant (
  -- unit or application name
  secret_id TEXT NOT NULL REFERENCES secret (id) ON DELETE CASCADE, subject TEXT NOT NULL,
  scope TEXT NOT NULL,                           -- 'relation:<id>' or 'model'
  role TEXT NOT NULL DEFAULT 'view', PRIMARY KEY (secret_id, subject)
) STRICT;
CREATE TABLE secret_consumer (
  secret_id TEXT NOT NULL REFERENCES secret (id) ON DELETE CASCADE, unit TEXT NOT NULL, label TEXT,
  tracked INTEGER NOT NULL, notified INTEGER NOT NULL, PRIMARY KEY (secret_id, unit)
) STRICT;

CREATE TABLE storage (
  id TEXT PRIMARY KEY,                           -- data/3: number from the one sequence 'storage'
  name TEXT NOT NULL, kind TEXT NOT NULL, application TEXT NOT NULL, unit TEXT, machine_id TEXT,
  location TEXT NOT NULL, size_mib INTEGER NOT NULL, pool TEXT NOT NULL DEFAULT 'rootfs',
  life TEXT NOT NULL DEFAULT 'alive',
  attached INTEGER NOT NULL DEFAULT 0,           -- storage-attached has run on the unit
  created INTEGER NOT NULL
) STRICT;

CREATE TABLE operation (id INTEGER PRIMARY KEY, summary TEXT NOT NULL,
  enqueued INTEGER NOT NULL) STRICT;
CREATE TABLE task (
  id INTEGER PRIMARY KEY, operation_id INTEGER NOT NULL REFERENCES operation (id),
  unit TEXT NOT NULL, action TEXT NOT NULL,
  -- pending running completed failed cancelled aborting aborted
  params TEXT NOT NULL DEFAULT '{}', status TEXT NOT NULL DEFAULT 'pending',
  -- [{at,message}]
  message TEXT NOT NULL DEFAULT '', results TEXT NOT NULL DEFAULT '{}',
  log TEXT NOT NULL DEFAULT '[]',
  enqueued INTEGER NOT NULL, started INTEGER, completed INTEGER
) STRICT;
CREATE INDEX task_pending ON task (unit, status);

CREATE TABLE unit_state (unit TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (unit, key)) STRICT;
CREATE TABLE log (
  -- unit-postgresql-0, controller
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, entity TEXT NOT NULL,
  level TEXT NOT NULL, module TEXT NOT NULL, message TEXT NOT NULL
) STRICT; -- kept to the newest 200,000 rows
CREATE TABLE status_history (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, entity TEXT NOT NULL,
  kind TEXT NOT NULL, status TEXT NOT NULL, message TEXT NOT NULL
) STRICT;
`,
  `
-- Migration 2. When a unit was last told of an expired secret revision: {"<id>/<revision>": ms}.
ALTER TABLE unit ADD COLUMN secrets_told TEXT NOT NULL DEFAULT '{}';
`,
  `
-- Migration 3. Of a relation that is removed by force: when it stops waiting for its units.
ALTER TABLE relation ADD COLUMN forced_at INTEGER;
`,
  `
-- Migration 4. Links of netns machines that carry nothing. peer is a machine's id, 'host', or '*'
-- for everyone; direction is in|out, as machine_id sees it.
CREATE TABLE link_cut (
  machine_id TEXT NOT NULL REFERENCES machine (id) ON DELETE CASCADE, peer TEXT NOT NULL,
  direction TEXT NOT NULL, PRIMARY KEY (machine_id, peer, direction)
) STRICT;
`,
];
