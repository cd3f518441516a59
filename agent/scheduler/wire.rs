// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the agent says to the scheduler. The scheduler takes a line for a command by its first
//! letters, whatever follows, and reads 1023 bytes at once: what comes after them would be a line
//! of its own. So whatever is not protocol gets a beginning that is no command, and is cut into
//! lines that are short enough. A line is written whole or, when we are killed, not at all.

use std::fs::File;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// How long a line may become, in bytes with its end: safely below the scheduler's buffer.
const LONGEST: usize = 1000;

/// How the second and each further line of a text begins.
const FURTHER: &str = "  ";

/// The scheduler's end of standard output.
pub struct Wire {
    /// Closed by the last line: nobody reads what would follow.
    out: Mutex<Option<File>>,
    gone: AtomicBool,
}

impl Wire {
    /// The way to the scheduler.
    pub fn new(out: File) -> Self {
        Self {
            out: Mutex::new(Some(out)),
            gone: AtomicBool::new(false),
        }
    }

    /// Which program this is. It has to be the very first line.
    pub fn version(&self) {
        self.send(concat!("VERSION: ", env!("CARGO_PKG_VERSION"), "\n"));
    }

    /// Ready for what comes next.
    pub fn ready(&self) {
        self.send("\nOK\n");
    }

    /// How much was done in all, and whether something was done since the last beat. The
    /// scheduler counts in 32 bits.
    pub fn beat(&self, items: u64, alive: bool) {
        let items = items.min(i32::MAX.unsigned_abs().into());
        self.send(&format!("HEART: {items} {}\n", u8::from(alive)));
    }

    /// What the notification mail says.
    pub fn email(&self, text: &str) {
        let words: Vec<&str> = text.lines().collect();
        let line = pieces("EMAIL ", &words.join("; ")).next();
        self.send(&format!("{}\n", line.unwrap_or_default()));
    }

    /// A text for the job's log.
    pub fn say(&self, kind: &str, text: &str) {
        let first = format!("{kind}: ");
        let mut lines = String::new();
        for (at, line) in text.lines().enumerate() {
            let start = if at == 0 { &first } else { FURTHER };
            for piece in pieces(start, line) {
                lines += &piece;
                lines.push('\n');
            }
        }
        self.send(&lines);
    }

    /// A line of somebody who writes to our standard output without knowing the protocol.
    pub fn quote(&self, line: &str) {
        let lines: String = pieces("| ", line).map(|piece| piece + "\n").collect();
        self.send(&lines);
    }

    /// The end. Nothing is sent after it.
    pub fn bye(&self, code: u8) {
        self.send(&format!("\nBYE {code}\n"));
        *self.out.lock().unwrap_or_else(|error| error.into_inner()) = None;
    }

    /// Whether nobody listens any more.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    fn send(&self, lines: &str) {
        let mut out = self.out.lock().unwrap_or_else(|error| error.into_inner());
        if let Some(out) = &mut *out
            && out.write_all(lines.as_bytes()).is_err()
        {
            self.gone.store(true, Ordering::Relaxed);
        }
    }
}

/// Cuts a line into lines that are short enough, each with a beginning. What could end a line, or
/// a string in the scheduler, becomes a blank.
fn pieces<'a>(start: &'a str, line: &'a str) -> impl Iterator<Item = String> + 'a {
    let mut rest = Some(line.trim_end());
    let mut start = start;
    std::iter::from_fn(move || {
        let text = rest?;
        // One byte is the line's end.
        let mut end = text.len().min(LONGEST - 1 - start.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let (now, later) = text.split_at(end);
        rest = (!later.is_empty()).then_some(later);
        let now: String = now
            .chars()
            .map(|sign| if sign.is_control() { ' ' } else { sign })
            .collect();
        let piece = format!("{start}{now}");
        start = FURTHER;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read;

    /// What arrives when this is sent.
    fn sent(send: impl FnOnce(&Wire)) -> String {
        let (mut read, write) = std::io::pipe().unwrap();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            read.read_to_string(&mut text).unwrap();
            text
        });
        let wire = Wire::new(File::from(std::os::fd::OwnedFd::from(write)));
        send(&wire);
        drop(wire);
        reader.join().unwrap()
    }

    /// Whether the scheduler takes a line for a command.
    fn is_command(line: &str) -> bool {
        [
            "@@@",
            "BYE",
            "OK",
            "HEART",
            "EMAIL",
            "SPECIAL",
            "GETSPECIAL",
            "VERSION",
        ]
        .iter()
        .any(|word| line.starts_with(word))
    }

    proptest! {
        #[test]
        fn no_text_is_taken_for_a_command_or_breaks_a_line(
            text in "(BYE 0|OK|HEART: x|@@@1|\u{0}|\r|\n|ü|[a-z]{900,1200}|.){0,8}"
        ) {
            for sent in [sent(|wire| wire.say("info", &text)), sent(|wire| {
                text.lines().for_each(|line| wire.quote(line));
            })] {
                prop_assert!(sent.is_empty() || sent.ends_with('\n'));
                for line in sent.lines() {
                    prop_assert!(!is_command(line), "{line}");
                    prop_assert!(line.len() < 1023 && !line.contains('\0'), "{line}");
                }
                // Nothing of it is lost.
                let letters = |text: &str| text.chars().filter(char::is_ascii_lowercase).count();
                let info = if sent.starts_with("info: ") { "info".len() } else { 0 };
                prop_assert_eq!(letters(&text) + info, letters(&sent));
            }
        }

        #[test]
        fn a_mail_is_one_line(text in "(.|\n){0,2000}") {
            let sent = sent(|wire| wire.email(&text));
            prop_assert_eq!(sent.lines().count(), 1);
            prop_assert!(sent.starts_with("EMAIL ") && sent.len() < 1023);
        }
    }

    #[test]
    fn nothing_follows_the_end() {
        let text = sent(|wire| {
            wire.beat(u64::MAX, true);
            wire.bye(3);
            wire.say("error", "too late");
            wire.beat(1, false);
        });
        assert_eq!(text, "HEART: 2147483647 1\n\nBYE 3\n");
    }

    #[test]
    fn a_scheduler_that_is_gone_is_noticed() {
        let (read, write) = std::io::pipe().unwrap();
        let wire = Wire::new(File::from(std::os::fd::OwnedFd::from(write)));
        wire.version();
        assert!(!wire.is_gone());
        drop(read);
        wire.beat(0, false);
        assert!(wire.is_gone());
    }
}
