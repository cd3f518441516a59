// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The fall-back with FOSSology's own `ununpack`, where FO_BACKUP_REAL_UNUNPACK names it: it finds
//! what the stand-in of the other tests only pretends to find.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::{Hasher, PfileName};
use fossology_backup::demo::{Cluster, Role, dump_rows};
use fossology_backup::unpack::fallback::{Arguments, Job, Outcome, ToolLimits, Tried, Ununpack};
use fossology_backup::unpack::{Content, Seeker};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use support::fixture;
use support::world::World;

/// The real program, run with an instance's configuration.
struct Real {
    tool: Ununpack,
    scratch: PathBuf,
}

impl Real {
    fn with(sysconfdir: &Path, scratch: PathBuf) -> Option<Self> {
        let Some(program) = std::env::var_os("FO_BACKUP_REAL_UNUNPACK") else {
            eprintln!("SKIPPED: FO_BACKUP_REAL_UNUNPACK does not name FOSSology's ununpack");
            return None;
        };
        // What the program wants to see of its module.
        let module = sysconfdir.join("mods-enabled/ununpack");
        fs::create_dir_all(&module).unwrap();
        fs::write(
            module.join("VERSION"),
            "[ununpack]\nVERSION=1\nCOMMIT_HASH=1\n",
        )
        .unwrap();
        fs::create_dir(&scratch).unwrap();
        let tool = Ununpack::find(Some(Path::new(&program)), sysconfdir).unwrap();
        Some(Self {
            tool: tool.unwrap(),
            scratch,
        })
    }

    fn unpack(&self, file: &Path, name: &str) -> (Tried, Everything) {
        let everything = Everything::default();
        let before = fs::read(file).unwrap();
        let job = Job {
            file: File::open(file).unwrap(),
            name,
            arguments: &Arguments::parse("-I"),
            limits: &ToolLimits::default(),
            scratch: &self.scratch,
            user: None,
            stop: &|| false,
        };
        let tried = self.tool.run(job, &everything).unwrap();
        assert_eq!(fs::read_dir(&self.scratch).unwrap().count(), 0);
        assert_eq!(fs::read(file).unwrap(), before);
        assert_eq!(tried.problem_count, 0, "{:?}", tried.problems);
        (tried, everything)
    }
}

/// Seeks every blob.
#[derive(Default)]
struct Everything(Mutex<BTreeMap<PfileName, Vec<u8>>>);

impl Everything {
    fn has(&self, content: &[u8]) -> bool {
        self.0.lock().unwrap().values().any(|got| got == content)
    }
}

impl Seeker for Everything {
    fn seeks_size(&self, _: u64) -> bool {
        true
    }

    fn largest(&self) -> u64 {
        u64::MAX
    }

    fn seeks(&self, _: &PfileName) -> bool {
        true
    }

    fn opens(&self, _: &PfileName) -> bool {
        true
    }

    fn take(&self, name: &PfileName, content: Content<'_>) -> ControlFlow<()> {
        let mut bytes = Vec::new();
        match content {
            Content::Memory(memory) => bytes.extend_from_slice(memory),
            Content::File(mut file) => {
                std::io::Seek::rewind(&mut file).unwrap();
                std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
            }
        }
        let mut hasher = Hasher::new();
        hasher.update(&bytes);
        assert_eq!(hasher.finish(), *name);
        self.0.lock().unwrap().insert(*name, bytes);
        ControlFlow::Continue(())
    }
}

fn run(program: &str, arguments: &[&str], folder: &Path) {
    let status = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .status();
    assert!(status.unwrap().success(), "{program}");
}

/// A page that says `fall-back`, as small as a PDF can be.
fn pdf() -> String {
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>"
            .to_owned(),
        "<</Length 40>>stream\nBT /F 12 Tf 10 100 Td (fall-back) Tj ET  \nendstream".to_owned(),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>".to_owned(),
    ];
    let mut text = "%PDF-1.4\n".to_owned();
    for (number, object) in objects.iter().enumerate() {
        text += &format!("{} 0 obj{object}endobj\n", number + 1);
    }
    text + "trailer<</Root 1 0 R/Size 6>>\n%%EOF\n"
}

