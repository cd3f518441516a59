// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The module in a FOSSology: MODDIR/backup with program, conf, VERSION, pages and the list of verbs
//! that these may ask for, and the link to it in mods-enabled, by which scheduler and pages find it.
//! Each file is replaced whole, under its own name, so an agent that runs keeps the program that it
//! was started with.
//!
//! The link comes last, and is the first that goes. Killed before it, nobody knows the module;
//! the same command again finishes the work.

mod files;
mod schedule;
mod uninstall;

pub use schedule::{Planned, Waker, planned};
pub use uninstall::{Removed, drop_history, remove};

use super::schedule::{Schedule, TASKS, Task};
use super::{Error, Instance, Result, request};
use crate::fossology::config::Config;
use crate::fossology::database;
use crate::fossology::module::{self, AGENT, Version};
use crate::fossology::own;
use files::Owner;
use postgres::GenericClient;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the module goes.
#[derive(Clone, Debug)]
pub struct Place {
    /// A folder that stands for `/`, for whoever makes a package.
    pub root: Option<PathBuf>,
    /// FOSSology's configuration folder, as it is seen by FOSSology.
    pub sysconfdir: PathBuf,
    /// The folder of all modules, as it is seen by FOSSology.
    pub moddir: PathBuf,
}

/// What is installed besides the module.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program.
    pub program: PathBuf,
    /// The folder with the pages' files.
    pub pages: Option<PathBuf>,
    /// Who wakes the tasks of the schedule, if anybody.
    pub waking: Option<Waking>,
}

/// How the tasks of the schedule are begun.
#[derive(Clone, Debug)]
pub struct Waking {
    /// Who wakes them.
    pub waker: Waker,
    /// As whom.
    pub user: String,
    /// The schedule.
    pub schedule: Schedule,
}

/// What was installed.
#[derive(Debug, Serialize)]
pub struct Installed {
    /// The module's folder.
    pub module: PathBuf,
    /// The link to it.
    pub link: PathBuf,
    /// How many files of the pages there are.
    pub pages: usize,
    /// What wakes the tasks of the schedule.
    pub schedule: Vec<PathBuf>,
}

impl Place {
    /// The place of a FOSSology: its modules' folder is what fossology.conf says, or as an
    /// installation makes it, unless it is named.
    ///
    /// # Errors
    /// When there is no fossology.conf, though it is no package that is made.
    pub fn find(
        root: Option<PathBuf>,
        sysconfdir: PathBuf,
        moddir: Option<PathBuf>,
    ) -> Result<Self> {
        if moddir.as_ref().is_some_and(|moddir| moddir.is_relative()) {
            return Err(Error::Usage(
                "the folder of modules has to be absolute".into(),
            ));
        }
        let mut place = Self {
            root,
            sysconfdir,
            moddir: PathBuf::new(),
        };
        let config = Config::load(&place.real(&place.sysconfdir));
        place.moddir = match (moddir, config, &place.root) {
            (Some(moddir), Ok(_), _) | (Some(moddir), _, Some(_)) => moddir,
            (None, Ok(config), _) => config.directory("MODDIR").unwrap_or_default().into(),
            (None, Err(_), Some(_)) => Config::usual_directory("MODDIR").unwrap_or_default().into(),
            (_, Err(error), None) => return Err(error.into()),
        };
        Ok(place)
    }

    /// The module's folder, as it is seen by FOSSology.
    fn module(&self) -> PathBuf {
        self.moddir.join(AGENT)
    }

    /// The link to it.
    fn link(&self) -> PathBuf {
        self.real(&self.sysconfdir).join("mods-enabled").join(AGENT)
    }

    /// Where a path of FOSSology's is for us.
    fn real(&self, path: &Path) -> PathBuf {
        match &self.root {
            Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_owned(),
        }
    }
}

