// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup verify`.

use super::exit::Exit;
use super::output::{bytes, number, seconds};
use super::session::Session;
use crate::operations::by_url::Rechecked;
use crate::operations::verify::{self, Damage, HitBlob, Kind, Report};
use crate::operations::{Error, Result, request};
use std::fmt::Write;
use std::time::Instant;

/// Prove that the vault, or one snapshot, is whole
#[derive(clap::Args)]
pub struct Args {
    /// The snapshot's id, the start of it, or 'latest' [default: all snapshots]
    snapshot: Option<String>,

    /// Read and compare the data too: all of it, or so many percent, chosen at random each time
    #[arg(
        long,
        value_name = "PERCENT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "100"
    )]
    read_data: Option<f64>,

    /// Download what the snapshots leave to the web, too, and compare it: all of it, or so many
    /// percent, chosen at random each time
    #[arg(
        long,
        value_name = "PERCENT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "100"
    )]
    urls: Option<f64>,

    /// Make lost or damaged indexes again from their packs
    #[arg(long)]
    repair_indexes: bool,
}

impl From<Args> for request::Verify {
    fn from(args: Args) -> Self {
        Self {
            snapshot: args.snapshot,
            read_data: args.read_data,
            urls: args.urls,
            repair_indexes: args.repair_indexes,
        }
    }
}

#[derive(serde::Serialize)]
struct Envelope<'a> {
    whole: bool,
    seconds: f64,
    #[serde(flatten)]
    report: &'a Report,
}

/// How many blobs, uploads and objects are named in the text.
const SHOWN: usize = 20;

pub fn run(session: &Session<'_>, args: Args) -> Result<Exit> {
    if let Some(percent) = args.read_data.filter(|p| !(*p > 0.0 && *p <= 100.0)) {
        return Err(Error::Usage(format!(
            "--read-data={percent}: it takes a percentage above 0, up to 100"
        )));
    }
    if let Some(percent) = args.urls.filter(|p| !(*p > 0.0 && *p <= 100.0)) {
        return Err(Error::Usage(format!(
            "--urls={percent}: it takes a percentage above 0, up to 100"
        )));
    }
    let settings = session.settings()?;
    let vault = session.open_vault(&settings)?;
    // A vault can be verified where there is no FOSSology.
    let instance = session
        .instance()
        .inspect_err(|error| log::info!("uploads are not named: {error}"))
        .ok();
    let options = request::Verify::from(args).options(&settings);
    let began = Instant::now();
    let report = verify::run(&vault, instance.as_ref(), &options, session.context())?;
    let result = Envelope {
        whole: !report.is_incomplete(),
        seconds: began.elapsed().as_secs_f64(),
        report: &report,
    };
    session.output.result("verify", &result, || {
        text(&report, &options, result.seconds) + &urls_text(report.urls.as_ref())
    });
    Ok(if result.whole {
        Exit::Done
    } else {
        Exit::Incomplete
    })
}

fn text(report: &Report, options: &verify::Options, spent: f64) -> String {
    let checked = &report.checked;
    let mut text = String::new();
    let (sealed, damaged): (Vec<_>, Vec<_>) = report
        .damage
        .iter()
        .partition(|damage| damage.kind == Kind::Sealed);
    for damage in damaged {
        text += &damage_text(damage);
    }
    text += &sealed_text(&sealed);
    for note in &report.notes {
        let _ = write!(text, "note: {}", note.what);
        if note.count > 1 || !note.objects.is_empty() {
            let _ = write!(text, " ({}, {})", number(note.count), bytes(note.bytes));
        }
        text.push('\n');
        for object in note.objects.iter().take(3) {
            let _ = writeln!(text, "  {object}");
        }
    }
    let read = match options.read {
        None => "; the data was not read (--read-data does that)".into(),
        Some(_) => format!(
            "; read {} packs and {} chunks, {}",
            number(checked.packs_read),
            number(checked.chunks_read),
            bytes(checked.bytes_read)
        ),
    };
    let _ = writeln!(
        text,
        "verified {} snapshots in {}: {} packs ({}) with {} blobs, {} chunks ({}){read}",
        number(report.snapshots.len() as u64),
        seconds(spent),
        number(checked.packs),
        bytes(checked.pack_bytes),
        number(checked.blobs),
        number(checked.chunks),
        bytes(checked.chunk_bytes),
    );
    text += &conclusion(report);
    text
}

