// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Text that compresses as real source code does, and sizes as in a real source tree. The demo's
//! own generator knows so few words that zstd makes a tenth of its text, where real source leaves
//! almost a third: a benchmark on that would measure a disk that nobody has.
//!
//! The same seed gives the same text on every machine: only whole numbers are used.

use fossology_backup::demo::sample::Random;

/// How many words all projects share, and how many names each project and each file invents.
const WORDS: usize = 6_000;
const PROJECT_NAMES: usize = 2_500;
const FILE_NAMES: usize = 45;

const SYLLABLES: [&str; 64] = [
    "ab", "ac", "al", "an", "ar", "at", "ba", "be", "bi", "bo", "ca", "ce", "ci", "co", "cu", "da",
    "de", "di", "do", "el", "en", "er", "es", "fa", "fi", "fo", "ge", "gi", "ha", "he", "hi", "ic",
    "il", "in", "io", "is", "it", "ka", "la", "le", "li", "lo", "ma", "me", "mi", "mo", "na", "ne",
    "no", "on", "or", "pa", "pe", "pro", "re", "ri", "ro", "sa", "se", "st", "ta", "te", "tr",
    "un",
];

/// What a line may look like. `l`: a name of this file, `g`: a name of the project, `w`: a word,
/// `n`: a number, `x`: a hexadecimal number, `s`: some words.
const LINES: [&str; 36] = [
    "\tif (!%l)\n\t\treturn -%g;\n",
    "\tif (%l->%g & %g)\n\t\tgoto err_%w;\n",
    "\t%l->%l = %g(%l, %l);\n",
    "\t%l = %g(%l->%g, %n, %l);\n",
    "\tfor (i = 0; i < %g; i++)\n\t\t%g(&%l[i], %l);\n",
    "\tret = %l(%g, %l);\n\tif (ret < 0) {\n\t\t%g(%l->dev, \"%s: %%d\\n\", ret);\n\t\treturn ret;\n\t}\n",
    "\t/* %s */\n",
    "\t/*\n\t * %s\n\t * %s\n\t * %s\n\t */\n",
    "\t * %s\n",
    "\tcase %g:\n\t\t%l = %x;\n\t\tbreak;\n",
    "#define %g\t\t%x\n",
    "#define %g_%w(%w)\t(((%w) >> %n) & %x)\n",
    "\t{ %g, %x, %x, %n },\n",
    "\t{ .%w = \"%w-%w\", .%l = %g, },\n",
    "\t%g %l;\t/* %s */\n",
    "\tstruct %g *%l = %l(%w);\n",
    "\tunsigned int %l, %w;\n",
    "\tmutex_lock(&%l->%w);\n\t%l(%l);\n\tmutex_unlock(&%l->%w);\n",
    "\tmemcpy(%l, %l->%g, sizeof(%g));\n",
    "\twhile (%l < %l->%w && %g(%l)) {\n\t\t%l += %n;\n\t\t%l(%l, %w);\n\t}\n",
    "\treturn %l ? %g(%l) : %l;\n",
    "\t%l |= %g | %g;\n",
    "\twritel(%x, %l + %g);\n",
    "\tpr_debug(\"%s\\n\", %l);\n",
    "EXPORT_SYMBOL_GPL(%l);\n",
    "static const struct %g %l[] = {\n",
    "};\n\n",
    "}\n\nstatic int %l(struct %g *%l, %g %l)\n{\n",
    "}\n\n/**\n * %l - %s\n * @%w: %s\n * @%l: %s\n *\n * %s\n * %s\n */\nint %l(struct %w *%l)\n{\n",
    "\tdefault:\n\t\t%l = %g;\n\t}\n",
    "\t%l(%l, %g, %l->%w, %x);\n",
    "\tspin_unlock_irqrestore(&%l->%w, flags);\n",
    "\tif (%l != %g || %l >= %n) {\n\t\t%l->%w = %l;\n\t\treturn %g;\n\t}\n",
    "\tkfree(%l->%w);\n",
    "\t\t%l[%n] = %l(%w, %l);\n",
    "\tlist_for_each_entry(%l, &%w->%l, %w)\n\t\t%l(%l);\n",
];

/// How a tree's file sizes spread, in bytes: thousandths of all files, and the size up to which
/// they go. As in Linux 6: the median is 5 KB, the mean 16 KB.
const SIZES: [(usize, usize); 10] = [
    (50, 250),
    (100, 550),
    (250, 1_700),
    (500, 5_000),
    (750, 13_000),
    (900, 32_000),
    (950, 56_000),
    (990, 128_000),
    (999, 480_000),
    (1_000, 2_000_000),
];

