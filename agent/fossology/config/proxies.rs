// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! By which proxies FOSSology's agents reach the web, as `[FOSSOLOGY]` says.

use super::Secret;
use super::ini::Section;

/// By which proxies the web is reached. Their addresses may hold passwords.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// For http.
    pub http: Option<Secret>,
    /// For https.
    pub https: Option<Secret>,
    /// For which hosts there is none: names and endings of names, parted by commas.
    pub none_for: Option<Secret>,
}

impl Proxies {
    /// What a section says; an empty value is none.
    pub(super) fn of(section: &Section) -> Self {
        let proxy = |key: &str| {
            let value = section.get(key)?.value.trim();
            (!value.is_empty()).then(|| Secret::new(value))
        };
        Self {
            http: proxy("http_proxy"),
            https: proxy("https_proxy"),
            none_for: proxy("no_proxy"),
        }
    }
}
