// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a recovery asks: which uploads there are and what they hold, in which containers a blob
//! lies, and where in an upload. Everything is only read.

use super::rows::{copy_rows, int4};
use super::uploads::{keys, name};
use super::{Moment, UploadRow};
use crate::blob::PfileName;
use crate::fossology::database::{Error, RawText, Result};
use postgres::GenericClient;

/// How many keys go with one question.
const KEYS: usize = 32_768;

/// An upload, and whether it still is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The upload.
    pub row: UploadRow,
    /// Whether it was deleted; its row stays.
    pub deleted: bool,
}

/// Some blobs that an upload needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The upload's key, `upload_pk`.
    pub upload: i32,
    /// How many of the blobs.
    pub blobs: u64,
    /// Their sizes together, in bytes.
    pub bytes: u64,
}

/// What an upload is known to hold, each place of a blob counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Rows of its tree.
    pub rows: u64,
    /// The sizes of the blobs in them, in bytes.
    pub bytes: u64,
}

impl Moment<'_> {
    /// The keys of all blobs that an upload needs, its own file's among them, in no order.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn keys_of(&mut self, upload: i32, mut each: impl FnMut(u32)) -> Result<()> {
        copy_rows(
            self.transaction(),
            "listing the blobs of an upload",
            &format!(
                "SELECT DISTINCT pfile_fk FROM uploadtree WHERE upload_fk = {upload}
                  UNION SELECT pfile_fk FROM upload WHERE upload_pk = {upload}"
            ),
            |row| {
                // Folders have none, or the key 0.
                let key = int4(row[0]).and_then(|key| u32::try_from(key).ok());
                if let Some(key) = key.filter(|key| *key > 0) {
                    each(key);
                }
                Ok(())
            },
        )
    }
}

/// These uploads, or all, in the order of their keys.
///
/// # Errors
/// When the connection is lost.
pub fn candidates(
    client: &mut impl GenericClient,
    wanted: Option<&[i32]>,
) -> Result<Vec<Candidate>> {
    let rows = client
        .query(
            "SELECT u.upload_pk, u.upload_filename, p.pfile_sha1, p.pfile_md5, p.pfile_size,
                    coalesce(u.expire_action = 'd', false)
               FROM upload u LEFT JOIN pfile p ON p.pfile_pk = u.pfile_fk
              WHERE $1::int4[] IS NULL OR u.upload_pk = ANY($1) ORDER BY u.upload_pk",
            &[&wanted],
        )
        .map_err(Error::sql("asking for uploads"))?;
    let row = |row: &postgres::Row| Candidate {
        row: UploadRow {
            upload: row.get(0),
            filename: row.get::<_, RawText>(1).lossy().into_owned(),
            gold: name(row, 2),
        },
        deleted: row.get(5),
    };
    Ok(rows.iter().map(row).collect())
}

/// How many of these blobs each upload needs; one that needs none is left out. An upload may come
/// several times, to be added up.
///
/// # Errors
/// When the connection is lost.
pub fn shares(
    client: &mut impl GenericClient,
    pfiles: impl Iterator<Item = u32>,
    mut each: impl FnMut(Share),
) -> Result<()> {
    for_some(pfiles, |some| {
        let rows = client
            .query(
                "SELECT n.upload, count(*), coalesce(sum(p.pfile_size), 0)::bigint
                   FROM (SELECT t.upload_fk AS upload, t.pfile_fk
                           FROM unnest($1::int4[]) AS w (key) JOIN uploadtree t ON t.pfile_fk = w.key
                          UNION
                         SELECT u.upload_pk, u.pfile_fk
                           FROM unnest($1::int4[]) AS w (key) JOIN upload u ON u.pfile_fk = w.key) AS n
                   JOIN pfile p ON p.pfile_pk = n.pfile_fk
                  GROUP BY n.upload",
                &[&some],
            )
            .map_err(Error::sql("asking which uploads need blobs"))?;
        for row in &rows {
            each(Share {
                upload: row.get(0),
                blobs: row.get::<_, i64>(1).unsigned_abs(),
                bytes: row.get::<_, i64>(2).unsigned_abs(),
            });
        }
        Ok(())
    })
}

