// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! FOSSology's configuration: where it lies, fossology.conf and Db.conf. Only read, never
//! written. A mistake is an error with file, line, key and what is expected.

mod database;
mod ini;
mod proxies;
mod secret;

pub use database::DbConf;
pub use proxies::Proxies;
pub use secret::Secret;

use super::repository::{Layout, Range};
use super::{Error, Result};
use crate::blob::HostName;
use ini::{Entry, Ini, expand};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The folders that FOSSology's installations use.
const USUAL: [&str; 2] = ["/usr/local/etc/fossology", "/etc/fossology"];

/// `[DIRECTORIES]` of an installation that changed nothing; taken for keys that are missing.
const DIRECTORIES: [(&str, &str); 16] = [
    ("PROJECT", "fossology"),
    ("PROJECTUSER", "fossy"),
    ("PROJECTGROUP", "fossy"),
    ("PREFIX", "/usr/local"),
    ("BINDIR", "$PREFIX/bin"),
    ("SBINDIR", "$PREFIX/sbin"),
    ("LIBDIR", "$PREFIX/lib"),
    ("INCLUDEDIR", "$PREFIX/include"),
    ("LIBEXECDIR", "$PREFIX/lib/$PROJECT"),
    ("DATAROOTDIR", "$PREFIX/share"),
    ("MODDIR", "$DATAROOTDIR/$PROJECT"),
    ("REPODIR", "/srv/$PROJECT/repository"),
    ("LOCALSTATEDIR", "/var/local"),
    ("PROJECTSTATEDIR", "$LOCALSTATEDIR/lib/$PROJECT"),
    ("CACHEDIR", "$LOCALSTATEDIR/cache/$PROJECT"),
    ("LOGDIR", "/var/log/$PROJECT"),
];

/// What fossology.conf says.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder that holds fossology.conf, Db.conf and mods-enabled.
    pub sysconfdir: PathBuf,
    /// Where the scheduler listens.
    pub address: String,
    /// The scheduler's TCP port.
    pub port: u16,
    /// The repository.
    pub layout: Layout,
    /// The hosts that agents run on, in the order of their names.
    pub hosts: Vec<AgentHost>,
    directories: Vec<(String, String)>,
    /// By which proxies FOSSology's agents reach the web.
    pub proxies: Proxies,
}

/// A line of `[HOSTS]`: where the scheduler starts agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentHost {
    /// The key, as jobs name it in `jq_host`.
    pub name: String,
    /// The address for ssh; `localhost` means without.
    pub address: String,
    /// The folder that holds `mods-enabled` there.
    pub agent_dir: PathBuf,
    /// How many agents may run there at once; negative: as many as there are.
    pub max: i32,
}

impl Config {
    /// The configuration's folder: what the flag says, else `FO_SYSCONFDIR`, else the folder
    /// whose `mods-enabled` this program was started from (`argv0` keeps that path, the resolved
    /// path of the executable does not), else where FOSSology usually is.
    ///
    /// # Errors
    /// When no folder was named and none of the others has a fossology.conf.
    pub fn find_sysconfdir(flag: Option<&Path>, argv0: Option<&Path>) -> Result<PathBuf> {
        let variable = std::env::var_os("FO_SYSCONFDIR");
        choose_sysconfdir(flag, variable.as_deref(), argv0, |folder| {
            folder.join("fossology.conf").is_file()
        })
    }

    /// Reads `<sysconfdir>/fossology.conf`.
    ///
    /// # Errors
    /// When it cannot be read, or at the first mistake in it.
    pub fn load(sysconfdir: &Path) -> Result<Self> {
        let file = sysconfdir.join("fossology.conf");
        let text = std::fs::read(&file).map_err(Error::io("reading", &file))?;
        Self::parse(sysconfdir, &text)
    }

