// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! One moment of the database, seen by a single read-only transaction.

use super::rows::{copy_rows, int4, int8};
use crate::blob::{PfileName, PfileNameError, Tree, TreeSet};
use crate::fossology::database::{Error, RawText, Result};
use postgres::{Client, GenericClient, IsolationLevel, Transaction};

/// A blob that the database needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Its key, `pfile_pk`.
    pub pfile: u32,
    /// Its name; an error when the row's hashes or size are none.
    pub name: Result<PfileName, PfileNameError>,
    /// The trees in which it has to lie.
    pub trees: TreeSet,
}

/// A read-only transaction that sees one moment.
pub struct Moment<'a> {
    transaction: Transaction<'a>,
}

/// That a pfile is an upload's own file (gold).
pub(super) const IS_GOLD: &str = "EXISTS (SELECT 1 FROM upload u WHERE u.pfile_fk = p.pfile_pk)";

/// That a pfile is somewhere in an upload's tree. `uploadtree` is the parent of every table that
/// uploads may have of their own.
pub(super) const IS_FILE: &str =
    "EXISTS (SELECT 1 FROM uploadtree t WHERE t.pfile_fk = p.pfile_pk)";

impl<'a> Moment<'a> {
    /// Begins the transaction; its moment is that of its first question.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn begin(client: &'a mut Client) -> Result<Self> {
        let transaction = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .map_err(Error::sql("beginning a read-only transaction"))?;
        Ok(Self { transaction })
    }

    /// Exports the moment for other sessions, such as those of pg_dump. It lasts as long as this
    /// transaction.
    ///
    /// # Errors
    /// When the server cannot export snapshots (a standby cannot).
    pub fn export(&mut self) -> Result<String> {
        let row = self
            .transaction
            .query_one("SELECT pg_export_snapshot()", &[])
            .map_err(Error::sql("exporting the transaction's snapshot"))?;
        Ok(row.get(0))
    }

    /// The keys and sizes of all blobs that have to lie in a tree, in no order.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn keys(&mut self, tree: Tree, mut each: impl FnMut(u32, u64)) -> Result<()> {
        let condition = match tree {
            Tree::Gold => IS_GOLD,
            Tree::Files => IS_FILE,
        };
        copy_rows(
            &mut self.transaction,
            "listing the blobs that are needed",
            &format!("SELECT p.pfile_pk, p.pfile_size FROM pfile p WHERE {condition}"),
            |row| {
                let size = int8(row[1]).and_then(|size| u64::try_from(size).ok());
                if let Some(pfile) = int4(row[0]).and_then(|key| u32::try_from(key).ok()) {
                    each(pfile, size.unwrap_or(0));
                }
                Ok(())
            },
        )
    }

    /// The keys of blobs that recovery cannot make again: FOSSology's own notes about an archive
    /// (`artifact.meta`: they hold the path of a temporary directory), and what an earlier
    /// recovery found not to be reproducible.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn not_reproducible(&mut self, mut each: impl FnMut(u32)) -> Result<()> {
        let artifact = "SELECT DISTINCT t.pfile_fk FROM uploadtree t WHERE t.pfile_fk > 0
            AND t.ufile_name = 'artifact.meta' AND t.ufile_mode & (1 << 28) <> 0";
        let known = "SELECT s.pfile_pk FROM backup_blob_state s WHERE s.kind = 'not_reproducible'";
        let has_state = self
            .transaction
            .query_one("SELECT to_regclass('backup_blob_state') IS NOT NULL", &[])
            .map_err(Error::sql("looking for the tables of fo_backup"))?
            .get::<_, bool>(0);
        for query in [Some(artifact), has_state.then_some(known)]
            .into_iter()
            .flatten()
        {
            copy_rows(
                &mut self.transaction,
                "listing the blobs that cannot be unpacked again",
                query,
                |row| {
                    if let Some(pfile) = int4(row[0]).and_then(|key| u32::try_from(key).ok()) {
                        each(pfile);
                    }
                    Ok(())
                },
            )?;
        }
        Ok(())
    }

    /// As [`blobs`], at this moment.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn blobs(&mut self, keys: &[u32]) -> Result<Vec<Needed>> {
        blobs(&mut self.transaction, keys)
    }

    /// Every blob that is needed, in the order of names (see [`PfileName`]).
    ///
    /// # Errors
    /// When the connection is lost, or `each` fails.
    pub fn sorted(&mut self, each: impl FnMut(Needed) -> Result<()>) -> Result<()> {
        self.sorted_where(
            &format!(
                "SELECT p.pfile_pk, p.pfile_sha1, p.pfile_md5, p.pfile_size, {IS_GOLD} AS gold, {IS_FILE} AS file
                   FROM pfile p"
            ),
            each,
        )
    }

    /// As [`Moment::sorted`], the blobs that these uploads need, in the trees where these need them.
    ///
    /// # Errors
    /// When the connection is lost, or `each` fails.
    pub fn sorted_of(
        &mut self,
        uploads: &[i32],
        each: impl FnMut(Needed) -> Result<()>,
    ) -> Result<()> {
        let list: Vec<String> = uploads.iter().map(i32::to_string).collect();
        let list = list.join(",");
        self.sorted_where(
            &format!(
                "SELECT p.pfile_pk, p.pfile_sha1, p.pfile_md5, p.pfile_size, w.gold, w.file
                   FROM pfile p JOIN (
                        SELECT pfile_fk, bool_or(gold) AS gold, bool_or(NOT gold) AS file FROM (
                            SELECT DISTINCT pfile_fk, false AS gold FROM uploadtree
                             WHERE upload_fk IN ({list})
                             UNION ALL
                            SELECT pfile_fk, true FROM upload WHERE upload_pk IN ({list})) AS u
                         GROUP BY pfile_fk) AS w ON w.pfile_fk = p.pfile_pk"
            ),
            each,
        )
    }

    fn sorted_where(
        &mut self,
        query: &str,
        mut each: impl FnMut(Needed) -> Result<()>,
    ) -> Result<()> {
        self.transaction
            .batch_execute("SET LOCAL work_mem = '64MB'")
            .map_err(Error::sql("asking for memory to sort in"))?;
        copy_rows(
            &mut self.transaction,
            "listing the blobs that are needed",
            &format!(
                "SELECT * FROM ({query}) AS n WHERE gold OR file
                 ORDER BY pfile_sha1 COLLATE \"C\", pfile_md5 COLLATE \"C\", pfile_size"
            ),
            |row| {
                let Some(pfile) = int4(row[0]).and_then(|key| u32::try_from(key).ok()) else {
                    return Ok(());
                };
                let holds = |field: Option<&[u8]>, tree| {
                    if field == Some(&[1]) {
                        TreeSet::of(tree)
                    } else {
                        TreeSet::NONE
                    }
                };
                each(Needed {
                    pfile,
                    name: PfileName::from_database(
                        row[1].unwrap_or_default(),
                        row[2].unwrap_or_default(),
                        int8(row[3]).unwrap_or(-1),
                    ),
                    trees: holds(row[4], Tree::Gold).union(holds(row[5], Tree::Files)),
                })
            },
        )
    }

    /// How many rows `pfile` has, and the sum of their sizes in bytes.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn totals(&mut self) -> Result<(u64, u64)> {
        let row = self
            .transaction
            .query_one(
                "SELECT count(*), least(coalesce(sum(greatest(pfile_size, 0)), 0), 9223372036854775807)::bigint
                   FROM pfile",
                &[],
            )
            .map_err(Error::sql("counting blobs"))?;
        Ok((
            row.get::<_, i64>(0).unsigned_abs(),
            row.get::<_, i64>(1).unsigned_abs(),
        ))
    }

    /// FOSSology's release, from `sysconfig`.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn release(&mut self) -> Result<Option<String>> {
        let row = self
            .transaction
            .query_opt(
                "SELECT conf_value FROM sysconfig WHERE variablename = 'Release'",
                &[],
            )
            .map_err(Error::sql("asking for FOSSology's release"))?;
        let release = row.and_then(|row| row.get::<_, Option<RawText>>(0));
        Ok(release.map(|release| release.lossy().into_owned()))
    }

    /// What identifies the table of pfiles (cluster, timeline, database, table), and the last
    /// value of its keys' sequence: as long as both only go on, a key means what it meant.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn identity(&mut self) -> Result<(String, i64)> {
        let row = self
            .transaction
            .query_one(
                "SELECT format('%s/%s/%s/%s', s.system_identifier, c.timeline_id,
                        (SELECT oid FROM pg_database WHERE datname = current_database()), 'pfile'::regclass::oid),
                        coalesce(pg_sequence_last_value(to_regclass('pfile_pfile_pk_seq')),
                                 (SELECT max(pfile_pk) FROM pfile), 0)
                   FROM pg_control_system() s, pg_control_checkpoint() c",
                &[],
            )
            .map_err(Error::sql("asking which cluster this is"))?;
        Ok((row.get(0), row.get(1)))
    }

    /// Until when this moment's database has its log on disk: its timeline, and the position in it.
    /// Asked of an own connection, so it does not begin the moment. A transaction may have its end in the
    /// log before others see it: see [`Moment::goes_on`].
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn log_position(client: &mut Client) -> Result<(u32, String)> {
        let row = client
            .query_one(
                "SELECT (SELECT timeline_id FROM pg_control_checkpoint()),
                        (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                              ELSE pg_current_wal_flush_lsn() END)::text",
                &[],
            )
            .map_err(Error::sql("asking for the position in the log"))?;
        let timeline: i32 = row.get(0);
        Ok((timeline.unsigned_abs(), row.get(1)))
    }

    /// A number above those of all transactions that have begun to write. It is one's own: what the server
    /// tells without giving one away is the last that has ended.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn next_transaction(client: &mut Client) -> Result<i64> {
        let row = client
            .query_one(
                "SELECT CASE WHEN pg_is_in_recovery() THEN txid_snapshot_xmax(txid_current_snapshot())
                             ELSE txid_current() END",
                &[],
            )
            .map_err(Error::sql("asking for the transactions"))?;
        Ok(row.get(0))
    }

    /// Whether a transaction with a number below this one has not ended.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn goes_on(client: &mut Client, below: i64) -> Result<bool> {
        let row = client
            .query_one(
                "SELECT EXISTS (SELECT 1 FROM txid_snapshot_xip(txid_current_snapshot()) AS open (id)
                                 WHERE open.id < $1)",
                &[&below],
            )
            .map_err(Error::sql("asking for the transactions"))?;
        Ok(row.get(0))
    }

    /// The transaction itself, for what else is to be asked of the same moment.
    pub fn transaction(&mut self) -> &mut Transaction<'a> {
        &mut self.transaction
    }

    /// Ends the transaction.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn end(self) -> Result<()> {
        self.transaction
            .commit()
            .map_err(Error::sql("ending a read-only transaction"))
    }
}

