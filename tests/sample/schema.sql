-- SPDX-FileCopyrightText: 2026 The fossology-backup authors
-- SPDX-License-Identifier: MIT OR Apache-2.0

-- The part of FOSSology 4.7's schema that backup, restore, check, recovery and pruning meet.
-- Names, types, defaults, indexes and constraints are those of a running 4.7.1; its other tables
-- (findings, decisions, reports) are left out. Used by the sample instance only.

CREATE EXTENSION IF NOT EXISTS "uuid-ossp";

-- People

CREATE SEQUENCE group_group_pk_seq;
CREATE TABLE groups (
  group_pk integer NOT NULL DEFAULT nextval('group_group_pk_seq') CONSTRAINT group_pkey PRIMARY KEY,
  group_name varchar(64) CONSTRAINT group_group_name_key UNIQUE
);

CREATE SEQUENCE users_user_pk_seq;
CREATE TABLE users (
  user_pk integer NOT NULL DEFAULT nextval('users_user_pk_seq') CONSTRAINT user_pkey PRIMARY KEY,
  user_name text NOT NULL CONSTRAINT user_user_name_key UNIQUE,
  root_folder_fk integer NOT NULL,
  default_folder_fk integer NOT NULL DEFAULT -1,
  last_connection timestamptz,
  user_desc text,
  user_status text DEFAULT 'active',
  user_seed text,
  user_pass text,
  user_perm integer,
  user_email text,
  email_notify varchar(1) DEFAULT 'y',
  upload_visibility text,
  user_agent_list text,
  default_bucketpool_fk integer,
  ui_preference varchar DEFAULT 'simple',
  new_upload_group_fk integer REFERENCES groups ON UPDATE CASCADE ON DELETE RESTRICT,
  new_upload_perm integer,
  group_fk integer REFERENCES groups,
  spdx_settings text DEFAULT 'unchecked,unchecked,unchecked',
  cyclonedx_settings text DEFAULT 'unchecked,unchecked,unchecked'
);

CREATE SEQUENCE group_user_member_group_user_member_pk_seq;
CREATE TABLE group_user_member (
  group_user_member_pk integer NOT NULL DEFAULT nextval('group_user_member_group_user_member_pk_seq') PRIMARY KEY,
  group_fk integer NOT NULL,
  user_fk integer NOT NULL,
  group_perm integer NOT NULL
);
CREATE UNIQUE INDEX group_user_member_user_group_ukey ON group_user_member (user_fk, group_fk);

-- Blobs and what they were unpacked from

CREATE SEQUENCE mimetype_mimetype_pk_seq;
CREATE TABLE mimetype (
  mimetype_pk integer NOT NULL DEFAULT nextval('mimetype_mimetype_pk_seq') CONSTRAINT mimetype_pk PRIMARY KEY,
  mimetype_name text NOT NULL CONSTRAINT dirmodemask UNIQUE
);

CREATE SEQUENCE pfile_pfile_pk_seq;
CREATE TABLE pfile (
  pfile_pk integer NOT NULL DEFAULT nextval('pfile_pfile_pk_seq') PRIMARY KEY,
  pfile_md5 char(32) NOT NULL,
  pfile_sha1 char(40) NOT NULL,
  pfile_sha256 char(64),
  pfile_size bigint NOT NULL,
  pfile_mimetypefk integer CONSTRAINT pfile_mimetype_fk_fkey REFERENCES mimetype,
  CONSTRAINT pfile_md5_sha1_sha256_size_ukey UNIQUE (pfile_md5, pfile_sha1, pfile_sha256, pfile_size)
);
CREATE INDEX pfile_mimetypefk_idx ON pfile (pfile_mimetypefk);
CREATE INDEX pfile_sha1_idx ON pfile (pfile_sha1);
CREATE INDEX pfile_sha256_idx ON pfile (pfile_sha256);