/// What an upload is known to hold.
///
/// # Errors
/// When the connection is lost.
pub fn extent(client: &mut impl GenericClient, upload: i32) -> Result<Extent> {
    let row = client
        .query_one(
            "SELECT count(*), least(coalesce(sum(greatest(p.pfile_size, 0)), 0), 9223372036854775807)::bigint
               FROM uploadtree t LEFT JOIN pfile p ON p.pfile_pk = t.pfile_fk
              WHERE t.upload_fk = $1",
            &[&upload],
        )
        .map_err(Error::sql("asking how much an upload holds"))?;
    Ok(Extent {
        rows: row.get::<_, i64>(0).unsigned_abs(),
        bytes: row.get::<_, i64>(1).unsigned_abs(),
    })
}

/// The arguments that an upload was first unpacked with; empty when no job tells.
///
/// # Errors
/// When the connection is lost.
pub fn unpack_arguments(client: &mut impl GenericClient, upload: i32) -> Result<RawText> {
    let row = client
        .query_opt(
            "SELECT q.jq_cmd_args FROM jobqueue q JOIN job j ON j.job_pk = q.jq_job_fk
              WHERE j.job_upload_fk = $1 AND q.jq_type = 'ununpack'
              ORDER BY q.jq_pk LIMIT 1",
            &[&upload],
        )
        .map_err(Error::sql("asking how an upload was unpacked"))?;
    Ok(row
        .and_then(|row| row.get::<_, Option<RawText>>(0))
        .unwrap_or_default())
}

/// The blobs in which, in these uploads, the given ones lie at any depth: what has to be opened
/// on the way to them. One may come several times.
///
/// # Errors
/// When the connection is lost.
pub fn containers(
    client: &mut impl GenericClient,
    uploads: &[i32],
    pfiles: impl Iterator<Item = u32>,
    mut each: impl FnMut(PfileName),
) -> Result<()> {
    for_some(pfiles, |some| {
        // From the folders upwards: there are far fewer of them than of blobs.
        let rows = client
            .query(
                "WITH RECURSIVE up (node) AS (
                     SELECT DISTINCT t.parent
                       FROM unnest($2::int4[]) AS w (key) JOIN uploadtree t ON t.pfile_fk = w.key
                      WHERE t.upload_fk = ANY($1) AND t.parent IS NOT NULL
                      UNION
                     SELECT t.parent FROM up JOIN uploadtree t ON t.uploadtree_pk = up.node
                      WHERE t.parent IS NOT NULL)
                 SELECT DISTINCT p.pfile_sha1, p.pfile_md5, p.pfile_size
                   FROM up JOIN uploadtree t ON t.uploadtree_pk = up.node
                   JOIN pfile p ON p.pfile_pk = t.pfile_fk",
                &[&uploads, &some],
            )
            .map_err(Error::sql("asking in which archives blobs lie"))?;
        rows.iter()
            .filter_map(|row| name(row, 0))
            .for_each(&mut each);
        Ok(())
    })
}

/// The containers in which a blob lies, the nearest first, each with an upload that it is in.
/// Where a blob lies in many places, some of them are looked at.
///
/// # Errors
/// When the connection is lost.
pub fn nearest_containers(
    client: &mut impl GenericClient,
    pfile: u32,
) -> Result<Vec<(PfileName, i32)>> {
    let rows = client
        .query(
            "WITH RECURSIVE up (node, level) AS (
                 (SELECT t.parent, 1 FROM uploadtree t
                   WHERE t.pfile_fk = ANY($1) AND t.parent IS NOT NULL
                   ORDER BY t.uploadtree_pk LIMIT 100)
                  UNION
                 SELECT t.parent, up.level + 1 FROM up JOIN uploadtree t ON t.uploadtree_pk = up.node
                  WHERE t.parent IS NOT NULL)
             SELECT p.pfile_sha1, p.pfile_md5, p.pfile_size, min(t.upload_fk)
               FROM up JOIN uploadtree t ON t.uploadtree_pk = up.node
               JOIN pfile p ON p.pfile_pk = t.pfile_fk
              GROUP BY p.pfile_pk ORDER BY min(up.level), p.pfile_size, p.pfile_pk",
            &[&keys(&[pfile])],
        )
        .map_err(Error::sql("asking in which archives a blob lies"))?;
    Ok(rows
        .iter()
        .filter_map(|row| Some((name(row, 0)?, row.get(3))))
        .collect())
}

