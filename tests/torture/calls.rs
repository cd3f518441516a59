// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A system call that a stopped thread is about to make, and what it is about: paths, files, bytes.

use crate::tracer::{registers, set_registers};
use libc::{c_int, c_long, pid_t};
use std::ffi::{OsString, c_void};
use std::fs::Metadata;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// A call that the tracer stops before.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    pub number: c_long,
    /// Only with one of these bits in this argument.
    pub only: Option<(usize, u32)>,
}

impl Watched {
    pub const fn always(number: c_long) -> Self {
        Self { number, only: None }
    }

    pub const fn with(number: c_long, argument: usize, bits: c_int) -> Self {
        Self {
            number,
            only: Some((argument, bits as u32)),
        }
    }
}

/// A call that is about to be made.
#[derive(Clone, Debug)]
pub struct Call {
    pub thread: pid_t,
    pub number: c_long,
    pub arguments: [u64; 6],
}

impl Call {
    /// The call before which a thread has stopped; none when it was killed meanwhile.
    pub fn of(thread: pid_t) -> Option<Self> {
        let registers = registers(thread)?;
        Some(Self {
            thread,
            number: registers.orig_rax as c_long,
            arguments: [
                registers.rdi,
                registers.rsi,
                registers.rdx,
                registers.r10,
                registers.r8,
                registers.r9,
            ],
        })
    }

    /// Lets it fail without being made.
    pub fn skip(&self, thread: pid_t, error: c_int) {
        if let Some(mut registers) = registers(thread) {
            registers.orig_rax = u64::MAX;
            registers.rax = i64::from(-error) as u64;
            set_registers(thread, &registers);
        }
    }

    /// Lets it be made with so many bytes at most.
    pub fn shorten(&self, thread: pid_t, most: u64) {
        if let Some(mut registers) = registers(thread) {
            let count = match self.number {
                libc::SYS_copy_file_range => &mut registers.r8,
                libc::SYS_sendfile => &mut registers.r10,
                _ => &mut registers.rdx,
            };
            *count = most.min(*count);
            set_registers(thread, &registers);
        }
    }

    /// An argument that is a number with a sign, such as a descriptor.
    pub fn number_at(&self, argument: usize) -> i32 {
        self.arguments[argument] as i32
    }

    /// What a descriptor stands for: a path, or `socket:[…]`, `pipe:[…]`.
    pub fn target(&self, descriptor: i32) -> Option<PathBuf> {
        std::fs::read_link(format!("/proc/{}/fd/{descriptor}", self.thread)).ok()
    }

    /// The file that a descriptor stands for, also one without a name.
    pub fn file(&self, descriptor: i32) -> Option<Metadata> {
        std::fs::metadata(format!("/proc/{}/fd/{descriptor}", self.thread)).ok()
    }

    /// Where a descriptor reads or writes next.
    pub fn position(&self, descriptor: i32) -> Option<u64> {
        let path = format!("/proc/{}/fdinfo/{descriptor}", self.thread);
        let text = std::fs::read_to_string(path).ok()?;
        text.strip_prefix("pos:")?
            .lines()
            .next()?
            .trim()
            .parse()
            .ok()
    }

    /// A path that an argument points to, made absolute with the folder that a descriptor stands for.
    pub fn path(&self, folder: Option<i32>, argument: usize) -> Option<PathBuf> {
        let path = PathBuf::from(OsString::from_vec(self.text(self.arguments[argument])?));
        let base = match folder {
            _ if path.is_absolute() => return Some(path),
            None | Some(libc::AT_FDCWD) => {
                std::fs::read_link(format!("/proc/{}/cwd", self.thread)).ok()?
            }
            Some(descriptor) => self.target(descriptor)?,
        };
        Some(if path == Path::new("") || path == Path::new(".") {
            base
        } else {
            base.join(path)
        })
    }

    fn text(&self, address: u64) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        // Not past the end of a page: the next one may not be there.
        let mut at = address;
        while text.len() < libc::PATH_MAX as usize {
            let some = self.memory(at, (4096 - at % 4096) as usize)?;
            if let Some(end) = some.iter().position(|byte| *byte == 0) {
                text.extend(&some[..end]);
                return Some(text);
            }
            at += some.len() as u64;
            text.extend(some);
        }
        None
    }

    /// Bytes of the process's memory.
    pub fn memory(&self, address: u64, len: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0_u8; len];
        let here = libc::iovec {
            iov_base: bytes.as_mut_ptr().cast(),
            iov_len: len,
        };
        let there = libc::iovec {
            iov_base: address as *mut c_void,
            iov_len: len,
        };
        // SAFETY: writes at most `len` bytes into `bytes`; a wrong address in the other process
        // makes it return an error.
        let read = unsafe { libc::process_vm_readv(self.thread, &here, 1, &there, 1, 0) };
        (read == len as isize).then_some(bytes)
    }

    /// What the process was started as: the program's file name.
    pub fn program(&self) -> String {
        let path = std::fs::read_link(format!("/proc/{}/exe", self.thread)).unwrap_or_default();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.into_owned()
    }
}
