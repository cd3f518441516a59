// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup install` and `fo_backup uninstall`.

use super::exit::Exit;
use super::session::Session;
use crate::fossology::config::Config;
use crate::fossology::queue;
use crate::fossology::scheduler::{self, Message};
use crate::operations::install::{self, Installed, Options, Place, Removed, Waker, Waking};
use crate::operations::settings::Settings;
use crate::operations::{Error, Instance, Result};
use std::path::{Path, PathBuf};

/// Where the module is.
#[derive(clap::Args)]
struct Where {
    /// Work in this folder as if it were '/', and do nothing outside of it: for making packages
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,

    /// The folder of FOSSology's modules [default: MODDIR of fossology.conf]
    #[arg(long, value_name = "DIR")]
    moddir: Option<PathBuf>,
}

/// Make this program an agent of FOSSology's; again: bring it up to date
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Where,

    /// The pages for FOSSology's user interface [default: where 'make install' puts them]
    #[arg(long, value_name = "DIR")]
    pages: Option<PathBuf>,

    /// Leave the database alone, as on hosts that only run agents
    #[arg(long)]
    no_database: bool,

    /// Do what [schedule] of fo_backup.toml says (a backup every night, a check and a verification
    /// every week), by /etc/cron.d
    #[arg(long, conflicts_with = "timer")]
    cron: bool,

    /// The same, by timers of systemd's
    #[arg(long)]
    timer: bool,
}

/// Take the agent away from FOSSology; vaults and the history of runs stay
#[derive(clap::Args)]
pub struct UninstallArgs {
    #[command(flatten)]
    place: Where,

    /// Remove our tables too: the history of runs, findings, and to which vault the instance belongs
    #[arg(long, conflicts_with = "root")]
    drop_history: bool,
}

#[derive(serde::Serialize)]
struct Answer<T> {
    #[serde(flatten)]
    did: T,
    notes: Vec<String>,
}

impl Where {
    fn find(self, session: &Session<'_>) -> Result<Place> {
        let sysconfdir = match (session.named_sysconfdir(), &self.root) {
            (Some(named), _) => absolute(named)?,
            (None, Some(_)) => Config::usual_sysconfdir().to_owned(),
            (None, None) => session.sysconfdir()?,
        };
        Place::find(self.root, sysconfdir, self.moddir)
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(Error::io("looking for", path))
}

pub fn run(session: &Session<'_>, args: Args) -> Result<Exit> {
    let place = args.place.find(session)?;
    let program =
        std::env::current_exe().map_err(Error::io("looking for", Path::new("this program")))?;
    let live = place.root.is_none();
    let waker = match (args.cron, args.timer) {
        (true, _) => Some(Waker::Cron),
        (_, true) => Some(Waker::Timer),
        _ => None,
    };
    let user = || match Config::load(&place.sysconfdir) {
        Ok(config) if live => config.user(),
        _ => Config::usual_directory("PROJECTUSER").unwrap_or_default(),
    };
    let options = Options {
        pages: args.pages.or_else(|| usual_pages(&program)),
        program,
        waking: waker
            .map(|waker| {
                // Settings of this host are none of a package's.
                let settings = Settings::load(live.then_some(place.sysconfdir.as_path()))?;
                Ok::<_, Error>(Waking {
                    waker,
                    user: user(),
                    schedule: settings.schedule,
                })
            })
            .transpose()?,
    };
    let did = install::run(&place, &options)?;
    let mut notes = Vec::new();
    if live {
        if !args.no_database {
            // A host that wakes nothing has no say in what is late.
            let schedule = options.waking.as_ref().map(|waking| &waking.schedule);
            let made = Instance::load(&place.sysconfdir)
                .and_then(|instance| install::make_tables(&instance, schedule));
            // On a host that only runs agents there may be no way to the database.
            if let Err(error) = made {
                notes.push(format!(
                    "our tables were not made, which the first run tries again: {error}"
                ));
            }
        }
        if args.no_database {
            // Then nobody knows whether jobs are running.
            notes.push(not_told(
                "without the database nobody knows whether jobs are running",
            ));
        } else {
            reload(&place, &mut notes);
        }
    }
    if waker == Some(Waker::Timer) {
        let timers: Vec<_> = did
            .schedule
            .iter()
            .filter(|file| file.extension().is_some_and(|end| end == "timer"))
            .filter_map(|file| file.file_name()?.to_str())
            .collect();
        notes.push(format!(
            "start the timers: systemctl daemon-reload && systemctl enable --now {}",
            timers.join(" ")
        ));
    }
    let answer = Answer { did, notes };
    session.output.result("install", &answer, || text(&answer));
    Ok(Exit::Done)
}

pub fn run_uninstall(session: &Session<'_>, args: UninstallArgs) -> Result<Exit> {
    let place = args.place.find(session)?;
    if args.drop_history {
        // First, so that a refusal leaves all as it is.
        install::drop_history(&Instance::load(&place.sysconfdir)?)?;
    }
    let did = install::remove(&place)?;
    let mut notes = Vec::new();
    let is_timer = |file: &PathBuf| file.extension().is_some_and(|end| end == "timer");
    if did.removed.iter().any(is_timer) {
        notes.push("let systemd forget the timers: systemctl daemon-reload".to_owned());
    }
    if place.root.is_none() {
        reload(&place, &mut notes);
    }
    let answer = Answer { did, notes };
    session.output.result("uninstall", &answer, || {
        let Removed { removed } = &answer.did;
        let mut text: String = removed
            .iter()
            .map(|path| format!("removed {}\n", path.display()))
            .collect();
        if removed.is_empty() {
            text += "there was nothing to remove\n";
        }
        text + &noted(&answer.notes)
    });
    Ok(Exit::Done)
}

/// Where 'make install' puts the pages: beside the folder that the program lies in.
fn usual_pages(program: &Path) -> Option<PathBuf> {
    let pages = program
        .parent()?
        .parent()?
        .join("share/fossology-backup/ui-plugin");
    pages.is_dir().then_some(pages)
}

/// Tells the scheduler to read its modules, when that does it no harm: FOSSology's scheduler crashes
/// when a job ends that ran while it did so.
fn reload(place: &Place, notes: &mut Vec<String>) {
    let running = Instance::load(&place.sysconfdir).and_then(|instance| {
        let mut client = instance.connect("install")?;
        Ok((queue::running(&mut client)?, instance))
    });
    let why = match running {
        Ok((0, instance)) => match scheduler::tell(&instance.config, Message::Modules) {
            Ok(()) => return,
            Err(error) => format!("it does not answer: {error}"),
        },
        Ok((running, _)) => {
            format!("{running} of its jobs are running, which a reload could break")
        }
        Err(error) => format!("it is not known whether jobs are running: {error}"),
    };
    notes.push(not_told(&why));
}

fn not_told(why: &str) -> String {
    format!(
        "FOSSology's scheduler was not told ({why}); it sees the change when it is restarted, best when no job runs"
    )
}

fn text(answer: &Answer<Installed>) -> String {
    let did = &answer.did;
    let mut text = format!(
        "{} is installed and linked by {}\n",
        did.module.display(),
        did.link.display()
    );
    for file in &did.schedule {
        text += &format!("{} is written\n", file.display());
    }
    text + &noted(&answer.notes)
}

fn noted(notes: &[String]) -> String {
    notes.iter().map(|note| format!("note: {note}\n")).collect()
}
