// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is uploaded to the sample: each case that a backup, a restore or a check can get wrong.

use super::archive::{Entry, Format, Member};
use super::content::{Random, noise, source};
use super::upload::{GoldStyle, NewUpload, UploadState, source_tree};
use super::{Result, Sample};

/// A whole archive, uploaded again under the same name, and one in it uploaded by itself.
const LIBRARY: &str = "alpha-lib-1.0.tar.gz";
const INNER: &str = "codec-0.3.tar.zst";

/// Fills a fresh instance.
pub(super) fn fill(sample: &mut Sample) -> Result<()> {
    let seed = sample.options.seed;
    let license = source(&mut Random::new(seed ^ 0x11), 9_000);
    let library = library(seed, &license);

    sample.add_upload(NewUpload::new(LIBRARY, library.clone()))?;
    // A single file, whose blob is in the archive too.
    let single = sample.add_upload(NewUpload::new("COPYING", Entry::File(license.clone())))?;
    sample.add_upload(NewUpload {
        gold: GoldStyle::Copy,
        ..NewUpload::new(LIBRARY, library)
    })?;
    let gone = sample.add_upload(NewUpload::sources("gone-0.9.tar.gz", seed ^ 0x22, 40))?;
    sample.add_upload(NewUpload {
        gold: GoldStyle::Copy,
        ..NewUpload::new("beta-tool-2.3.zip", tool(seed, license))
    })?;
    // Until now this blob lay in files only.
    sample.add_upload(NewUpload::new(INNER, inner(seed)))?;
    let files = 300 + sample.options.extra_files;
    let kernel = sample.add_upload(NewUpload {
        own_table: true,
        ..NewUpload::sources("kernel-6.1.tar.gz", seed ^ 0x33, files)
    })?;
    sample.delete_upload(gone, 5)?;
    sample.add_upload(NewUpload {
        state: UploadState::Unpacking,
        ..NewUpload::sources("arriving-1.1.tar.gz", seed ^ 0x44, 30)
    })?;
    sample.add_upload(NewUpload {
        state: UploadState::Fetching,
        ..NewUpload::sources("awaited-2.0.tar.gz", seed ^ 0x55, 1)
    })?;
    sample.add_other_work(kernel, single)
}

/// A tar.gz with an empty file, an empty folder, names that are no UTF-8, a tar.zst, and a tar.gz
/// in a zip.
fn library(seed: u64, license: &[u8]) -> Entry {
    let mut random = Random::new(seed ^ 0x66);
    let deep = vec![
        Member::new("deep/readme.txt", text("the deepest file\n")),
        Member::new("deep/noise.bin", Entry::File(noise(&mut random, 70_000))),
    ];
    let zip = vec![
        Member::new("data", Entry::Folder(source_tree(seed ^ 0x77, 15))),
        Member::new("deep-1.tar.gz", Entry::Archive(Format::TarGz, deep)),
    ];
    let odd = vec![
        Member::new("empty", text("")),
        Member::new("hollow", Entry::Folder(Vec::new())),
        Member::new(*b"gr\xfc\xdfe.txt", text("a name in Latin-1\n")),
        Member::new("tab\tand \\ and \u{e9}", text("a name with signs\n")),
    ];
    let mut members = source_tree(seed ^ 0x88, 150);
    members.extend([
        Member::new("COPYING", Entry::File(license.to_owned())),
        Member::new("odd", Entry::Folder(odd)),
        Member::new(INNER, inner(seed)),
        Member::new("fixtures.zip", Entry::Archive(Format::Zip, zip)),
    ]);
    let root = Member::new("alpha-lib-1.0", Entry::Folder(members));
    Entry::Archive(Format::TarGz, vec![root])
}

/// A tar.zst that is in the library and is uploaded by itself.
fn inner(seed: u64) -> Entry {
    let root = Member::new("codec-0.3", Entry::Folder(source_tree(seed ^ 0x99, 40)));
    Entry::Archive(Format::TarZst, vec![root])
}

/// A zip that shares files with the library.
fn tool(seed: u64, license: Vec<u8>) -> Entry {
    let mut members = source_tree(seed ^ 0xaa, 200);
    members.extend([
        Member::new("COPYING", Entry::File(license)),
        Member::new("codec", Entry::Folder(source_tree(seed ^ 0x99, 40))),
        Member::new(
            "plain.tar",
            Entry::Archive(Format::Tar, source_tree(seed ^ 0xbb, 10)),
        ),
    ]);
    let root = Member::new("beta-tool-2.3", Entry::Folder(members));
    Entry::Archive(Format::Zip, vec![root])
}

fn text(content: &str) -> Entry {
    Entry::File(content.as_bytes().to_owned())
}
