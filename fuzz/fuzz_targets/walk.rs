// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Whatever a source holds: the walk ends, keeps to its limits, and hands over nothing whose
//! content does not match its name.

#![no_main]

use fossology_backup::blob::{PfileName, digest};
use fossology_backup::unpack::{Content, Limits, Options, Seeker, Source, walk};
use libfuzzer_sys::fuzz_target;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::ops::ControlFlow;

const LIMITS: Limits = Limits {
    depth: 6,
    members: 2000,
    bytes: 16 << 20,
};

/// Seeks everything, or blobs of even sizes.
struct Half {
    even: bool,
}

impl Seeker for Half {
    fn seeks_size(&self, size: u64) -> bool {
        !self.even || size % 2 == 0
    }

    fn largest(&self) -> u64 {
        u64::MAX
    }

    fn seeks(&self, name: &PfileName) -> bool {
        self.seeks_size(name.size())
    }

    fn opens(&self, _: &PfileName) -> bool {
        true
    }

    fn take(&self, name: &PfileName, content: Content<'_>) -> ControlFlow<()> {
        assert!(self.seeks(name), "not sought: {name}");
        let named = match content {
            Content::Memory(data) => digest(data),
            Content::File(mut file) => {
                let mut data = Vec::new();
                file.rewind().expect("a spool file can be read");
                file.read_to_end(&mut data).expect("a spool file can be read");
                digest(&data)
            }
        };
        assert_eq!(*name, named);
        ControlFlow::Continue(())
    }
}

fn source(data: &[u8]) -> File {
    let mut file = tempfile::tempfile_in("/dev/shm").expect("there is room for a small file");
    file.write_all(data).expect("there is room for a small file");
    file
}

fuzz_target!(|data: &[u8]| {
    let name = digest(data);
    let mut sources = std::iter::once(Source {
        name,
        file: source(data),
        limits: LIMITS,
    });
    let seeker = Half {
        even: name.sha1()[0] % 4 == 0,
    };
    let options = Options {
        threads: 1 + usize::from(name.sha1()[1] % 2),
        spool: std::path::Path::new("/dev/shm"),
        stop: &|| false,
    };
    let walked = walk(&mut sources, &seeker, options);
    assert_eq!(walked.len(), 1);
    assert!(walked[0].problems.len() as u64 <= walked[0].problem_count);
});
