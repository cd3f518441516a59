// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What pruning writes down: proofs, batches that are being removed, and the last plan.
//!
//! A batch is entered together with the state of its blobs in one transaction, before the first
//! file goes, and forgotten when all that was removed is durable. So at any instant a file that is
//! missing by pruning is known as pruned, and a batch that is still there says where to look for
//! files that were not removed after all.

use super::states::BlobState;
use crate::fossology::database::{Error, Result};
use postgres::{Client, GenericClient};
use roaring::RoaringBitmap;
use std::io;

/// By what a blob was proven to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProvenBy {
    /// A rehearsal of its recovery from gold.
    Gold,
    /// A vault that holds it.
    Vault,
    /// Both.
    Both,
}

impl ProvenBy {
    /// The name, as table `backup_blob_state` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gold => "gold",
            Self::Vault => "vault",
            Self::Both => "both",
        }
    }
}

/// What a rehearsal got out of an uploaded file.
#[derive(Debug, Clone)]
pub struct GoldProof {
    /// The file's key, `pfile_pk`.
    pub gold: u32,
    /// Seconds since.
    pub age: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Whether FOSSology's own unpacker was there to be tried.
    pub with_unpacker: bool,
    /// The keys of what came.
    pub blobs: RoaringBitmap,
}

/// Hands over every proof, one by one.
///
/// # Errors
/// When the statement fails, or a row is damaged.
pub fn gold_proofs(client: &mut impl GenericClient, mut each: impl FnMut(GoldProof)) -> Result<()> {
    use postgres::fallible_iterator::FallibleIterator;
    let failed = Error::sql("reading what was proven");
    let mut rows = client
        .query_raw(
            "SELECT gold, extract(epoch FROM now() - proven)::bigint, seconds, with_unpacker, blobs
               FROM backup_proof",
            [""; 0],
        )
        .map_err(&failed)?;
    while let Some(row) = rows.next().map_err(&failed)? {
        each(GoldProof {
            gold: row.get::<_, i32>(0).cast_unsigned(),
            age: u64::try_from(row.get::<_, i64>(1)).unwrap_or(0),
            seconds: row.get(2),
            with_unpacker: row.get(3),
            blobs: bitmap(row.get(4))?,
        });
    }
    Ok(())
}

/// Enters what a rehearsal got out of an upload's own file; what was known of it before is replaced.
/// Nothing is entered for a file whose row is gone.
///
/// # Errors
/// When the statement fails.
pub fn enter_gold_proof(client: &mut Client, upload: i32, proof: &GoldProof) -> Result<()> {
    client
        .execute(
            "INSERT INTO backup_proof (gold, upload, seconds, with_unpacker, blobs)
             SELECT pfile_pk, $2, $3, $4, $5 FROM pfile WHERE pfile_pk = $1 FOR KEY SHARE
                 ON CONFLICT (gold) DO UPDATE
                SET upload = excluded.upload, proven = clock_timestamp(),
                    seconds = excluded.seconds, with_unpacker = excluded.with_unpacker,
                    blobs = excluded.blobs",
            &[
                &proof.gold.cast_signed(),
                &upload,
                &proof.seconds,
                &proof.with_unpacker,
                &bytes(&proof.blobs)?,
            ],
        )
        .map(drop)
        .map_err(Error::sql("writing down what was proven"))
}

/// Enters that packs of the vault were read and are whole.
///
/// # Errors
/// When the statement fails.
pub fn enter_verified_packs(client: &mut Client, packs: &[[u8; 32]]) -> Result<()> {
    let packs: Vec<&[u8]> = packs.iter().map(|pack| &pack[..]).collect();
    client
        .execute(
            "INSERT INTO backup_verified_pack (pack) SELECT DISTINCT unnest($1::bytea[])
                 ON CONFLICT (pack) DO UPDATE SET verified = excluded.verified",
            &[&packs],
        )
        .map(drop)
        .map_err(Error::sql("writing down which packs are whole"))
}

/// Forgets that packs were whole: they are not any more.
///
/// # Errors
/// When the statement fails.
pub fn forget_packs(client: &mut Client, packs: &[[u8; 32]]) -> Result<()> {
    let packs: Vec<&[u8]> = packs.iter().map(|pack| &pack[..]).collect();
    client
        .execute(
            "DELETE FROM backup_verified_pack WHERE pack = ANY($1)",
            &[&packs],
        )
        .map(drop)
        .map_err(Error::sql("writing down which packs are damaged"))
}

