// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who packs what, when FOSSology's scheduler has several hosts to run agents on? Storage and
//! agents are matched by their names: a repository host belongs to the agent host that is called
//! like it. Pure.

use crate::blob::HostName;
use crate::fossology::config::Config;

/// How the repository hosts are divided among agent hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Division {
    /// The agent host that lists and commits: where the scheduler is, with FOSSology's other
    /// folders. Any where that is not known.
    pub home: Option<String>,
    /// Agent hosts with the repository hosts that each packs.
    pub parts: Vec<(Option<String>, Vec<Option<HostName>>)>,
}

/// Divides the work; none where one host would do all of it.
pub fn divide(config: &Config) -> Option<Division> {
    let local = |address: &str| matches!(address, "localhost" | "127.0.0.1" | "::1");
    let home = config.hosts.iter().find(|host| local(&host.address));
    let home = home.map(|host| host.name.clone());
    let mut parts: Vec<(Option<String>, Vec<Option<HostName>>)> = Vec::new();
    let mut rest = Vec::new();
    for host in config.layout.hosts().into_iter().flatten() {
        if config.hosts.iter().any(|agent| agent.name == host.as_str()) {
            parts.push((Some(host.as_str().to_owned()), vec![Some(host)]));
        } else {
            rest.push(Some(host));
        }
    }
    match (
        parts.iter_mut().find(|(agent, _)| *agent == home),
        rest.is_empty(),
    ) {
        (Some((_, hosts)), _) => hosts.append(&mut rest),
        (None, false) => parts.insert(0, (home.clone(), rest)),
        (None, true) => {}
    }
    // What no host covers lies beside FOSSology's other folders, if there is any.
    let at_home = parts
        .iter()
        .position(|(agent, _)| *agent == home)
        .unwrap_or(0);
    parts.get_mut(at_home)?.1.push(None);
    (parts.len() > 1).then_some(Division { home, parts })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divided(agents: &str, ranges: &str) -> Option<String> {
        let text = format!(
            "[FOSSOLOGY]\npath = /srv/r\n[HOSTS]\n{}\n[REPOSITORY]\n{}\n",
            agents.replace(", ", "\n"),
            ranges.replace(", ", "\n")
        );
        let config = Config::parse(std::path::Path::new("/etc/fo"), text.as_bytes()).unwrap();
        let division = divide(&config)?;
        let hosts = |hosts: &[Option<HostName>]| -> String {
            let names = hosts
                .iter()
                .map(|host| host.as_ref().map_or("-", HostName::as_str));
            names.collect::<Vec<_>>().join("+")
        };
        let parts = division
            .parts
            .iter()
            .map(|(agent, of)| format!(" {}:{}", agent.as_deref().unwrap_or("any"), hosts(of)));
        Some(division.home.unwrap_or_else(|| "any".into()) + &parts.collect::<String>())
    }

    #[test]
    fn storage_belongs_to_the_agents_of_its_name() {
        let one = "localhost = localhost /etc/fo 10";
        let two = "a = localhost /etc/fo 10, b = 10.0.0.2 /etc/fo 10";
        let far = "a = 10.0.0.1 /etc/fo 10, b = 10.0.0.2 /etc/fo 10";
        for (agents, ranges, expected) in [
            (one, "localhost[] = * 00 ff", None),
            // Storage of two hosts, and agents on one only.
            (one, "a[] = * 00 7f, b[] = * 80 ff", None),
            (two, "a[] = * 00 7f, b[] = * 80 ff", Some("a a:a+- b:b")),
            (two, "b[] = * 00 ff", None),
            // What has no agents is done where the scheduler is.
            (two, "nas[] = * 00 7f, b[] = * 80 ff", Some("a a:nas+- b:b")),
            (
                two,
                "a[] = * 00 3f, b[] = * 40 7f, nas[] = * 80 ff",
                Some("a a:a+nas+- b:b"),
            ),
            (far, "a[] = * 00 7f, b[] = * 80 ff", Some("any a:a+- b:b")),
            (
                far,
                "a[] = * 00 7f, nas[] = * 80 ff",
                Some("any any:nas+- a:a"),
            ),
            ("", "a[] = * 00 7f, b[] = * 80 ff", None),
        ] {
            assert_eq!(
                divided(agents, ranges).as_deref(),
                expected,
                "{agents} {ranges}"
            );
        }
    }
}