CREATE SEQUENCE upload_upload_pk_seq;
CREATE TABLE upload (
  upload_pk integer NOT NULL DEFAULT nextval('upload_upload_pk_seq') CONSTRAINT upload_pkey_idx PRIMARY KEY,
  upload_desc text,
  upload_filename text NOT NULL,
  user_fk integer,
  upload_mode integer NOT NULL,
  upload_ts timestamptz NOT NULL DEFAULT now(),
  pfile_fk integer,
  upload_origin text,
  uploadtree_tablename varchar(18) NOT NULL DEFAULT 'uploadtree_a',
  expire_date date,
  expire_action char(1),
  public_perm integer
);
ALTER TABLE upload CLUSTER ON upload_pkey_idx;
CREATE INDEX upload_mode_idx ON upload (upload_pk, upload_mode);

CREATE SEQUENCE uploadtree_uploadtree_pk_seq;
CREATE TABLE uploadtree (
  uploadtree_pk integer NOT NULL DEFAULT nextval('uploadtree_uploadtree_pk_seq') CONSTRAINT ufile_rel_pkey PRIMARY KEY,
  parent integer,
  realparent integer,
  upload_fk integer NOT NULL CONSTRAINT uploadtree_uploadfk REFERENCES upload ON DELETE CASCADE,
  pfile_fk integer,
  ufile_mode integer,
  lft integer,
  rgt integer,
  ufile_name text
);
ALTER TABLE uploadtree CLUSTER ON ufile_rel_pkey;
CREATE INDEX lft_idx ON uploadtree (lft);
CREATE INDEX parent ON uploadtree (parent);
CREATE INDEX projtree_projid_idx ON uploadtree (upload_fk);
CREATE INDEX uploadtree_pfile_fk_idx ON uploadtree (pfile_fk);

CREATE TABLE uploadtree_a (
  CONSTRAINT uploadtree_a_pkey PRIMARY KEY (uploadtree_pk),
  FOREIGN KEY (upload_fk) REFERENCES upload ON DELETE CASCADE
) INHERITS (uploadtree);
CREATE INDEX uploadtree_a_lft_idx ON uploadtree_a (lft);
CREATE INDEX uploadtree_a_parent_idx ON uploadtree_a (parent);
CREATE INDEX uploadtree_a_pfile_fk_idx ON uploadtree_a (pfile_fk);
CREATE INDEX uploadtree_a_upload_fk_idx ON uploadtree_a (upload_fk);
CREATE INDEX uploadtree_a_upload_fk_lft_idx ON uploadtree_a (upload_fk, lft);
CREATE INDEX uploadtree_a_upload_lft_ufilemode_pfile_idx ON uploadtree_a (upload_fk, lft, ufile_mode, pfile_fk);

CREATE SEQUENCE folder_folder_pk_seq;
CREATE TABLE folder (
  folder_pk integer NOT NULL DEFAULT nextval('folder_folder_pk_seq') PRIMARY KEY,
  folder_name text NOT NULL,
  user_fk integer,
  folder_desc text,
  folder_perm integer
);

CREATE SEQUENCE foldercontents_foldercontents_pk_seq;
CREATE TABLE foldercontents (
  foldercontents_pk integer NOT NULL DEFAULT nextval('foldercontents_foldercontents_pk_seq') PRIMARY KEY,
  parent_fk integer NOT NULL,
  foldercontents_mode integer NOT NULL,
  child_id integer NOT NULL
);
CREATE INDEX foldercontents_parent_mode_idx ON foldercontents (parent_fk, foldercontents_mode, child_id);

CREATE TABLE upload_clearing (
  upload_fk integer NOT NULL,
  group_fk integer NOT NULL,
  assignee integer DEFAULT 1,
  status_fk integer DEFAULT 1,
  status_comment text,
  priority double precision,
  PRIMARY KEY (upload_fk, group_fk)
);
CREATE INDEX upload_clearing_group_idx ON upload_clearing (upload_fk, group_fk);