/// The packs that were read and found whole within so many seconds.
///
/// # Errors
/// When the statement fails.
pub fn verified_packs(client: &mut impl GenericClient, within: u64) -> Result<Vec<Vec<u8>>> {
    let within = i64::try_from(within).unwrap_or(i64::MAX) as f64;
    let rows = client
        .query(
            "SELECT pack FROM backup_verified_pack
              WHERE extract(epoch FROM now() - verified)::float8 <= $1",
            &[&within],
        )
        .map_err(Error::sql("asking which packs are whole"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Enters that these blobs are pruned from now on, each by what it is proven, and that their files
/// are being removed. Durable when this returns. Keys without a row in `pfile` are passed over; what
/// is known not to come from unpacking keeps that mark. Gives the keys that are entered: only their
/// files may be removed.
///
/// # Errors
/// When a statement fails; then nothing is entered.
pub fn begin_batch(
    client: &mut Client,
    policy: &str,
    blobs: &[(ProvenBy, RoaringBitmap)],
) -> Result<RoaringBitmap> {
    let failed = Error::sql("writing down what is going to be removed");
    let mut step = client.transaction().map_err(&failed)?;
    // Whoever deletes rows of pfile keeps us waiting, and others wait behind us: not long.
    step.batch_execute("SET LOCAL lock_timeout TO '5s'")
        .map_err(&failed)?;
    let mut entered = RoaringBitmap::new();
    for (proof, keys) in blobs.iter().filter(|(_, keys)| !keys.is_empty()) {
        let list: Vec<i32> = keys.iter().map(u32::cast_signed).collect();
        let rows = step
            .query(
                "WITH there AS (
                 SELECT p.pfile_pk FROM pfile p WHERE p.pfile_pk = ANY($1) FOR KEY SHARE)
             INSERT INTO backup_blob_state (pfile_pk, kind, why, proof)
             SELECT pfile_pk, $2, $3, $4 FROM there
                 ON CONFLICT (pfile_pk) DO UPDATE SET proof = excluded.proof, since = now()
              WHERE backup_blob_state.kind = $2 RETURNING pfile_pk",
                &[&list, &BlobState::Pruned.as_str(), &policy, &proof.as_str()],
            )
            .map_err(&failed)?;
        entered.extend(rows.iter().map(|row| row.get::<_, i32>(0).cast_unsigned()));
    }
    step.execute(
        "INSERT INTO backup_prune_batch (blobs) VALUES ($1)",
        &[&bytes(&entered)?],
    )
    .map_err(&failed)?;
    step.commit().map_err(&failed)?;
    Ok(entered)
}

/// What was being removed when a run died; with the number of the last batch.
///
/// # Errors
/// When the statement fails, or a row is damaged.
pub fn left_over_batches(client: &mut impl GenericClient) -> Result<(RoaringBitmap, i64)> {
    let rows = client
        .query("SELECT blobs, id FROM backup_prune_batch ORDER BY id", &[])
        .map_err(Error::sql("asking what was being removed"))?;
    let mut all = RoaringBitmap::new();
    for row in &rows {
        all |= bitmap(row.get(0))?;
    }
    Ok((all, rows.last().map_or(0, |row| row.get(1))))
}

/// Forgets the batches up to this one: what they removed is durable.
///
/// # Errors
/// When the statement fails.
pub fn forget_batches(client: &mut Client, up_to: i64) -> Result<()> {
    client
        .execute("DELETE FROM backup_prune_batch WHERE id <= $1", &[&up_to])
        .map(drop)
        .map_err(Error::sql("writing down that the removal has ended"))
}

/// What a plan says of an upload; see `sql/004_prune.sql`.
#[derive(Debug, Clone)]
pub struct PlannedUpload {
    /// The upload.
    pub upload: i32,
    /// Why all of it stays, if it does.
    pub held: Option<&'static str>,
    /// Blobs and bytes: of all, of what no other upload has, of what is pruned already, of what
    /// goes by the policy, of what of that is proven.
    pub amounts: [(u64, u64); 5],
    /// How it would come back.
    pub way: Option<&'static str>,
    /// About how long that would take.
    pub seconds: Option<f64>,
}

/// Replaces the last plan; `run` is its number in the history.
///
/// # Errors
/// When a statement fails; then the old one is still there.
pub fn replace_plan(client: &mut Client, run: i32, uploads: &[PlannedUpload]) -> Result<()> {
    const BATCH: usize = 2000;
    let failed = Error::sql("writing the plan down");
    let mut step = client.transaction().map_err(&failed)?;
    step.batch_execute(
        "LOCK TABLE backup_prune_upload IN EXCLUSIVE MODE; DELETE FROM backup_prune_upload",
    )
    .map_err(&failed)?;
    for some in uploads.chunks(BATCH) {
        let column = |at: usize| -> Vec<i64> {
            let number = |one: &PlannedUpload| {
                let (blobs, bytes) = one.amounts[at / 2];
                let number = if at.is_multiple_of(2) { blobs } else { bytes };
                i64::try_from(number).unwrap_or(i64::MAX)
            };
            some.iter().map(number).collect()
        };
        let keys: Vec<i32> = some.iter().map(|one| one.upload).collect();
        let held: Vec<Option<&str>> = some.iter().map(|one| one.held).collect();
        let ways: Vec<Option<&str>> = some.iter().map(|one| one.way).collect();
        let seconds: Vec<Option<f64>> = some.iter().map(|one| one.seconds).collect();
        let n: Vec<Vec<i64>> = (0..10).map(column).collect();
        step.execute(
            "INSERT INTO backup_prune_upload (upload_fk, run, held, blobs, bytes, own_blobs, own_bytes,
                         pruned_blobs, pruned_bytes, drop_blobs, drop_bytes, proven_blobs,
                         proven_bytes, way, seconds)
             SELECT n.upload, $1, n.held, n.a, n.b, n.c, n.d, n.e, n.f, n.g, n.h, n.i, n.j, n.way, n.seconds
               FROM unnest($2::int4[], $3::text[], $4::int8[], $5::int8[], $6::int8[], $7::int8[], $8::int8[],
                           $9::int8[], $10::int8[], $11::int8[], $12::int8[], $13::int8[], $14::text[], $15::float8[])
                    AS n (upload, held, a, b, c, d, e, f, g, h, i, j, way, seconds)
              WHERE EXISTS (SELECT 1 FROM upload u WHERE u.upload_pk = n.upload FOR KEY SHARE)",
            &[
                &run, &keys, &held, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7], &n[8],
                &n[9], &ways, &seconds,
            ],
        )
        .map_err(&failed)?;
    }
    step.commit().map_err(&failed)
}

