// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who is whose child, read from /proc without allocating: the keeper asks too, and it may not.

use libc::{c_int, pid_t};
use std::ffi::CStr;

/// Calls with each process and its parent; `false` when they cannot be listed.
pub(super) fn each(mut call: impl FnMut(pid_t, pid_t)) -> bool {
    let Some(folder) = Descriptor::open(c"/proc", libc::O_DIRECTORY) else {
        return false;
    };
    let mut entries = Entries([0; 4096]);
    loop {
        // SAFETY: the call writes at most as many bytes as the buffer has.
        let length = unsafe {
            libc::syscall(
                libc::SYS_getdents64,
                folder.0,
                entries.0.as_mut_ptr(),
                entries.0.len(),
            )
        };
        let Ok(length @ 1..) = usize::try_from(length) else {
            return length == 0;
        };
        let mut rest = entries.0.get(..length).unwrap_or_default();
        while let Some((name, next)) = first_entry(rest) {
            if let Some(process) = number(name)
                && let Some(parent) = parent_of(process)
            {
                call(process, parent);
            }
            rest = next;
        }
    }
}

/// How many processes descend from one of them.
pub(super) fn descendants(ancestor: pid_t) -> u64 {
    let mut parents = Vec::new();
    each(|process, parent| parents.push((parent, process)));
    parents.sort_unstable();
    let mut family = vec![ancestor];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        let first = parents.partition_point(|(of, _)| *of < parent);
        family.extend(
            parents[first..]
                .iter()
                .take_while(|(of, _)| *of == parent)
                .map(|(_, process)| process),
        );
        next += 1;
    }
    family.len() as u64 - 1
}

#[repr(align(8))]
struct Entries([u8; 4096]);

struct Descriptor(c_int);

impl Descriptor {
    fn open(path: &CStr, flags: c_int) -> Option<Self> {
        // SAFETY: the path ends with a zero and lives as long as the call.
        let opened = unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC | flags) };
        (opened >= 0).then_some(Self(opened))
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: it is open and nobody else's.
        unsafe { libc::close(self.0) };
    }
}

/// The first name of a list in the kernel's form (inode 8 bytes, offset 8, length 2, kind 1, the
/// name to a zero), and what comes behind it.
fn first_entry(list: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = list.get(16..18)?;
    let length = usize::from(u16::from_ne_bytes([length[0], length[1]]));
    let name = list.get(19..length)?;
    let end = name.iter().position(|byte| *byte == 0)?;
    Some((&name[..end], &list[length..]))
}

fn number(digits: &[u8]) -> Option<pid_t> {
    let value = |digit: &u8| digit.is_ascii_digit().then(|| pid_t::from(digit - b'0'));
    let (first, rest) = digits.split_first()?;
    rest.iter().try_fold(value(first)?, |number, digit| {
        number.checked_mul(10)?.checked_add(value(digit)?)
    })
}

fn parent_of(process: pid_t) -> Option<pid_t> {
    let mut path = [0; 32];
    let mut place = path.len() - b"/stat\0".len();
    path[place..].copy_from_slice(b"/stat\0");
    let mut rest = process;
    while rest > 0 {
        place -= 1;
        path[place] = b'0' + u8::try_from(rest % 10).ok()?;
        rest /= 10;
    }
    place -= b"/proc/".len();
    path[place..place + b"/proc/".len()].copy_from_slice(b"/proc/");
    let file = Descriptor::open(CStr::from_bytes_with_nul(&path[place..]).ok()?, 0)?;
    let mut text = [0_u8; 512];
    // SAFETY: the call writes at most as many bytes as the buffer has.
    let length = unsafe { libc::read(file.0, text.as_mut_ptr().cast(), text.len()) };
    parent_in(text.get(..usize::try_from(length).ok()?)?)
}

/// The parent in `/proc/N/stat`: number, name in brackets, state, parent. The name may hold
/// anything, so the last closing bracket counts.
fn parent_in(stat: &[u8]) -> Option<pid_t> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let mut fields = stat[end + 1..].split(|byte| *byte == b' ').skip(1);
    fields.next()?;
    number(fields.next()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::{Signal, killpg};
    use nix::unistd::Pid;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};
    use std::thread;
    use std::time::{Duration, Instant};

    #[test]
    fn names_cannot_deceive() {
        assert_eq!(parent_in(b"7 (sh) S 5 7 7 0"), Some(5));
        assert_eq!(parent_in(b"7 (a) S 1 (b) R 12 7"), Some(12));
        assert_eq!(parent_in(b"7 (a"), None);
        assert_eq!(number(b"12"), Some(12));
        assert_eq!(number(b""), None);
        assert_eq!(number(b"self"), None);
        assert_eq!(number(b"99999999999"), None);
    }

    #[test]
    fn children_and_their_children_are_counted() {
        let mut shell = Command::new("sh")
            .args(["-c", "(sleep 300; :) & sleep 300; :"])
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let pid = pid_t::try_from(shell.id()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut seen = 0;
        while seen != 3 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
            seen = descendants(pid);
        }
        killpg(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        shell.wait().unwrap();
        assert_eq!(seen, 3);
    }
}
