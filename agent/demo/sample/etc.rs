// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The sample's configuration: what `SYSCONFDIR` of an installed FOSSology holds, as far as a
//! backup takes it, and the module folder that it links to.

use super::super::{Error, Result};
use super::repository::HostRange;
use std::fs;
use std::path::Path;

/// The release that the sample claims to be.
pub(super) const RELEASE: &str = "4.7.1.124";
/// What the `agent` table has as revision.
pub(super) const REVISION: &str = "4.7.1.124.a48620";
/// The agents that the sample knows, and whether the scheduler runs them alone.
pub(super) const AGENTS: [(&str, bool); 8] = [
    ("adj2nest", false),
    ("delagent", true),
    ("maintagent", true),
    ("mimetype", false),
    ("nomos", false),
    ("readmeoss", false),
    ("ununpack", false),
    ("wget_agent", false),
];

/// What goes into the configuration files.
pub(super) struct Settings<'a> {
    pub repository: &'a Path,
    pub depth: u8,
    pub hosts: &'a [HostRange],
    pub database: &'a str,
    pub database_port: u16,
    pub password: &'a str,
    pub user: &'a str,
    pub group: &'a str,
    pub scheduler_port: u16,
}

/// Writes `home/etc` and `home/local/share/fossology`.
pub(super) fn write(home: &Path, settings: &Settings<'_>) -> Result<()> {
    let etc = home.join("etc");
    make(&etc.join("mods-enabled"))?;
    put(&etc.join("fossology.conf"), &fossology_conf(home, settings))?;
    let db = format!(
        "dbname={};\nhost=127.0.0.1;\nport={};\nuser=fossy;\npassword={};\nclient_encoding=utf8;\n",
        settings.database, settings.database_port, settings.password
    );
    put(&etc.join("Db.conf"), &db)?;
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o640);
    fs::set_permissions(etc.join("Db.conf"), closed).map_err(Error::io("closing", &etc))?;
    put(&etc.join("VERSION"), &version("BUILD"))?;
    put(
        &etc.join("sampleheader.txt"),
        "Dear reader, a job of yours has ended.\n",
    )?;
    put(
        &etc.join("samplefooter.txt"),
        "This mail was sent by the sample instance.\n",
    )?;
    for (agent, exclusive) in AGENTS {
        let module = home.join("local/share/fossology").join(agent);
        make(&module)?;
        let special = if exclusive { "EXCLUSIVE" } else { "" };
        let conf = format!("[default]\ncommand = {agent}\nmax = -1\nspecial[] = {special}\n");
        put(&module.join(format!("{agent}.conf")), &conf)?;
        put(&module.join("VERSION"), &version(agent))?;
        let link = etc.join("mods-enabled").join(agent);
        std::os::unix::fs::symlink(&module, &link).map_err(Error::io("linking", &link))?;
    }
    Ok(())
}

fn version(section: &str) -> String {
    format!("[{section}]\nVERSION=4.7.1.124\nCOMMIT_HASH=a48620\n")
}

fn fossology_conf(home: &Path, settings: &Settings<'_>) -> String {
    let etc = home.join("etc");
    let mut names: Vec<&str> = settings
        .hosts
        .iter()
        .map(|range| range.host.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    let hosts: String = names
        .iter()
        .map(|name| format!("{name} = localhost {} 10\n", etc.display()))
        .collect();
    let ranges: String = settings.hosts.iter().map(HostRange::line).collect();
    format!(
        "; A sample instance of FOSSology.\n\
         [FOSSOLOGY]\nport = {}\naddress = localhost\ndepth = {}\npath = {}\n\n\
         [HOSTS]\n{hosts}\n\
         [REPOSITORY]\n{ranges}\n\
         [DIRECTORIES]\nPROJECT=fossology\nPROJECTGROUP={}\nPROJECTUSER={}\nPREFIX={}\n\
         LIBEXECDIR=$PREFIX/lib/$PROJECT\nDATAROOTDIR=$PREFIX/share\nMODDIR=$DATAROOTDIR/$PROJECT\n\
         LOCALSTATEDIR=$PREFIX/var\nCACHEDIR=$LOCALSTATEDIR/cache/$PROJECT\n\
         LOGDIR=$LOCALSTATEDIR/log/$PROJECT\n\n\
         [EMAILNOTIFY]\nheader = sampleheader.txt\nfooter = samplefooter.txt\n\
         subject = FOSSology scan complete\nclient = /usr/bin/s-nail\n",
        settings.scheduler_port,
        settings.depth,
        settings.repository.display(),
        settings.group,
        settings.user,
        home.join("local").display(),
    )
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::io("making", folder))
}

fn put(path: &Path, content: &str) -> Result<()> {
    fs::write(path, content).map_err(Error::io("writing", path))
}