fn bytes(bitmap: &RoaringBitmap) -> Result<Vec<u8>> {
    let mut bitmap = bitmap.clone();
    bitmap.optimize();
    let mut bytes = Vec::with_capacity(bitmap.serialized_size());
    bitmap.serialize_into(&mut bytes).map_err(damaged)?;
    Ok(bytes)
}

fn bitmap(bytes: &[u8]) -> Result<RoaringBitmap> {
    RoaringBitmap::deserialize_from(bytes).map_err(damaged)
}

fn damaged(source: io::Error) -> Error {
    Error::Stream {
        doing: "reading a list of blobs from our own tables",
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{blobs_in_state, ensure_schema, enter_not_reproducible};
    use super::*;
    use crate::fossology::database::testing::cluster;

    fn client() -> Client {
        let mut client = cluster().fossology("UTF8").connect("test").unwrap();
        ensure_schema(&mut client).unwrap();
        client
            .batch_execute(
                "INSERT INTO pfile (pfile_md5, pfile_sha1, pfile_size)
                 SELECT n, n, n FROM generate_series(1, 5) n;
                 INSERT INTO upload (upload_pk, upload_filename, upload_mode) VALUES (1, 'a', 104)",
            )
            .unwrap();
        client
    }

    fn keys(keys: &[u32]) -> RoaringBitmap {
        keys.iter().copied().collect()
    }

    #[test]
    fn what_is_being_removed_is_known_as_pruned_until_it_is_gone_for_good() {
        let mut client = client();
        enter_not_reproducible(&mut client, &[3], "tried").unwrap();
        let (gold, vault) = (keys(&[1, 3, 77]), keys(&[2]));
        let both = [(ProvenBy::Gold, gold), (ProvenBy::Vault, vault)];
        let entered = begin_batch(&mut client, "cold", &both).unwrap();
        assert_eq!(entered, keys(&[1, 2]), "3 is known not to come, 77 is none");
        begin_batch(&mut client, "cold", &[(ProvenBy::Both, keys(&[4]))]).unwrap();
        let mut pruned = Vec::new();
        blobs_in_state(&mut client, BlobState::Pruned, |key| pruned.push(key)).unwrap();
        assert_eq!(pruned, [1, 2, 4]);
        let mut only = Vec::new();
        super::super::pruned_by_vault(&mut client, |key| only.push(key)).unwrap();
        assert_eq!(only, [2]);
        let (left, last) = left_over_batches(&mut client).unwrap();
        assert_eq!(left, keys(&[1, 2, 4]));
        begin_batch(&mut client, "cold", &[(ProvenBy::Gold, keys(&[5]))]).unwrap();
        forget_batches(&mut client, last).unwrap();
        assert_eq!(left_over_batches(&mut client).unwrap().0, keys(&[5]));
    }

    #[test]
    fn a_proof_lives_as_long_as_its_gold() {
        let mut client = client();
        let proof = |gold, blobs: &[u32]| GoldProof {
            gold,
            age: 0,
            seconds: 1.5,
            with_unpacker: false,
            blobs: keys(blobs),
        };
        let read = |client: &mut Client| {
            let mut all = Vec::new();
            gold_proofs(client, |proof| all.push((proof.gold, proof.blobs))).unwrap();
            all.sort_by_key(|(gold, _)| *gold);
            all
        };
        for known in [
            proof(1, &[3]),
            proof(1, &[3, 4]),
            proof(2, &[]),
            proof(99, &[3]),
        ] {
            enter_gold_proof(&mut client, 7, &known).unwrap();
        }
        assert_eq!(read(&mut client), [(1, keys(&[3, 4])), (2, keys(&[]))]);
        client
            .execute("DELETE FROM pfile WHERE pfile_pk = 1", &[])
            .unwrap();
        assert_eq!(read(&mut client), [(2, keys(&[]))]);
    }

    #[test]
    fn a_pack_counts_for_a_while_and_until_it_is_found_damaged() {
        let mut client = client();
        enter_verified_packs(&mut client, &[[1; 32], [2; 32], [1; 32]]).unwrap();
        client
            .batch_execute(
                "UPDATE backup_verified_pack SET verified = now() - interval '10 days'
                  WHERE pack = decode(repeat('02', 32), 'hex')",
            )
            .unwrap();
        let day = 24 * 3600;
        assert_eq!(verified_packs(&mut client, day).unwrap(), [vec![1; 32]]);
        assert_eq!(verified_packs(&mut client, 11 * day).unwrap().len(), 2);
        forget_packs(&mut client, &[[1; 32]]).unwrap();
        assert_eq!(
            verified_packs(&mut client, 11 * day).unwrap(),
            [vec![2; 32]]
        );
    }

    #[test]
    fn a_plan_replaces_the_last_one_and_never_stops_a_deletion() {
        let mut client = client();
        let planned = |upload| PlannedUpload {
            upload,
            held: None,
            amounts: [(9, 90), (8, 80), (7, 70), (6, 60), (5, 50)],
            way: Some("gold"),
            seconds: Some(2.0),
        };
        replace_plan(&mut client, 1, &[planned(1), planned(44)]).unwrap();
        replace_plan(&mut client, 2, &[planned(1)]).unwrap();
        let row = client
            .query_one(
                "SELECT run, blobs, own_bytes, pruned_blobs, drop_bytes, proven_bytes
                   FROM backup_prune_upload",
                &[],
            )
            .unwrap();
        let numbers: Vec<i64> = (1..6).map(|at| row.get(at)).collect();
        assert_eq!((row.get::<_, i32>(0), numbers), (2, vec![9, 80, 7, 60, 50]));
        client.execute("DELETE FROM upload", &[]).unwrap();
    }
}
