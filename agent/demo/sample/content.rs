// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Text that looks like source code, the same for the same seed on every machine.

/// Generates numbers from a seed (SplitMix64): small, fast, and never changed by an update of
/// somebody's library, which would change every sample.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that depends on the seed only.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound as u64) as usize
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

/// The licences that the sources are under, as their SPDX lines have them.
pub const LICENSES: [&str; 4] = ["GPL-2.0-only", "MIT", "Apache-2.0", "BSD-3-Clause"];

const NOUNS: [&str; 24] = [
    "buffer", "queue", "table", "node", "page", "frame", "socket", "device", "lock", "timer",
    "cache", "entry", "group", "index", "stream", "event", "path", "state", "block", "region",
    "worker", "header", "token", "symbol",
];
const VERBS: [&str; 16] = [
    "read", "write", "find", "insert", "remove", "flush", "alloc", "free", "check", "update",
    "parse", "reset", "merge", "split", "lookup", "copy",
];
const LINES: [&str; 12] = [
    "\tif (!%a)\n\t\treturn -EINVAL;\n",
    "\t%a->%b = %a_%v(%b, %n);\n",
    "\tfor (i = 0; i < %n; i++)\n\t\t%a_%v(&%b[i]);\n",
    "\tspin_lock(&%a->lock);\n\t%a_%v(%a);\n\tspin_unlock(&%a->lock);\n",
    "\terr = %v_%a(%b, GFP_KERNEL);\n\tif (err)\n\t\tgoto out;\n",
    "\t/* The %a must be there before the %b is %ved. */\n",
    "\tmemset(%a, 0, sizeof(*%a) * %n);\n",
    "\twhile (%a->next && %a->size < %n)\n\t\t%a = %a->next;\n",
    "\tswitch (%a->kind) {\n\tcase %n:\n\t\treturn %v_%b(%a);\n\tdefault:\n\t\tbreak;\n\t}\n",
    "\tpr_debug(\"%a %v: %d of %n\\n\", %b->count);\n",
    "\tlist_add_tail(&%a->list, &%b->%as);\n",
    "\treturn %a ? %a->%b : %n;\n",
];

/// A source file's text of about `bytes` bytes.
pub fn source(random: &mut Random, bytes: usize) -> Vec<u8> {
    let mut text = String::with_capacity(bytes + 512);
    text.push_str("/* SPDX-License-");
    text.push_str("Identifier: ");
    text.push_str(random.pick(&LICENSES));
    text.push_str(" */\n/*\n * Copyright (C) ");
    text.push_str(&(1998 + random.below(28)).to_string());
    text.push_str(" the authors of ");
    text.push_str(random.pick(&NOUNS));
    text.push_str("\n */\n#include <linux/");
    text.push_str(random.pick(&NOUNS));
    text.push_str(".h>\n");
    while text.len() < bytes {
        let (noun, verb) = (random.pick(&NOUNS), random.pick(&VERBS));
        let number = random.below(10_000);
        text.push_str(&format!(
            "\nstatic int {noun}_{verb}_{number}(struct {noun} *{noun})\n{{\n"
        ));
        for _ in 0..2 + random.below(10) {
            push_line(&mut text, random);
        }
        text.push_str("}\n");
    }
    text.into_bytes()
}

fn push_line(text: &mut String, random: &mut Random) {
    let (a, b, verb) = (
        random.pick(&NOUNS),
        random.pick(&NOUNS),
        random.pick(&VERBS),
    );
    let mut parts = random.pick(&LINES).split('%');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (hole, rest) = part.split_at(1);
        match hole {
            "a" => text.push_str(a),
            "b" => text.push_str(b),
            "v" => text.push_str(verb),
            "n" => text.push_str(&random.below(4096).to_string()),
            _ => {
                text.push('%');
                text.push_str(hole);
            }
        }
        text.push_str(rest);
    }
}

/// The size of a source file: most are small, a few are large, as in a real tree.
pub fn source_size(random: &mut Random) -> usize {
    match random.below(20) {
        0..8 => 200 + random.below(1_500),
        8..16 => 1_500 + random.below(5_000),
        16..19 => 5_000 + random.below(12_000),
        _ => 15_000 + random.below(40_000),
    }
}

/// A source file's place in its tree, unlike every other `number`'s.
pub fn source_path(random: &mut Random, number: usize) -> String {
    let folder = random.pick(&NOUNS);
    let inner = random.pick(&VERBS);
    let ending = random.pick(&["c", "c", "h", "S", "py"]);
    format!("{folder}/{inner}/{}_{number}.{ending}", random.pick(&NOUNS))
}

/// Bytes that no compressor makes smaller.
pub fn noise(random: &mut Random, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|_| (random.number() >> 32) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_text_and_another_seed_another() {
        let text = |seed| source(&mut Random::new(seed), 3_000);
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
        let written = String::from_utf8(text(1)).unwrap();
        assert!((3_000..6_000).contains(&written.len()));
        assert!(
            LICENSES
                .iter()
                .any(|license| written.lines().next().unwrap().contains(license))
        );
    }
}