fn conclusion(report: &Report) -> String {
    if !report.is_damaged() {
        let whole = "all of it is whole\n";
        let empty = "there is no snapshot yet\n";
        return if report.snapshots.is_empty() {
            empty
        } else {
            whole
        }
        .into();
    }
    let (whole, hit): (Vec<_>, Vec<_>) = report.snapshots.iter().partition(|found| found.whole);
    let mut damage = report.damage.iter().filter(|damage| !damage.repaired);
    if damage.all(|damage| damage.kind == Kind::Sealed) {
        return "no damage was found; what is for others could not be looked at\n".into();
    }
    let mut text = String::from("DAMAGE was found. ");
    if hit.is_empty() {
        text += "It takes nothing from a readable snapshot.\n";
    } else {
        text += "All that is not named above can still be brought back.\n";
    }
    for (found, what) in [(hit, "hit"), (whole, "whole")] {
        if !found.is_empty() {
            let _ = write!(text, "{} snapshots {what}:", number(found.len() as u64));
            for verified in found.iter().rev().take(SHOWN) {
                let _ = write!(text, " {}", verified.snapshot);
            }
            text += more(found.len());
            text.push('\n');
        }
    }
    text
}

/// What none of the keys at hand opens: often thousands of objects, and the same is to be done for
/// each.
fn sealed_text(sealed: &[&Damage]) -> String {
    let Some(first) = sealed.first() else {
        return String::new();
    };
    let count = number(sealed.len() as u64);
    let mut text = format!("FOR OTHERS {count} objects: {}\n", first.why);
    for damage in sealed.iter().take(SHOWN) {
        let _ = writeln!(text, "  {}", damage.object);
    }
    text += more(sealed.len());
    if sealed.len() > SHOWN {
        text.push('\n');
    }
    let _ = writeln!(text, "  what to do: {}", first.todo);
    text
}

fn damage_text(damage: &Damage) -> String {
    let kind = match damage.kind {
        _ if damage.repaired => "REPAIRED",
        Kind::Missing => "MISSING",
        Kind::Damaged => "DAMAGED",
        Kind::Unreadable => "UNREADABLE",
        Kind::Sealed => "FOR OTHERS",
        Kind::Inconsistent => "INCONSISTENT",
    };
    let mut text = format!("{kind} {}: {}\n", damage.object, damage.why);
    if !damage.snapshots.is_empty() {
        text += "  named by snapshots:";
        for snapshot in damage.snapshots.iter().rev().take(SHOWN) {
            let _ = write!(text, " {snapshot}");
        }
        text += more(damage.snapshots.len());
        text.push('\n');
    }
    for part in damage.parts.iter().take(SHOWN) {
        let _ = writeln!(text, "  hits {part}");
    }
    if damage.unknown {
        text += "  which of its blobs are hit cannot be told: its index is lost too\n";
    }
    if damage.hit > 0 {
        let _ = write!(text, "  hits {} blobs", number(damage.hit));
        if damage.elsewhere > 0 {
            let _ = write!(
                text,
                " ({} lie in other packs too)",
                number(damage.elsewhere)
            );
        }
        text += ":\n";
        for blob in damage.blobs.iter().take(SHOWN) {
            let _ = writeln!(text, "    {}", blob_text(blob));
        }
        if damage.hit > SHOWN as u64 {
            text += "    … (--json names them)\n";
        }
    }
    for upload in damage.uploads.iter().take(SHOWN) {
        let _ = writeln!(
            text,
            "  needed by upload {} {}: {} blobs",
            upload.upload,
            upload.filename,
            number(upload.blobs)
        );
    }
    if damage.uploads.len() > SHOWN {
        text += "  … (--json names all uploads)\n";
    }
    let _ = writeln!(text, "  what to do: {}", damage.todo);
    text
}

fn blob_text(blob: &HitBlob) -> String {
    let mut text = match blob.name {
        Some(name) => format!("{name} (pfile {}", blob.pfile),
        None => format!("pfile {} (its name is lost with the index", blob.pfile),
    };
    for tree in &blob.trees {
        let _ = write!(text, ", {tree}");
    }
    text + ")"
}

fn more(count: usize) -> &'static str {
    if count > SHOWN { " …" } else { "" }
}

fn urls_text(rechecked: Option<&Rechecked>) -> String {
    let Some(rechecked) = rechecked else {
        return String::new();
    };
    let mut text = format!(
        "the web: {} of {} files that snapshots leave to it were downloaded and compared\n",
        number(rechecked.compared),
        number(rechecked.all)
    );
    if let Some(why) = &rechecked.failed {
        return format!("THE WEB WAS NOT ASKED: {why}\n");
    }
    if rechecked.left > 0 {
        text += &format!(
            "  {} were left: their host does not answer, or a job that runs alone waited\n",
            number(rechecked.left)
        );
    }
    if !rechecked.lost.is_empty() {
        text += "LOST to the web; the next backup downloads these once more, else takes them from the repository, if they are there:\n";
    }
    for lost in rechecked.lost.iter().take(SHOWN) {
        let uploads: Vec<String> = lost.uploads.iter().map(i32::to_string).collect();
        let _ = writeln!(
            text,
            "  upload {}: {}: {}",
            uploads.join(", "),
            lost.url,
            lost.why
        );
    }
    text
}