    /// Reads the content of a fossology.conf, as a backup keeps it.
    ///
    /// # Errors
    /// At the first mistake in it.
    pub fn parse(sysconfdir: &Path, text: &[u8]) -> Result<Self> {
        let file = sysconfdir.join("fossology.conf");
        let ini = Ini::parse(&file, text)?;
        let basics = ini.section("FOSSOLOGY").ok_or_else(|| {
            ini.error_in(
                "FOSSOLOGY",
                "is missing; expected port, address, depth and path there",
            )
        })?;
        let depth = match basics.get("depth") {
            Some(entry) => number(&ini, entry, 0..=i32::from(Layout::MAX_DEPTH))?,
            None => 3,
        };
        let port = match basics.get("port") {
            Some(entry) => number(&ini, entry, 1..=i32::from(u16::MAX))?,
            None => 24693,
        };
        let address = basics
            .get("address")
            .map_or("localhost", |e| e.value.trim());
        let path = match basics.get("path") {
            Some(entry) if !entry.value.starts_with('/') => {
                let problem =
                    "expected an absolute path without quotes, as in '/srv/fossology/repository'";
                return Err(ini.error_at(entry, problem));
            }
            Some(entry) => entry.value.as_str(),
            None => "/srv/fossology/repository",
        };
        Ok(Self {
            sysconfdir: sysconfdir.to_owned(),
            address: address.to_owned(),
            port,
            layout: Layout::new(path, depth, ranges(&ini)?),
            hosts: agent_hosts(&ini)?,
            directories: directories(&ini),
            proxies: Proxies::of(basics),
        })
    }

    /// The user that FOSSology runs as.
    pub fn user(&self) -> String {
        self.directory("PROJECTUSER").unwrap_or_default()
    }

    /// The group that FOSSology's files belong to.
    pub fn group(&self) -> String {
        self.directory("PROJECTGROUP").unwrap_or_default()
    }

    /// A value of `[DIRECTORIES]`, `MODDIR` for one, with every `$VAR` replaced; where the file
    /// does not set it, as FOSSology's installation would. `None` for keys that neither knows.
    pub fn directory(&self, key: &str) -> Option<String> {
        if let Some((_, value)) = self.directories.iter().rev().find(|(k, _)| k == key) {
            return Some(value.clone());
        }
        let (_, template) = DIRECTORIES.iter().find(|(k, _)| *k == key)?;
        expand(template, |name| self.directory(name)).ok()
    }

    /// A value of `[DIRECTORIES]` as FOSSology's installation has it where nobody changed it.
    pub fn usual_directory(key: &str) -> Option<String> {
        let (_, template) = DIRECTORIES.iter().find(|(k, _)| *k == key)?;
        expand(template, Self::usual_directory).ok()
    }

    /// The configuration folder that FOSSology's installation makes where nobody named another.
    pub fn usual_sysconfdir() -> &'static Path {
        Path::new(USUAL[0])
    }
}

fn choose_sysconfdir(
    flag: Option<&Path>,
    variable: Option<&OsStr>,
    argv0: Option<&Path>,
    is_there: impl Fn(&Path) -> bool,
) -> Result<PathBuf> {
    if let Some(named) = flag.or(variable.filter(|v| !v.is_empty()).map(Path::new)) {
        return Ok(named.to_owned());
    }
    let own = argv0.and_then(|path| {
        let (agent, mods) = (path.parent()?, path.ancestors().nth(3)?);
        (agent.ends_with("agent") && mods.ends_with("mods-enabled")).then(|| mods.parent())?
    });
    let looked: Vec<_> = own.into_iter().chain(USUAL.iter().map(Path::new)).collect();
    match looked.iter().find(|folder| is_there(folder)) {
        Some(folder) => Ok(folder.to_path_buf()),
        None => Err(Error::NoConfiguration {
            looked: looked.into_iter().map(Path::to_owned).collect(),
        }),
    }
}

/// FOSSology takes the digits and stops at whatever follows; here only blanks may end them.
fn number<T: TryFrom<i32>>(
    ini: &Ini<'_>,
    entry: &Entry,
    allowed: std::ops::RangeInclusive<i32>,
) -> Result<T> {
    let word = entry.value.split_ascii_whitespace().next().unwrap_or("");
    word.parse()
        .ok()
        .filter(|number| allowed.contains(number))
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| {
            let (low, high) = (allowed.start(), allowed.end());
            let problem = format!("'{word}' is no number from {low} to {high}");
            ini.error_at(entry, problem)
        })
}

fn ranges(ini: &Ini<'_>) -> Result<Vec<Range>> {
    let entries = ini.section("REPOSITORY").map_or(&[][..], |s| s.entries());
    if entries.is_empty() {
        return Err(ini.error_in(
            "REPOSITORY",
            "is missing or empty, so the scheduler would not start; expected 'name[] = type from to', as in 'localhost[] = * 00 ff'",
        ));
    }
    let range = |entry: &Entry| {
        if !entry.list {
            return Err(ini.error_at(
                entry,
                "expected 'name[] = type from to' with the brackets; FOSSology skips it without them",
            ));
        }
        let host =
            HostName::new(entry.key.as_str()).map_err(|e| ini.error_at(entry, e.to_string()))?;
        Range::parse(host, &entry.value)
            .map_err(|e| ini.error_at(entry, format!("'{}': {e}", entry.value)))
    };
    entries.iter().map(range).collect()
}