/// Installs the module, or brings it up to date.
///
/// # Errors
/// When something could not be written, or something that is not ours is in the way.
pub fn run(place: &Place, options: &Options) -> Result<Installed> {
    let (module, link) = (place.real(&place.module()), place.link());
    if fs::symlink_metadata(&link).is_ok_and(|there| !there.is_symlink()) {
        return Err(Error::Usage(format!(
            "{} is there and is no link; move it away",
            link.display()
        )));
    }
    let owner = place
        .root
        .is_none()
        .then(|| Owner::of_neighbour(&module))
        .flatten();
    files::folder(&module, owner)?;
    files::folder(&module.join("agent"), owner)?;
    files::copy(
        &options.program,
        &module.join("agent").join(AGENT),
        0o755,
        owner,
    )?;
    let pages = match &options.pages {
        Some(pages) => files::mirror(pages, &module.join("ui"), owner)?,
        None => 0,
    };
    let version = Version::own().file();
    files::write(&module.join("VERSION"), version.as_bytes(), owner)?;
    let verbs = serde_json::json!(request::VERBS).to_string();
    files::write(&module.join("verbs.json"), verbs.as_bytes(), owner)?;
    let conf = module::conf();
    files::write(
        &module.join(format!("{AGENT}.conf")),
        conf.as_bytes(),
        owner,
    )?;
    let schedule = match &options.waking {
        Some(waking) => schedule::install(place, waking.waker, &waking.user, &waking.schedule)?,
        None => Vec::new(),
    };
    // From here on FOSSology knows the module, and all of it is there.
    files::link(&place.module(), &link)?;
    Ok(Installed {
        module,
        link,
        pages,
        schedule,
    })
}

/// Makes our tables and the agent's row, and tells the pages what a schedule expects that this host
/// wakes.
///
/// # Errors
/// When the database cannot be reached or does not let us.
pub fn make_tables(instance: &Instance, schedule: Option<&Schedule>) -> Result<()> {
    let mut client = instance.connect("install")?;
    own::ensure_schema(&mut client)?;
    if let Some(schedule) = schedule {
        tell_limits(&mut client, schedule, Path::new("/"))?;
    }
    Ok(module::register(&mut client, &Version::own())?)
}

