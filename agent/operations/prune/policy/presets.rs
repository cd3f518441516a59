// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Policies that are there without being written.

use super::rule::{Action, Kind, Rule};
use super::units::{Patterns, Span};

/// Nothing stays but what was uploaded.
pub const GOLD_ONLY: &str = "gold-only";

/// Their names.
pub const PRESETS: [&str; 3] = ["source-only", "cold", GOLD_ONLY];

/// After how many days without anything an upload is cold, unless `cold_after` says otherwise.
const COLD_AFTER: u64 = 180;

/// Types of what nobody reads: compiled, painted, sung.
const BINARY_TYPES: [&str; 16] = [
    "image/*",
    "audio/*",
    "video/*",
    "font/*",
    "application/font-*",
    "application/vnd.ms-fontobject",
    "application/x-executable",
    "application/x-pie-executable",
    "application/x-sharedlib",
    "application/x-object",
    "application/x-archive",
    "application/x-dosexec",
    "application/x-mach-binary",
    "application/x-java-applet",
    "application/java-vm",
    "application/x-bytecode.python",
];

/// Names of the same, where no type is known or it says nothing.
const BINARY_NAMES: [&str; 1] = [
    "*.{o,a,so,so.*,ko,lo,la,obj,lib,dll,exe,pdb,dylib,class,pyc,pyo,wasm,png,jpg,jpeg,gif,bmp,ico,icns,tif,tiff,webp,psd,ttf,otf,woff,woff2,eot,mp3,mp4,ogg,wav,avi,mov,mkv,webm}",
];

/// Default and rules of a preset.
pub fn preset(name: &str, cold_after: Option<&Span>) -> Option<(Action, Vec<Rule>)> {
    let drop = |title: &str, rule: Rule| Rule {
        title: Some(title.to_owned()),
        action: Action::Drop,
        ..rule
    };
    match name {
        GOLD_ONLY => Some((Action::Drop, Vec::new())),
        "cold" => {
            let span = || cold_after.cloned().or_else(|| Some(Span::days(COLD_AFTER)));
            let cold = Rule {
                uploaded_before: span(),
                no_job_for: span(),
                no_decision_for: span(),
                ..Rule::default()
            };
            Some((Action::Keep, vec![drop("cold uploads", cold)]))
        }
        "source-only" => {
            let archives = Rule {
                kind: vec![Kind::Container],
                ..Rule::default()
            };
            let types = Rule {
                mimetype: Some(Patterns::of(&BINARY_TYPES)),
                ..Rule::default()
            };
            let names = Rule {
                name: Some(Patterns::of(&BINARY_NAMES)),
                ..Rule::default()
            };
            Some((
                Action::Keep,
                vec![
                    drop("archives in archives", archives),
                    drop("binaries by type", types),
                    drop("binaries by name", names),
                ],
            ))
        }
        _ => None,
    }
}