/// Where blobs lie in an upload, one place each, as FOSSology's pages show it: what unpacking
/// invented on the way is left out.
///
/// # Errors
/// When the connection is lost.
pub fn paths(
    client: &mut impl GenericClient,
    upload: i32,
    pfiles: &[u32],
) -> Result<Vec<(u32, RawText)>> {
    let rows = client
        .query(
            "WITH RECURSIVE up (key, parent, path) AS (
                 (SELECT DISTINCT ON (t.pfile_fk) t.pfile_fk, t.parent, t.ufile_name::text
                    FROM uploadtree t WHERE t.upload_fk = $1 AND t.pfile_fk = ANY($2)
                   ORDER BY t.pfile_fk, t.uploadtree_pk)
                  UNION ALL
                 SELECT up.key, t.parent,
                        CASE WHEN t.ufile_mode & (1 << 28) <> 0 THEN up.path
                             ELSE t.ufile_name || '/' || up.path END
                   FROM up JOIN uploadtree t ON t.uploadtree_pk = up.parent)
             SELECT key, path FROM up WHERE parent IS NULL",
            &[&upload, &keys(pfiles)],
        )
        .map_err(Error::sql("asking where blobs lie in an upload"))?;
    Ok(rows
        .iter()
        .filter_map(|row| Some((u32::try_from(row.get::<_, i32>(0)).ok()?, row.get(1))))
        .collect())
}

