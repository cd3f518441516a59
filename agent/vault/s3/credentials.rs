// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The keys for a bucket: from `[storage]`, else from a file that it names, else from the usual
//! environment, else from the usual file. Never from the command line, which everybody can see.

use crate::vault::remote::{Secret, Settings};
use std::path::{Path, PathBuf};

/// Keys, and where else the environment says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: Secret,
    pub session_token: Option<Secret>,
}

/// Finds the keys; the error says where they were looked for.
pub fn find(
    settings: &Settings,
    get: &impl Fn(&str) -> Option<String>,
) -> Result<Credentials, String> {
    if let (Some(id), Some(secret)) = (&settings.access_key_id, &settings.secret_access_key) {
        return Ok(Credentials {
            access_key_id: id.clone(),
            secret_access_key: secret.clone(),
            session_token: settings.session_token.clone(),
        });
    }
    if settings.access_key_id.is_some() || settings.secret_access_key.is_some() {
        return Err(
            "[storage] has one of access_key_id and secret_access_key and not the other".into(),
        );
    }
    let named = settings.profile.clone().or_else(|| get("AWS_PROFILE"));
    let profile = named.as_deref().unwrap_or("default");
    if let Some(path) = &settings.credentials_file {
        return from_file(path, profile);
    }
    let keys = (get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY"));
    if let (Some(id), Some(secret)) = keys {
        return Ok(Credentials {
            access_key_id: id,
            secret_access_key: Secret::new(secret),
            session_token: get("AWS_SESSION_TOKEN").map(Secret::new),
        });
    }
    let usual = get("AWS_SHARED_CREDENTIALS_FILE")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(get("HOME")?).join(".aws/credentials")));
    match usual.filter(|path| path.is_file()) {
        Some(path) => from_file(&path, profile),
        None => Err(
            "no keys were found: set credentials_file, or access_key_id and secret_access_key, in [storage] of fo_backup.toml, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
                .into(),
        ),
    }
}

fn from_file(path: &Path, profile: &str) -> Result<Credentials, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut inside = false;
    let (mut id, mut secret, mut token) = (None, None, None);
    for line in text.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            inside = name.trim() == profile;
        } else if let Some((name, value)) = line.split_once('=').filter(|_| inside) {
            let value = value.trim().to_owned();
            match name.trim() {
                "aws_access_key_id" => id = Some(value),
                "aws_secret_access_key" => secret = Some(Secret::new(value)),
                "aws_session_token" => token = Some(Secret::new(value)),
                _ => {}
            }
        }
    }
    match (id, secret) {
        (Some(access_key_id), Some(secret_access_key)) => Ok(Credentials {
            access_key_id,
            secret_access_key,
            session_token: token,
        }),
        _ => Err(format!(
            "{}: no aws_access_key_id and aws_secret_access_key below [{profile}]",
            path.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn the_file_goes_before_the_environment_and_settings_before_both() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        std::fs::write(
            &path,
            "# mine\n[default]\naws_access_key_id = one\naws_secret_access_key=s1\n[ other ]\naws_access_key_id=two\naws_secret_access_key = s2=\naws_session_token = t\n",
        )
        .unwrap();
        let environment = HashMap::from([
            ("AWS_ACCESS_KEY_ID", "env"),
            ("AWS_SECRET_ACCESS_KEY", "s3"),
            ("AWS_SESSION_TOKEN", "t3"),
        ]);
        let full = |name: &str| environment.get(name).map(|value| value.to_string());
        let mut settings = Settings::default();
        let found = find(&settings, &full).unwrap();
        assert_eq!(
            (&*found.access_key_id, found.secret_access_key.reveal()),
            ("env", "s3")
        );
        assert!(
            find(&settings, &|_| None)
                .unwrap_err()
                .contains("AWS_ACCESS_KEY_ID")
        );

        settings.credentials_file = Some(path.clone());
        assert_eq!(find(&settings, &full).unwrap().access_key_id, "one");
        settings.profile = Some("other".into());
        let found = find(&settings, &full).unwrap();
        assert_eq!(found.secret_access_key.reveal(), "s2=");
        assert_eq!(found.session_token.unwrap().reveal(), "t");
        settings.profile = Some("none".into());
        let error = find(&settings, &full).unwrap_err();
        assert!(
            error.contains("[none]") && error.contains(path.to_str().unwrap()),
            "{error}"
        );

        settings.access_key_id = Some("set".into());
        assert!(
            find(&settings, &full)
                .unwrap_err()
                .contains("not the other")
        );
        settings.secret_access_key = Some(Secret::new("s4"));
        assert_eq!(find(&settings, &full).unwrap().access_key_id, "set");
    }
}
