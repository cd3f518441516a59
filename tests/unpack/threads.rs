// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A walk ends when it is told to, whoever works at it.

use crate::support::{ENOUGH, Finder, Workshop, gzip, tar_of, text};
use fossology_backup::blob::{PfileName, digest};
use fossology_backup::unpack::{Content, Options, Seeker, Source, Walked, walk};
use std::fs::File;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Without an end: only by being stopped this walk ends.
fn endless(path: &Path) -> impl Iterator<Item = Source> + Send {
    let path = path.to_owned();
    (0_u64..).map(move |n| Source {
        name: digest(&n.to_le_bytes()),
        file: File::open(&path).unwrap(),
        limits: ENOUGH,
    })
}

fn archive(shop: &Workshop) -> PathBuf {
    let members: Vec<(String, Vec<u8>)> = (0..2000)
        .map(|n| (format!("{n}.gz"), gzip(&text(n))))
        .collect();
    shop.file("x.tar", &tar_of(&members))
}

fn walk_endless(
    path: &Path,
    seeker: &dyn Seeker,
    threads: usize,
    stop: &(dyn Fn() -> bool + Sync),
) -> Vec<Walked> {
    let options = Options {
        threads,
        spool: path.parent().unwrap(),
        stop,
    };
    walk(&mut endless(path), seeker, options)
}

#[test]
fn a_walk_that_is_told_to_stop_stops() {
    let shop = Workshop::empty();
    let path = archive(&shop);
    for threads in 1..=4 {
        let asked = AtomicU64::new(0);
        let stop = || asked.fetch_add(1, Ordering::Relaxed) >= 1000;
        walk_endless(&path, &Finder::default(), threads, &stop);
        // Each thread hears of it once.
        let asked = asked.into_inner();
        assert!((1001..=1010).contains(&asked), "{asked}");
    }
}

#[test]
fn a_walk_stops_inside_of_a_huge_member_too() {
    let shop = Workshop::empty();
    // 8 GiB, of which nothing is small.
    let zeros = shop.file("zeros.gz", &gzip(&vec![0; 32 << 20]).repeat(256));
    shop.run("mkdir in; mv zeros.gz in/; tar -cf x.tar in; gzip -1 x.tar");
    let _ = zeros;
    let asked = AtomicU64::new(0);
    let stop = || asked.fetch_add(1, Ordering::Relaxed) >= 100;
    let path = shop.path("x.tar.gz");
    let walked = walk_endless(&path, &Finder::default(), 2, &stop);
    assert!(walked.iter().map(|walked| walked.bytes).sum::<u64>() < 1 << 30);
    assert!(walked.iter().all(|walked| walked.problems.is_empty()));
}

#[test]
fn a_walk_ends_when_its_seeker_has_enough() {
    let shop = Workshop::empty();
    let path = archive(&shop);
    for threads in 1..=4 {
        let name = digest(&text(1234));
        let finder = Finder::only([name]);
        walk_endless(&path, &finder, threads, &|| false);
        assert!(finder.found().contains(&name));
    }
}

/// Panics at its hundredth blob.
struct Panics(AtomicU64);

impl Seeker for Panics {
    fn seeks_size(&self, _: u64) -> bool {
        true
    }

    fn largest(&self) -> u64 {
        u64::MAX
    }

    fn seeks(&self, _: &PfileName) -> bool {
        true
    }

    fn opens(&self, _: &PfileName) -> bool {
        true
    }

    fn take(&self, _: &PfileName, _: Content<'_>) -> ControlFlow<()> {
        assert!(self.0.fetch_add(1, Ordering::Relaxed) < 100, "on purpose");
        ControlFlow::Continue(())
    }
}

#[test]
fn a_seeker_that_panics_ends_the_walk_and_lets_nobody_wait() {
    let shop = Workshop::empty();
    let path = archive(&shop);
    for threads in 1..=4 {
        let walked = catch_unwind(AssertUnwindSafe(|| {
            walk_endless(&path, &Panics(AtomicU64::new(0)), threads, &|| false)
        }));
        assert!(walked.is_err());
    }
}
