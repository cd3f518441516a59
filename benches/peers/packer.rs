// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Compresses the archives of uploads.

use super::instance::Uploads;
use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::JoinHandle;

/// A compressor that keeps what comes out in memory.
pub enum Packer {
    Zstd(zstd::Encoder<'static, Vec<u8>>),
    Xz {
        program: Child,
        to: ChildStdin,
        result: JoinHandle<io::Result<Vec<u8>>>,
    },
}

impl Packer {
    /// Compresses as these uploads are.
    pub fn start(uploads: Uploads) -> io::Result<Self> {
        if uploads == Uploads::Many {
            return Ok(Self::Zstd(zstd::Encoder::new(Vec::new(), 3)?));
        }
        // One block, as kernel.org's archives: so nobody can decompress it on two cores.
        let mut program = Command::new("xz")
            .args(["-2", "--threads=1", "--stdout"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let ends = (program.stdin.take(), program.stdout.take());
        let (Some(to), Some(mut from)) = ends else {
            return Err(io::Error::other("xz has no pipes"));
        };
        let result = std::thread::spawn(move || {
            let mut data = Vec::new();
            from.read_to_end(&mut data)?;
            Ok(data)
        });
        Ok(Self::Xz {
            program,
            to,
            result,
        })
    }

    /// What came out.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Zstd(encoder) => encoder.finish(),
            Self::Xz {
                mut program,
                to,
                result,
            } => {
                drop(to);
                let data = result
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
                let status = program.wait()?;
                if status.success() {
                    Ok(data)
                } else {
                    Err(io::Error::other(format!("xz ended with {status}")))
                }
            }
        }
    }
}

impl Write for Packer {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Zstd(encoder) => encoder.write(data),
            Self::Xz { to, .. } => to.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Zstd(encoder) => encoder.flush(),
            Self::Xz { to, .. } => to.flush(),
        }
    }
}
