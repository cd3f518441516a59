// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The fall-back against a stand-in: machines that run these tests have no `ununpack`, so a shell
//! script takes its arguments, and does what a test needs to see.

mod bounds;
mod results;

use super::*;
use crate::blob::{PfileName, digest};
use crate::unpack::Content;
use nix::fcntl::FcntlArg;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;

/// What every stand-in does first: takes ununpack's arguments apart as ununpack does.
const HEAD: &str = r#"#!/bin/sh
# A stand-in for FOSSology's ununpack, made by a test.
arguments="$*"
while getopts c:d:qRCIE: option; do
    case "$option" in c) place=$OPTARG ;; d) dir=$OPTARG ;; esac
done
shift $((OPTIND - 1))
file=$1
"#;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

/// A place for one test: a stand-in and a scratch folder.
struct Place {
    folder: TempDir,
    tool: Ununpack,
}

impl Place {
    fn with(body: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("ununpack");
        write_program(&program, &format!("{HEAD}{body}"));
        std::fs::create_dir(folder.path().join("scratch")).unwrap();
        let tool = Ununpack::find(Some(&program), folder.path())
            .unwrap()
            .unwrap();
        Self { folder, tool }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lets the stand-in unpack a file with this content.
    fn run(&self, content: &[u8], limits: ToolLimits, seeker: &Sought) -> Tried {
        self.run_until(content, limits, seeker, &|| false)
    }

    #[track_caller]
    fn run_until(
        &self,
        content: &[u8],
        limits: ToolLimits,
        seeker: &Sought,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Tried {
        std::fs::write(self.path("blob"), content).unwrap();
        let scratch = self.path("scratch");
        let tried = self.tool.run(
            Job {
                file: File::open(self.path("blob")).unwrap(),
                name: "upload.bin",
                arguments: &Arguments::parse("-I -E node_modules/"),
                limits: &limits,
                scratch: &scratch,
                user: None,
                stop,
            },
            seeker,
        );
        assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0);
        assert_eq!(std::fs::read(self.path("blob")).unwrap(), content);
        tried.unwrap()
    }
}

/// Writes a program from another process: were it open for writing here, another test's child
/// could hold it open a moment longer, and it could not be started.
fn write_program(path: &Path, text: &str) {
    let mut writer = Command::new("sh")
        .args(["-c", r#"cat >"$0" && chmod 755 "$0""#])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = writer.stdin.take().unwrap();
    pipe.write_all(text.as_bytes()).unwrap();
    drop(pipe);
    assert!(writer.wait().unwrap().success());
}

/// Seeks contents, and keeps what it gets.
#[derive(Default)]
struct Sought {
    open: Mutex<BTreeSet<PfileName>>,
    got: Mutex<BTreeMap<PfileName, Vec<u8>>>,
    /// After how many blobs it has enough.
    enough: Option<usize>,
}

impl Sought {
    fn of(contents: &[&[u8]]) -> Self {
        let open = contents.iter().map(|content| digest(content)).collect();
        Self {
            open: Mutex::new(open),
            ..Self::default()
        }
    }

    fn got(&self) -> Vec<Vec<u8>> {
        self.got.lock().unwrap().values().cloned().collect()
    }

    fn has_all(&self) -> bool {
        self.open.lock().unwrap().is_empty()
    }
}

impl Seeker for Sought {
    fn seeks_size(&self, size: u64) -> bool {
        let open = self.open.lock().unwrap();
        open.iter().any(|name| name.size() == size)
    }

    fn largest(&self) -> u64 {
        let open = self.open.lock().unwrap();
        open.iter().map(PfileName::size).max().unwrap_or(0)
    }

    fn seeks(&self, name: &PfileName) -> bool {
        self.open.lock().unwrap().contains(name)
    }

    fn opens(&self, _: &PfileName) -> bool {
        true
    }

    fn take(&self, name: &PfileName, content: Content<'_>) -> ControlFlow<()> {
        assert!(self.open.lock().unwrap().remove(name), "{name} was sought");
        let bytes = match content {
            Content::Memory(bytes) => bytes.to_vec(),
            Content::File(file) => {
                let size = usize::try_from(name.size()).unwrap();
                let mut bytes = vec![0; size];
                file.read_exact_at(&mut bytes, 0).unwrap();
                assert_eq!(file.metadata().unwrap().len(), name.size());
                bytes
            }
        };
        assert_eq!(digest(&bytes), *name);
        let mut got = self.got.lock().unwrap();
        got.insert(*name, bytes);
        if self.enough.is_some_and(|enough| got.len() >= enough) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn it_is_found_where_it_is_configured_or_enabled_or_on_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let sysconfdir = folder.path().join("etc");
    let search_path = folder.path().join("bin");
    let module = sysconfdir.join("mods-enabled/ununpack/agent/ununpack");
    let on_path = search_path.join("ununpack");
    let configured = folder.path().join("my ununpack");
    let find = |configured: Option<&Path>| {
        Ununpack::find_on(search_path.as_os_str(), configured, &sysconfdir)
    };
    let program = |found: Result<Option<Ununpack>, Error>| {
        found.unwrap().map(|found| found.program().to_owned())
    };

    assert_eq!(program(find(None)), None);
    for path in [&on_path, &module, &configured] {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    }
    write_program(&on_path, HEAD);
    assert_eq!(program(find(None)).as_ref(), Some(&on_path));
    write_program(&module, HEAD);
    assert_eq!(program(find(None)).as_ref(), Some(&module));
    write_program(&configured, HEAD);
    assert_eq!(program(find(Some(&configured))).as_ref(), Some(&configured));

    std::fs::set_permissions(&module, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(program(find(None)).as_ref(), Some(&on_path));
}

#[test]
fn a_configured_program_that_is_none_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    std::fs::write(&text, "no program").unwrap();
    for wrong in [text, folder.path().to_owned(), folder.path().join("none")] {
        let error = Ununpack::find(Some(&wrong), folder.path())
            .unwrap_err()
            .to_string();
        assert!(error.contains(&wrong.display().to_string()), "{error}");
        assert!(error.contains("cannot be executed"), "{error}");
    }
}

#[test]
fn what_cannot_be_started_is_an_error_and_leaves_nothing() {
    let place = Place::with("");
    write_program(&place.path("ununpack"), "#!/no/such/shell\n");
    let scratch = place.path("scratch");
    std::fs::write(place.path("blob"), "content").unwrap();
    let tried = place.tool.run(
        Job {
            file: File::open(place.path("blob")).unwrap(),
            name: "a",
            arguments: &Arguments::default(),
            limits: &ToolLimits::default(),
            scratch: &scratch,
            user: None,
            stop: &|| false,
        },
        &Sought::default(),
    );
    assert!(matches!(tried, Err(Error::Start { .. })), "{tried:?}");
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0);
}

#[test]
fn a_name_from_the_database_becomes_a_plain_one() {
    for (name, plain) in [
        ("linux-6.1.dsc", "linux_6.1.dsc"),
        ("../../etc/passwd", "passwd"),
        ("-rf '$(reboot)'", "_rf____reboot__"),
        (".hidden", "hidden"),
        ("..", "upload"),
        ("", "upload"),
        ("grüße.zip", "gr__e.zip"),
    ] {
        assert_eq!(plain_name(name), plain, "{name}");
    }
    let long = plain_name(&format!("{}.dsc", "a".repeat(300)));
    assert!(long.len() <= 100 && long.ends_with("a.dsc"), "{long}");
}

#[test]
fn it_gets_ununpacks_arguments_and_the_uploads_own() {
    let place = Place::with(r#"echo "<$arguments>""#);
    let tried = place.run(b"content", ToolLimits::default(), &Sought::default());
    let said = tried.said.trim();
    let folder = place.folder.path().display();
    let start = format!("<-c {folder} -d {folder}/scratch/");
    assert!(said.starts_with(&start), "{said}");
    assert!(said.contains("/out -qRC -I -E node_modules/ "), "{said}");
    assert!(said.ends_with("/in/upload.bin>"), "{said}");
}

#[test]
fn it_gets_nothing_else_from_us() {
    let place = Place::with(
        r#"env; grep -E 'Sig(Ign|Blk)' /proc/self/status; echo "fds" /proc/self/fd/*; cat; pwd"#,
    );
    // A descriptor that a program would inherit, as the scheduler's agents have them.
    let foreign = nix::fcntl::fcntl(std::io::stderr(), FcntlArg::F_DUPFD(500)).unwrap();
    let tried = place.run(b"content", ToolLimits::default(), &Sought::default());
    let said = tried.said;
    assert_eq!(tried.outcome, Outcome::Finished, "{said}");
    for line in said.lines().filter(|line| line.contains('=')) {
        let name = line.split('=').next().unwrap();
        let known = ["PATH", "HOME", "TMPDIR", "LC_ALL"];
        // The shell adds the last two, and _.
        assert!(
            known.contains(&name) || ["PWD", "OLDPWD", "SHLVL", "_"].contains(&name),
            "{line}"
        );
    }
    for signals in ["SigIgn", "SigBlk"] {
        let line = said.lines().find(|line| line.starts_with(signals)).unwrap();
        let bits = line.rsplit('\t').next().unwrap();
        // Signal 32 and the next one belong to the C library.
        let signals = u64::from_str_radix(bits, 16).unwrap() & !(3 << 31);
        assert_eq!(signals, 0, "{line}");
    }
    let descriptors = said.lines().find(|line| line.starts_with("fds ")).unwrap();
    let numbers: Vec<u32> = descriptors
        .split_whitespace()
        .skip(1)
        .map(|path| path.rsplit('/').next().unwrap().parse().unwrap())
        .collect();
    assert!(descriptors.contains("/fd/0"), "{descriptors}");
    // The shell itself opens some with low numbers: its script, and the folder that it lists.
    assert!(numbers.iter().all(|number| *number < 100), "{descriptors}");
    nix::unistd::close(foreign).unwrap();
}

#[test]
fn as_root_it_can_run_as_somebody_else() {
    if !Uid::effective().is_root() {
        eprintln!("skipped: only root can become somebody else");
        return;
    }
    let place = Place::with(
        r#"id -u; id -g; id -G; echo secret >"$dir/made"; cat "$file"; chmod 000 "$dir""#,
    );
    let scratch = place.path("scratch");
    std::fs::set_permissions(place.folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    std::fs::set_permissions(&scratch, std::fs::Permissions::from_mode(0o711)).unwrap();
    std::fs::write(place.path("blob"), "content").unwrap();
    let seeker = Sought::of(&[b"secret\n"]);
    let tried = place
        .tool
        .run(
            Job {
                file: File::open(place.path("blob")).unwrap(),
                name: "a",
                arguments: &Arguments::default(),
                limits: &ToolLimits::default(),
                scratch: &scratch,
                user: Some((Uid::from_raw(65_534), Gid::from_raw(65_533))),
                stop: &|| false,
            },
            &seeker,
        )
        .unwrap();
    assert_eq!(tried.said, "65534\n65533\n65533\ncontent");
    assert!(seeker.has_all());
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0);
}