-- Agents, what they did and what they found

CREATE SEQUENCE agent_agent_pk_seq;
CREATE TABLE agent (
  agent_pk integer NOT NULL DEFAULT nextval('agent_agent_pk_seq') PRIMARY KEY,
  agent_name varchar(32) NOT NULL,
  agent_rev text,
  agent_desc varchar(255),
  agent_enabled boolean DEFAULT true,
  agent_parms text,
  agent_ts timestamptz DEFAULT now(),
  CONSTRAINT agent_unique_name_rev UNIQUE (agent_name, agent_rev)
);

CREATE SEQUENCE nomos_ars_ars_pk_seq;
CREATE TABLE ars_master (
  ars_pk integer NOT NULL DEFAULT nextval('nomos_ars_ars_pk_seq') CONSTRAINT ars_ars_pkey PRIMARY KEY,
  agent_fk integer NOT NULL CONSTRAINT ars_agent_fk_fkey REFERENCES agent,
  upload_fk integer NOT NULL CONSTRAINT ars_ars_upload_fk_fkey REFERENCES upload,
  ars_success boolean NOT NULL DEFAULT false,
  ars_status text,
  ars_starttime timestamptz NOT NULL DEFAULT now(),
  ars_endtime timestamptz
);
CREATE TABLE ununpack_ars () INHERITS (ars_master);
CREATE TABLE mimetype_ars () INHERITS (ars_master);
CREATE TABLE nomos_ars () INHERITS (ars_master);

CREATE SEQUENCE license_ref_rf_pk_seq;
CREATE TABLE license_ref (
  rf_pk bigint NOT NULL DEFAULT nextval('license_ref_rf_pk_seq') CONSTRAINT rf_pkpk PRIMARY KEY,
  rf_shortname text NOT NULL,
  rf_licensetype text DEFAULT 'Unknown',
  rf_text text NOT NULL,
  rf_url text,
  rf_add_date date DEFAULT now(),
  rf_copyleft bit(1),
  "rf_OSIapproved" bit(1),
  rf_fullname text,
  "rf_FSFfree" bit(1),
  "rf_GPLv2compatible" bit(1),
  "rf_GPLv3compatible" bit(1),
  rf_notes text,
  "rf_Fedora" text,
  marydone boolean NOT NULL DEFAULT false,
  rf_active boolean NOT NULL DEFAULT true,
  rf_text_updatable boolean NOT NULL DEFAULT false,
  rf_md5 char(32),
  rf_detector_type integer NOT NULL,
  rf_source text,
  rf_risk integer,
  rf_spdx_id text,
  rf_flag integer NOT NULL DEFAULT 1,
  rf_external_id uuid
);
CREATE UNIQUE INDEX rf_md5_conditional_unique_index ON license_ref (rf_md5) WHERE rf_external_id IS NULL;
CREATE INDEX rf_shortname_idx ON license_ref (rf_shortname);
CREATE INDEX rf_spdx_id_idx ON license_ref (rf_spdx_id);

CREATE SEQUENCE license_file_fl_pk_seq;
CREATE TABLE license_file (
  fl_pk bigint NOT NULL DEFAULT nextval('license_file_fl_pk_seq') PRIMARY KEY,
  rf_fk bigint,
  agent_fk integer NOT NULL,
  rf_match_pct integer,
  rf_timestamp timestamptz NOT NULL DEFAULT now(),
  pfile_fk integer NOT NULL REFERENCES pfile ON DELETE CASCADE,
  server_fk integer NOT NULL DEFAULT 1,
  fl_ref_start_byte integer,
  fl_ref_end_byte integer,
  fl_start_byte integer,
  fl_end_byte integer
);
CREATE INDEX fl_rf_fk ON license_file (rf_fk);
CREATE INDEX lf_agent_fk ON license_file (agent_fk);
CREATE INDEX lf_pfile_agent_rf_lf_idx ON license_file (pfile_fk, agent_fk, rf_fk, fl_pk);
CREATE INDEX lf_pfile_fk ON license_file (pfile_fk);