/// A source file's size in bytes.
pub fn size(random: &mut Random) -> usize {
    let rank = random.below(1_000);
    let mut least = 20;
    for (up_to, most) in SIZES {
        if rank < up_to {
            return least + random.below(most - least);
        }
        least = most;
    }
    least
}

/// The words that all projects share.
pub struct Words(Vec<String>);

impl Words {
    pub fn new() -> Self {
        let mut random = Random::new(0xf05);
        let word = |_| {
            let syllables = 1 + random.below(2) + random.below(3);
            let parts = (0..syllables).map(|_| SYLLABLES[random.below(SYLLABLES.len())]);
            parts.collect()
        };
        Self((0..WORDS).map(word).collect())
    }

    fn pick(&self, random: &mut Random) -> &str {
        &self.0[skewed(random, self.0.len())]
    }

    fn name(&self, random: &mut Random) -> String {
        let mut name = self.pick(random).to_owned();
        for _ in 0..random.below(3) {
            name.push('_');
            name.push_str(self.pick(random));
        }
        if random.below(5) == 0 {
            name.make_ascii_uppercase();
        }
        name
    }
}

/// What the files of one project share.
pub struct Project<'a> {
    words: &'a Words,
    names: Vec<String>,
    heading: String,
}

impl<'a> Project<'a> {
    pub fn new(words: &'a Words, random: &mut Random) -> Self {
        let names = (0..PROJECT_NAMES).map(|_| words.name(random)).collect();
        let mut heading = String::from(" *\n");
        for _ in 0..6 {
            heading.push_str(" * ");
            push_words(&mut heading, words, random, 11);
            heading.push('\n');
        }
        Self {
            words,
            names,
            heading,
        }
    }

    /// A file of about `bytes` bytes, unlike any other with another seed.
    pub fn file(&self, random: &mut Random, bytes: usize) -> Vec<u8> {
        let mut text = String::with_capacity(bytes + 1024);
        let license = ["GPL-2.0-only", "MIT", "Apache-2.0"][random.below(3)];
        // In two pieces, so that licence scanners don't take this file's text for its own licence.
        text.push_str("// SPDX-License-");
        text.push_str("Identifier: ");
        text.push_str(license);
        // Even the shortest file has the number that makes it unlike all others.
        let (number, year) = (random.number(), 1995 + random.below(31));
        text.push_str(&format!("\n/* {number:016x} "));
        push_words(&mut text, self.words, random, 6);
        text.push_str(&format!("\n *\n * Copyright (C) {year} "));
        push_words(&mut text, self.words, random, 2);
        text.push('\n');
        text.push_str(&self.heading);
        text.push_str(" */\n\n");
        let locals: Vec<String> = (0..FILE_NAMES.min(4 + bytes / 150))
            .map(|_| self.words.name(random))
            .collect();
        let mut starts = Vec::new();
        while text.len() < bytes {
            starts.push(text.len());
            // Programmers copy and paste.
            if starts.len() > 1 && random.below(14) == 0 {
                let from = random.below(starts.len() - 1);
                let piece = starts[from]..starts[from + 1];
                text.extend_from_within(piece);
            } else {
                self.push_line(&mut text, random, &locals);
            }
        }
        text.truncate(bytes.max(64));
        text.into_bytes()
    }

    fn push_line(&self, text: &mut String, random: &mut Random, locals: &[String]) {
        let mut parts = LINES[skewed_little(random, LINES.len())].split('%');
        text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let (hole, rest) = part.split_at(part.len().min(1));
            match hole {
                "l" => text.push_str(&locals[skewed(random, locals.len())]),
                "g" => text.push_str(&self.names[skewed(random, self.names.len())]),
                "w" => text.push_str(self.words.pick(random)),
                "n" => text.push_str(&random.below(300).to_string()),
                "x" => text.push_str(&format!("0x{:04x}", random.below(0x1_0000))),
                "s" => {
                    let words = 4 + random.below(7);
                    push_words(text, self.words, random, words);
                }
                _ => {
                    text.push('%');
                    text.push_str(hole);
                }
            }
            text.push_str(rest);
        }
    }
}

fn push_words(text: &mut String, words: &Words, random: &mut Random, count: usize) {
    for number in 0..count {
        if number > 0 {
            text.push(' ');
        }
        text.push_str(words.pick(random));
    }
}

/// A number below `bound`, small ones far more often, as words are used in a text.
fn skewed(random: &mut Random, bound: usize) -> usize {
    let bound = random.below(bound) + 1;
    let bound = random.below(bound) + 1;
    random.below(bound)
}

/// A number below `bound`, small ones more often.
fn skewed_little(random: &mut Random, bound: usize) -> usize {
    let bound = bound / 2 + random.below(bound / 2) + 1;
    random.below(bound)
}