/// Asks for some keys at a time.
fn for_some(
    pfiles: impl Iterator<Item = u32>,
    mut ask: impl FnMut(Vec<i32>) -> Result<()>,
) -> Result<()> {
    let mut pfiles = pfiles.peekable();
    while pfiles.peek().is_some() {
        let some: Vec<u32> = pfiles.by_ref().take(KEYS).collect();
        ask(keys(&some))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::digest;
    use crate::fossology::database::testing::cluster;
    use postgres::Client;

    const ARTIFACT: i32 = 1 << 28;

    fn pfile(client: &mut Client, content: &str) -> i32 {
        let name = digest(content.as_bytes());
        let row = client.query_one(
            "INSERT INTO pfile (pfile_sha1, pfile_md5, pfile_size) VALUES ($1, $2, $3) RETURNING pfile_pk",
            &[&name.sha1_column(), &name.md5_column(), &(content.len() as i64)],
        );
        row.unwrap().get(0)
    }

    fn node(
        client: &mut Client,
        upload: i32,
        parent: Option<i32>,
        pfile: i32,
        name: &str,
        mode: i32,
    ) -> i32 {
        let row = client.query_one(
            "INSERT INTO uploadtree (upload_fk, parent, pfile_fk, ufile_name, ufile_mode)
             VALUES ($1, $2, $3, $4, $5) RETURNING uploadtree_pk",
            &[&upload, &parent, &pfile, &name, &mode],
        );
        row.unwrap().get(0)
    }

    /// An upload `a.tar.gz` with `a.tar` in it, in that `lib/inner.zip` and `README`, and in the
    /// zip `deep.c`; gives the upload and the keys of all five blobs.
    fn upload(client: &mut Client) -> (i32, [i32; 5]) {
        let keys = ["a.tar.gz", "a.tar", "inner.zip", "README", "deep.c"].map(|content| {
            let key: i32 = pfile(client, content);
            key
        });
        let [gz, tar, zip, readme, deep] = keys;
        let row = client.query_one(
            "INSERT INTO upload (upload_filename, upload_mode, pfile_fk)
             VALUES ('a.tar.gz', 104, $1) RETURNING upload_pk",
            &[&gz],
        );
        let upload: i32 = row.unwrap().get(0);
        let root = node(client, upload, None, gz, "a.tar.gz", 0);
        let made = node(client, upload, Some(root), 0, "artifact.dir", ARTIFACT);
        let inner = node(client, upload, Some(made), tar, "a.tar", 0);
        let made = node(client, upload, Some(inner), 0, "artifact.dir", ARTIFACT);
        let lib = node(client, upload, Some(made), 0, "lib", 0);
        node(client, upload, Some(made), readme, "README", 0);
        let packed = node(client, upload, Some(lib), zip, "inner.zip", 0);
        let made = node(client, upload, Some(packed), 0, "artifact.dir", ARTIFACT);
        node(client, upload, Some(made), deep, "deep.c", 0);
        (upload, keys)
    }

    fn as_keys<const N: usize>(keys: [i32; N]) -> Vec<u32> {
        keys.map(|key| key as u32).into()
    }

    #[test]
    fn what_has_to_be_opened_are_the_containers_above_and_no_others() {
        let mut client = cluster().fossology("UTF8").connect("test").unwrap();
        let (upload, [_, _, _, readme, deep]) = upload(&mut client);
        let opened = |client: &mut Client, uploads: &[i32], key| {
            let mut names = Vec::new();
            containers(client, uploads, as_keys([key]).into_iter(), |name| {
                names.push(name)
            })
            .unwrap();
            names.sort();
            names
        };
        let mut names = ["a.tar.gz", "a.tar"].map(|text| digest(text.as_bytes()));
        names.sort();
        assert_eq!(opened(&mut client, &[upload], readme), names);
        assert_eq!(opened(&mut client, &[upload], deep).len(), 3);
        assert!(opened(&mut client, &[upload + 1], deep).is_empty());

        let nearest = nearest_containers(&mut client, deep as u32).unwrap();
        let expected = ["inner.zip", "a.tar", "a.tar.gz"].map(|t| (digest(t.as_bytes()), upload));
        assert_eq!(nearest, expected);
    }

    #[test]
    fn a_path_is_that_of_the_pages() {
        let mut client = cluster().fossology("UTF8").connect("test").unwrap();
        let (upload, [gz, _, _, readme, deep]) = upload(&mut client);
        let mut paths: Vec<(u32, String)> =
            paths(&mut client, upload, &as_keys([deep, readme, gz]))
                .unwrap()
                .into_iter()
                .map(|(key, path)| (key, path.lossy().into_owned()))
                .collect();
        paths.sort();
        let expected = [
            (gz as u32, "a.tar.gz".to_owned()),
            (readme as u32, "a.tar.gz/a.tar/README".to_owned()),
            (
                deep as u32,
                "a.tar.gz/a.tar/lib/inner.zip/deep.c".to_owned(),
            ),
        ];
        assert_eq!(paths, expected);
    }

    #[test]
    fn an_upload_is_counted_with_what_it_holds() {
        let mut client = cluster().fossology("UTF8").connect("test").unwrap();
        let (upload, all) = upload(&mut client);
        let bytes: usize = ["a.tar.gz", "a.tar", "inner.zip", "README", "deep.c"]
            .map(str::len)
            .iter()
            .sum();
        let held = extent(&mut client, upload).unwrap();
        assert_eq!((held.rows, held.bytes), (9, bytes as u64));
        let mut found = Vec::new();
        shares(&mut client, as_keys(all).into_iter(), |share| {
            found.push(share)
        })
        .unwrap();
        let share = Share {
            upload,
            blobs: 5,
            bytes: bytes as u64,
        };
        assert_eq!(found, [share]);

        let mut listed = Vec::new();
        let mut moment = Moment::begin(&mut client).unwrap();
        moment.keys_of(upload, |key| listed.push(key)).unwrap();
        moment.end().unwrap();
        listed.sort();
        assert_eq!(listed, as_keys(all));

        client
            .execute(
                "UPDATE upload SET expire_action = 'd', pfile_fk = NULL WHERE upload_pk = $1",
                &[&upload],
            )
            .unwrap();
        let known = candidates(&mut client, Some(&[upload, upload + 1])).unwrap();
        assert_eq!(known.len(), 1);
        assert!(known[0].deleted && known[0].row.gold.is_none());
        assert_eq!(candidates(&mut client, None).unwrap(), known);
    }
}