/// The blobs with these keys, in the order of keys; a key without a row is left out. Their trees
/// are not asked for.
///
/// # Errors
/// When the connection is lost.
pub fn blobs(client: &mut impl GenericClient, keys: &[u32]) -> Result<Vec<Needed>> {
    let keys: Vec<i32> = keys
        .iter()
        .filter_map(|key| i32::try_from(*key).ok())
        .collect();
    let rows = client
        .query(
            "SELECT pfile_pk, pfile_sha1, pfile_md5, pfile_size FROM pfile
              WHERE pfile_pk = ANY($1) ORDER BY pfile_pk",
            &[&keys],
        )
        .map_err(Error::sql("asking for the names of blobs"))?;
    let blobs = rows.iter().filter_map(|row| {
        // A broken row may hold anything, bytes that are no text included.
        let (sha1, md5): (RawText, RawText) = (row.get(1), row.get(2));
        let size = row.get::<_, Option<i64>>(3).unwrap_or(-1);
        Some(Needed {
            pfile: u32::try_from(row.get::<_, i32>(0)).ok()?,
            name: PfileName::from_database(sha1.bytes(), md5.bytes(), size),
            trees: TreeSet::NONE,
        })
    });
    Ok(blobs.collect())
}

/// Which of these pfiles are needed now: those whose upload was deleted meanwhile are not.
///
/// # Errors
/// When the connection is lost.
pub fn still_needed(client: &mut impl GenericClient, keys: &[u32]) -> Result<Vec<u32>> {
    let keys: Vec<i32> = keys
        .iter()
        .filter_map(|key| i32::try_from(*key).ok())
        .collect();
    let rows = client
        .query(
            &format!("SELECT p.pfile_pk FROM pfile p WHERE p.pfile_pk = ANY($1) AND ({IS_GOLD} OR {IS_FILE})"),
            &[&keys],
        )
        .map_err(Error::sql("asking which blobs are still needed"))?;
    Ok(rows
        .iter()
        .filter_map(|row| u32::try_from(row.get::<_, i32>(0)).ok())
        .collect())
}