fn agent_hosts(ini: &Ini<'_>) -> Result<Vec<AgentHost>> {
    let entries = ini.section("HOSTS").map_or(&[][..], |s| s.entries());
    let host = |entry: &Entry| {
        let words: Vec<_> = entry.value.split_ascii_whitespace().collect();
        let wrong = || {
            let problem = "expected 'name = address agent_dir max', as in 'localhost = localhost /usr/local/etc/fossology 10'";
            ini.error_at(entry, problem)
        };
        let [address, agent_dir, max, ..] = words[..] else {
            return Err(wrong());
        };
        Ok(AgentHost {
            name: entry.key.clone(),
            address: address.to_owned(),
            agent_dir: agent_dir.into(),
            max: max.parse().map_err(|_| wrong())?,
        })
    };
    let mut hosts = entries.iter().map(host).collect::<Result<Vec<_>>>()?;
    // Of two lines for one host FOSSology takes the last: it comes first after turning them round.
    hosts.reverse();
    hosts.sort_by(|a, b| a.name.cmp(&b.name));
    hosts.dedup_by(|a, b| a.name == b.name);
    Ok(hosts)
}

/// PHP and shell read this section too; they drop quotes and blanks around a value.
fn directories(ini: &Ini<'_>) -> Vec<(String, String)> {
    let entries = ini.section("DIRECTORIES").map_or(&[][..], |s| s.entries());
    let value = |e: &Entry| {
        let value = e.value.trim();
        let quoted = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
        quoted.unwrap_or(value).to_owned()
    };
    entries.iter().map(|e| (e.key.clone(), value(e))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::Tree;

    const USUAL_CONF: &str = "\
; a comment
[FOSSOLOGY]
port = 24693
address = fo.example.org
depth = 2
path = /data/repository

[HOSTS]
localhost = localhost /usr/local/etc/fossology 10
agent2 = 10.0.0.2 /etc/fossology -1

[REPOSITORY]
nfs2[] = * 80 ff
nfs1[] = * 00 7f

[DIRECTORIES]
PROJECT=fossology
PROJECTUSER=fo
PREFIX=/opt
DATAROOTDIR=$PREFIX/share
MODDIR=$DATAROOTDIR/$PROJECT

[EMAILNOTIFY]
client  = /usr/bin/s-nail
";

    fn parse(text: &str) -> Result<Config> {
        Config::parse(Path::new("/etc/fo"), text.as_bytes())
    }

    #[test]
    fn the_usual_file_is_read() {
        let config = parse(USUAL_CONF).unwrap();
        assert_eq!(config.address, "fo.example.org");
        assert_eq!(config.port, 24693);
        assert_eq!(config.layout.depth(), 2);
        assert_eq!(config.layout.path(), Path::new("/data/repository"));
        let hosts = config
            .layout
            .roots()
            .iter()
            .filter(|r| r.tree == Tree::Gold);
        let hosts: Vec<_> = hosts
            .filter_map(|r| r.host.as_ref()?.as_str().into())
            .collect();
        assert_eq!(hosts, ["nfs1", "nfs2"]);
        assert_eq!(
            config
                .hosts
                .iter()
                .map(|h| (h.name.as_str(), h.max))
                .collect::<Vec<_>>(),
            [("agent2", -1), ("localhost", 10)]
        );
        assert_eq!(config.user(), "fo");
        assert_eq!(config.group(), "fossy");
        assert_eq!(
            config.directory("MODDIR").as_deref(),
            Some("/opt/share/fossology")
        );
    }

    #[test]
    fn what_is_missing_is_as_fossology_installs_it() {
        let config = parse(
            "[FOSSOLOGY]\n[REPOSITORY]\nlocalhost[] = * 00 ff\n[DIRECTORIES]\nPREFIX = \"/usr\"\n",
        )
        .unwrap();
        assert_eq!((config.port, config.address.as_str()), (24693, "localhost"));
        assert_eq!(config.layout.depth(), 3);
        assert_eq!(config.layout.path(), Path::new("/srv/fossology/repository"));
        assert!(config.hosts.is_empty());
        assert_eq!(config.user(), "fossy");
        assert_eq!(
            config.directory("MODDIR").as_deref(),
            Some("/usr/share/fossology")
        );
        assert_eq!(
            config.directory("CACHEDIR").as_deref(),
            Some("/var/local/cache/fossology")
        );
        assert_eq!(config.directory("NONSENSE"), None);
    }

    #[test]
    fn mistakes_are_named() {
        let whole = "[FOSSOLOGY]\ndepth = 3\n[HOSTS]\nlocalhost = localhost /etc/fo 10\n[REPOSITORY]\nlocalhost[] = * 00 ff\n";
        for (right, wrong, message) in [
            (
                "depth = 3",
                "depth = three",
                "line 2, key depth: 'three' is no number from 0 to 20",
            ),
            (
                "depth = 3",
                "depth = 21",
                "line 2, key depth: '21' is no number from 0 to 20",
            ),
            ("depth = 3", "depth =", "line 2, key depth: '' is no number"),
            (
                "depth = 3",
                "port = 0",
                "line 2, key port: '0' is no number from 1 to 65535",
            ),
            (
                "depth = 3",
                "path = srv",
                "line 2, key path: expected an absolute path",
            ),
            (
                "depth = 3",
                "path = \"/srv\"",
                "line 2, key path: expected an absolute path",
            ),
            (
                "/etc/fo 10",
                "/etc/fo",
                "line 4, key localhost: expected 'name = address agent_dir max'",
            ),
            (
                "/etc/fo 10",
                "/etc/fo many",
                "line 4, key localhost: expected 'name = address",
            ),
            (
                "* 00 ff",
                "* 00",
                "line 6, key localhost[]: '* 00': expected 'type from to'",
            ),
            (
                "localhost[]",
                "localhost",
                "line 6, key localhost: expected 'name[] = type from to'",
            ),
            (
                "localhost[]",
                "..[]",
                "line 6, key ..[]: '..' cannot be a repository host",
            ),
            (
                "[FOSSOLOGY]\ndepth = 3\n",
                "",
                "section [FOSSOLOGY]: is missing",
            ),
            (
                "localhost[] = * 00 ff\n",
                "",
                "section [REPOSITORY]: is missing or empty",
            ),
        ] {
            let error = parse(&whole.replace(right, wrong)).unwrap_err().to_string();
            let expected = format!("/etc/fo/fossology.conf, {message}");
            assert!(error.starts_with(&expected), "{wrong}: {error}");
        }
        assert!(parse(whole).is_ok());
        assert!(
            parse("")
                .unwrap_err()
                .to_string()
                .contains("[FOSSOLOGY]: is missing")
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = Config::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("fossology.conf: No such file"), "{error}");
    }

    #[test]
    fn the_folder_is_found_in_fossologys_order() {
        let flag = Some(Path::new("/flag"));
        let variable = Some(OsStr::new("/variable"));
        let own = Some(Path::new("/own/mods-enabled/backup/agent/backup"));
        let all = |_: &Path| true;
        let choose = |flag, variable, argv0, is_there: &dyn Fn(&Path) -> bool| {
            choose_sysconfdir(flag, variable, argv0, is_there)
        };
        assert_eq!(
            choose(flag, variable, own, &all).unwrap(),
            Path::new("/flag")
        );
        assert_eq!(
            choose(None, variable, own, &all).unwrap(),
            Path::new("/variable")
        );
        assert_eq!(
            choose(None, Some(OsStr::new("")), own, &all).unwrap(),
            Path::new("/own")
        );
        for other in [
            "fo_backup",
            "/usr/bin/fo_backup",
            "/x/mods-enabled/backup/ui/backup",
        ] {
            let found = choose(None, None, Some(Path::new(other)), &all).unwrap();
            assert_eq!(found, Path::new("/usr/local/etc/fossology"), "{other}");
        }
        let only_etc = |folder: &Path| folder == Path::new("/etc/fossology");
        assert_eq!(
            choose(None, None, own, &only_etc).unwrap(),
            Path::new("/etc/fossology")
        );
        let error = choose(None, None, own, &|_| false).unwrap_err().to_string();
        assert!(
            error.contains("/own, /usr/local/etc/fossology, /etc/fossology"),
            "{error}"
        );
    }
}