#[test]
fn file_systems_documents_and_archives_are_unpacked() {
    let world = World::new();
    let Some(real) = Real::with(&world.sample().sysconfdir(), world.path("unpacking")) else {
        return;
    };
    let folder = world.path("inputs");
    fs::create_dir_all(folder.join("tree/below")).unwrap();
    let numbers: String = (0..9000).map(|number| format!("{number}\n")).collect();
    fs::write(folder.join("tree/below/numbers"), &numbers).unwrap();
    fs::write(folder.join("tree/it's a name"), "quoted").unwrap();

    run("tar", &["czf", "x.tar.gz", "tree"], &folder);
    let (tried, got) = real.unpack(&folder.join("x.tar.gz"), "x.tar.gz");
    assert_eq!(tried.outcome, Outcome::Finished, "{}", tried.said);
    assert!(got.has(numbers.as_bytes()) && got.has(b"quoted"));

    run(
        "/sbin/mke2fs",
        &["-q", "-t", "ext2", "-d", "tree", "image", "1024"],
        &folder,
    );
    let (tried, got) = real.unpack(&folder.join("image"), "disk.img");
    assert_eq!(tried.outcome, Outcome::Finished, "{}", tried.said);
    assert!(got.has(numbers.as_bytes()) && got.has(b"quoted"));

    fs::write(folder.join("document"), pdf()).unwrap();
    let (tried, got) = real.unpack(&folder.join("document"), "a document.pdf");
    assert_eq!(tried.outcome, Outcome::Finished, "{}", tried.said);
    let texts = got.0.lock().unwrap();
    let says = |text: &&Vec<u8>| text.windows(9).any(|part| part == b"fall-back");
    assert!(texts.values().filter(says).count() > 0, "{}", tried.files);

    run("zip", &["-qr", "whole.zip", "tree"], &folder);
    let whole = fs::read(folder.join("whole.zip")).unwrap();
    fs::write(folder.join("cut.zip"), &whole[..whole.len() - 60]).unwrap();
    let (tried, got) = real.unpack(&folder.join("cut.zip"), "cut.zip");
    // unzip cannot do anything with it, which is no reason for the program to fail.
    assert_eq!(tried.outcome, Outcome::Finished, "{}", tried.said);
    assert!(!got.has(b"quoted"));
}

/// The names of an upload's blobs below its gold, each with one path's last part.
fn unpacked_of(
    client: &mut postgres::Client,
    filename: &str,
) -> (PfileName, BTreeMap<PfileName, String>) {
    let rows = client
        .query(
            "SELECT p.pfile_sha1::text, p.pfile_md5::text, p.pfile_size, t.ufile_name,
                    p.pfile_pk = u.pfile_fk
               FROM upload u JOIN uploadtree t ON t.upload_fk = u.upload_pk
               JOIN pfile p ON p.pfile_pk = t.pfile_fk
              WHERE u.upload_filename = $1",
            &[&filename],
        )
        .unwrap();
    let mut gold = None;
    let mut unpacked = BTreeMap::new();
    for row in rows {
        let name = PfileName::from_database(
            row.get::<_, &str>(0).as_bytes(),
            row.get::<_, &str>(1).as_bytes(),
            row.get(2),
        )
        .unwrap();
        if row.get(4) {
            gold = Some(name);
        } else {
            unpacked.insert(name, row.get(3));
        }
    }
    (gold.unwrap(), unpacked)
}

#[test]
fn an_upload_of_every_kind_comes_back_and_the_database_stays_as_it_was() {
    let Some(source) = fixture::source() else {
        eprintln!("SKIPPED: there is no real instance on this machine");
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(scratch.path()).unwrap();
    let instance = fixture::load(&source, scratch.path(), &cluster, "real");
    let Some(real) = Real::with(&instance.sysconfdir, scratch.path().join("unpacking")) else {
        return;
    };
    let mut client = cluster.connect(Role::Fossy, &instance.database).unwrap();
    let before = dump_rows(&mut client).unwrap();
    let (gold, unpacked) = unpacked_of(&mut client, "kitchen-sink.tar.gz");
    assert!(unpacked.len() > 50);
    let folder = instance
        .repository
        .join("localhost/gold")
        .join(gold.folders(3));
    let path = folder.join(gold.to_string());
    let (tried, got) = real.unpack(&path, "kitchen-sink.tar.gz");
    assert_eq!(tried.outcome, Outcome::Finished, "{}", tried.said);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);

    let got = got.0.lock().unwrap();
    let lost: Vec<_> = unpacked
        .iter()
        .filter(|(name, _)| !got.contains_key(name))
        .collect();
    eprintln!(
        "{} of {} did not come back: {lost:#?}",
        lost.len(),
        unpacked.len()
    );
    // What a tool says about an archive holds the path it had then, or the tool's version.
    assert!(
        lost.iter()
            .all(|(_, name)| name.as_str() == "artifact.meta"),
        "{lost:#?}"
    );
    assert!(dump_rows(&mut client).unwrap() == before);
}