/// Tells the pages how old things may be, as `status` on this host judges it: fo_backup.toml may not
/// be theirs to read. `root` stands for `/`.
///
/// # Errors
/// When the statement fails.
pub fn tell_limits(
    client: &mut impl GenericClient,
    schedule: &Schedule,
    root: &Path,
) -> database::Result<()> {
    let planned = planned(root);
    let limit = |task: &Task| {
        let limit = schedule.limit(task.verb, planned.contains_key(task.verb))?;
        Some((task.verb, limit.as_secs()))
    };
    own::set_limits(client, &TASKS.iter().filter_map(limit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fossology::database::testing::cluster;
    use serde_json::json;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    /// What a packager has: a root and nothing in it.
    fn package() -> (tempfile::TempDir, Place, Options) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("fo_backup");
        fs::write(&program, "first").unwrap();
        let place = Place::find(
            Some(folder.path().join("root")),
            "/etc/fossology".into(),
            None,
        )
        .unwrap();
        let options = Options {
            program,
            pages: None,
            waking: None,
        };
        (folder, place, options)
    }

    #[test]
    fn a_package_has_what_the_scheduler_looks_for() {
        let (folder, place, options) = package();
        let installed = run(&place, &options).unwrap();
        let root = folder.path().join("root");
        let module = root.join("usr/local/share/fossology/backup");
        assert_eq!(installed.module, module);
        assert_eq!(
            fs::read_link(root.join("etc/fossology/mods-enabled/backup")).unwrap(),
            Path::new("/usr/local/share/fossology/backup")
        );
        let program = fs::metadata(module.join("agent/backup")).unwrap();
        assert_eq!(program.permissions().mode() & 0o777, 0o755);
        let conf = fs::read_to_string(module.join("backup.conf")).unwrap();
        for key in ["[default]", "command = backup", "max = ", "special[] ="] {
            assert!(conf.contains(key), "{conf}");
        }
        assert_eq!(Version::load(&module.join("VERSION")), Some(Version::own()));
        let verbs = fs::read(module.join("verbs.json")).unwrap();
        let verbs: Vec<String> = serde_json::from_slice(&verbs).unwrap();
        assert_eq!(verbs, request::VERBS);
    }

    #[test]
    fn an_update_replaces_the_program_under_those_who_run_it() {
        let (_folder, place, options) = package();
        let program = run(&place, &options).unwrap().module.join("agent/backup");
        let before = fs::File::open(&program).unwrap();
        fs::write(&options.program, "second").unwrap();
        run(&place, &options).unwrap();
        assert_eq!(fs::read_to_string(&program).unwrap(), "second");
        assert_eq!(std::io::read_to_string(&before).unwrap(), "first");
        assert_ne!(
            before.metadata().unwrap().ino(),
            fs::metadata(&program).unwrap().ino()
        );
        assert_eq!(fs::read_dir(program.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn pages_follow_their_source_and_tests_stay_behind() {
        let (folder, place, mut options) = package();
        let pages = folder.path().join("pages");
        for path in [
            "backup.php",
            "old.php",
            "template/page.html.twig",
            "tests/test.php",
            "README.md",
        ] {
            let path = pages.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        options.pages = Some(pages.clone());
        let installed = run(&place, &options).unwrap();
        let ui = installed.module.join("ui");
        assert_eq!(installed.pages, 3);
        assert!(ui.join("template/page.html.twig").exists() && !ui.join("tests").exists());
        fs::remove_file(pages.join("old.php")).unwrap();
        assert_eq!(run(&place, &options).unwrap().pages, 2);
        assert!(ui.join("backup.php").exists() && !ui.join("old.php").exists());
        // Without a single page there is nothing to show.
        fs::remove_file(pages.join("backup.php")).unwrap();
        assert_eq!(run(&place, &options).unwrap().pages, 0);
        assert!(!ui.exists());
    }

    #[test]
    fn pages_are_told_what_is_expected_of_the_schedule_that_is_installed() {
        let (folder, place, mut options) = package();
        let schedule: Schedule = toml::from_str("check = \"never\"\nverify = \"10 days\"").unwrap();
        let mut client = cluster().fossology("UTF8").connect("test").unwrap();
        own::ensure_schema(&mut client).unwrap();
        let root = folder.path().join("root");
        let mut told = |schedule: &Schedule| {
            tell_limits(&mut client, schedule, &root).unwrap();
            let row = client.query_one("SELECT limits FROM backup_instance", &[]);
            row.unwrap().get::<_, serde_json::Value>(0)
        };
        let (day, hour) = (86400, 3600);
        // Nobody wakes anything, so nothing is missed that is not set.
        assert_eq!(
            told(&schedule),
            json!({"backup": 30 * hour, "verify": 10 * day})
        );
        options.waking = Some(Waking {
            waker: Waker::Cron,
            user: "fossy".into(),
            schedule: schedule.clone(),
        });
        run(&place, &options).unwrap();
        assert_eq!(
            told(&schedule),
            json!({"backup": 30 * hour, "verify": 10 * day, "drill": 9 * day, "expire": 9 * day})
        );
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let (_folder, place, options) = package();
        fs::create_dir_all(place.link()).unwrap();
        let error = run(&place, &options).unwrap_err().to_string();
        assert!(error.contains("is no link"), "{error}");
        let error = remove(&place).unwrap_err().to_string();
        assert!(error.contains("is no link"), "{error}");
        assert!(place.link().is_dir());
    }

    #[test]
    fn removing_leaves_nothing_and_may_be_done_twice() {
        let (folder, place, mut options) = package();
        let waking = |waker| {
            Some(Waking {
                waker,
                user: "fossy".into(),
                schedule: Schedule::default(),
            })
        };
        options.waking = waking(Waker::Timer);
        let units = run(&place, &options).unwrap().schedule.len();
        assert_eq!(units, 2 * Schedule::default().tasks().len());
        let removed = remove(&place).unwrap().removed;
        assert_eq!(removed.len(), 2 + units);
        options.waking = waking(Waker::Cron);
        run(&place, &options).unwrap();
        let cron = folder.path().join("root/etc/cron.d/fossology-backup");
        let text = fs::read_to_string(cron).unwrap();
        assert!(
            text.contains(" fossy ") && text.contains("queue backup"),
            "{text}"
        );
        let removed = remove(&place).unwrap();
        assert_eq!(removed.removed.len(), 3);
        assert_eq!(remove(&place).unwrap().removed, Vec::<PathBuf>::new());
        let left: Vec<_> = walkdir::WalkDir::new(folder.path().join("root"))
            .into_iter()
            .map(|entry| entry.unwrap())
            .filter(|entry| !entry.file_type().is_dir())
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