-- Jobs and settings

CREATE SEQUENCE job_job_pk_seq;
CREATE TABLE job (
  job_pk integer NOT NULL DEFAULT nextval('job_job_pk_seq') PRIMARY KEY,
  job_queued timestamptz,
  job_priority integer NOT NULL DEFAULT 0,
  job_email_notify text,
  job_name text,
  job_upload_fk integer,
  job_folder_fk integer REFERENCES folder,
  job_user_fk integer,
  job_group_fk integer
);

CREATE SEQUENCE jobqueue_jq_pk_seq;
CREATE TABLE jobqueue (
  jq_pk integer NOT NULL DEFAULT nextval('jobqueue_jq_pk_seq') PRIMARY KEY,
  jq_job_fk integer NOT NULL CONSTRAINT jobqueue_job_fk REFERENCES job ON DELETE CASCADE,
  jq_type text NOT NULL,
  jq_args text,
  jq_starttime timestamptz,
  jq_endtime timestamptz,
  jq_endtext text,
  jq_end_bits smallint NOT NULL DEFAULT 0,
  jq_schedinfo text,
  jq_itemsprocessed integer DEFAULT 0,
  jq_log text,
  jq_runonpfile text,
  jq_host text,
  jq_cmd_args text
);

CREATE TABLE jobdepends (
  jdep_jq_fk integer CONSTRAINT jdep_jq_fk REFERENCES jobqueue ON DELETE CASCADE,
  jdep_jq_depends_fk integer CONSTRAINT jdep_depends_jq_fk REFERENCES jobqueue ON DELETE CASCADE
);
CREATE INDEX jobdepends_jq_fk_idx ON jobdepends (jdep_jq_fk);

CREATE SEQUENCE sysconfig_sysconfig_pk_seq;
CREATE TABLE sysconfig (
  sysconfig_pk integer NOT NULL DEFAULT nextval('sysconfig_sysconfig_pk_seq') PRIMARY KEY,
  variablename varchar(30) NOT NULL UNIQUE,
  conf_value text,
  ui_label varchar(60) NOT NULL,
  vartype integer NOT NULL,
  group_name varchar(20) NOT NULL,
  group_order integer,
  description text NOT NULL,
  validation_function varchar(40) DEFAULT NULL,
  option_value text DEFAULT NULL::varchar
);

CREATE TABLE reportgen (
  upload_fk integer NOT NULL REFERENCES upload ON DELETE CASCADE,
  job_fk integer NOT NULL,
  filepath text
);

-- A view and a function, since FOSSology has some and a restored database must have them too

CREATE VIEW folderlist AS
  SELECT f.folder_pk, f.folder_name AS name, f.folder_desc AS description, c.parent_fk AS parent,
         c.foldercontents_mode, NULL::timestamptz AS ts, NULL::integer AS upload_pk,
         NULL::integer AS pfile_fk, NULL::integer AS ufile_mode
    FROM foldercontents c JOIN folder f ON f.folder_pk = c.child_id
   WHERE c.foldercontents_mode = 1
  UNION ALL
  SELECT NULL, t.ufile_name, u.upload_desc, c.parent_fk, c.foldercontents_mode, u.upload_ts,
         u.upload_pk, t.pfile_fk, t.ufile_mode
    FROM foldercontents c
    JOIN upload u ON u.upload_pk = c.child_id
    JOIN uploadtree t ON t.upload_fk = u.upload_pk AND t.parent IS NULL
   WHERE c.foldercontents_mode = 2;

CREATE FUNCTION getitemparent(itemid integer) RETURNS integer LANGUAGE sql STABLE STRICT
  AS $$ SELECT realparent FROM uploadtree WHERE uploadtree_pk = itemid $$;
