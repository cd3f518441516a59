// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Asks the questions in rounds. Within a round the commands follow each other directly, and each
//! round begins with another one, so that what changes on the machine hits them all alike.

use super::error::{Error, Result};
use super::instance::Instance;
use super::measure::{Run, Sample, drop_caches, lines_of, size_of};
use super::peers::{Contender, DUMP, OURS, Places, Question};
use super::results::{Alone, Cache, Results, Row, Section, VaultParts};
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long ext4 searches for other inodes than those that were just freed, with a look at each: a
/// minute after their deletion is on the disk. A restore would be measured by what was removed
/// before it.
const REST: Duration = Duration::from_secs(65);

/// A run of the benchmark on one instance.
pub struct Bench<'a> {
    pub places: Places,
    pub instance: Instance,
    pub versions: &'a str,
    pub when: String,
    /// Where things go that are in the way, until nobody is measured.
    pub trash: PathBuf,
    /// How many things went there.
    pub thrown: Cell<usize>,
}

impl Bench<'_> {
    /// Asks these questions with warm or cold caches, and puts the answers into the results.
    pub fn ask(
        &mut self,
        questions: &[Question],
        cache: Cache,
        rounds: usize,
        results: &mut Results,
    ) -> Result<()> {
        let mut sections: Vec<Section> = questions
            .iter()
            .map(|question| Section {
                question: *question,
                cache,
                when: self.when.clone(),
                versions: self.versions.to_owned(),
                repository: self.instance.repository.size,
                rows: Vec::new(),
            })
            .collect();
        let (mut backed_up, mut far) = (false, false);
        let needs_none = questions
            .iter()
            .all(|question| question.is_of_an_archive() || question.is_far());
        for round in 0..rounds {
            for question in Question::ALL {
                let section = sections.iter_mut().find(|it| it.question == question);
                match question {
                    // The others need its outcome even when it is not asked for.
                    Question::Full if section.is_none() && (backed_up || needs_none) => continue,
                    Question::Full => backed_up = true,
                    Question::FarFull
                        if section.is_none()
                            && (far || !questions.iter().any(|question| question.is_far())) =>
                    {
                        continue;
                    }
                    Question::FarFull => far = true,
                    Question::Touched if section.is_some() => self.touch_all()?,
                    Question::New if section.is_some() => self.instance.add()?,
                    _ if section.is_none() => continue,
                    _ => {}
                }
                remove_and_rest(&self.trash)?;
                let mut unwanted = Vec::new();
                let rows = section.map_or(&mut unwanted, |section| &mut section.rows);
                let mut contenders = self.places.contenders(question);
                let first = round % contenders.len().max(1);
                contenders.rotate_left(first);
                for contender in contenders {
                    let sample = self.measure(question, &contender, Before::of(question, cache))?;
                    keep(rows, contender.name, sample);
                }
                if question == Question::Full {
                    results.vault = Some(self.vault_parts());
                }
            }
        }
        sections
            .into_iter()
            .for_each(|section| results.put(section));
        Ok(())
    }

    /// Our own verbs on a repository of very many files.
    pub fn ask_alone(&self, results: &mut Results) -> Result<()> {
        let mut rows = Vec::new();
        for question in Question::ALL {
            if matches!(question, Question::Touched | Question::New)
                || question.is_of_an_archive()
                || question.is_far()
            {
                continue;
            }
            for contender in self.places.contenders(question) {
                if contender.name.starts_with(OURS) || contender.name == DUMP {
                    // Nobody races here, and a million files take minutes to be read.
                    let before = match question {
                        Question::Full => Before::ReadAll,
                        _ => Before::Leave,
                    };
                    let sample = self.measure(question, &contender, before)?;
                    keep(&mut rows, &alone(question, contender.name), sample);
                }
            }
        }
        results.alone = Some(Alone {
            when: self.when.clone(),
            versions: self.versions.to_owned(),
            repository: self.instance.repository.size,
            rows,
        });
        Ok(())
    }

    /// Prepares a command, runs it, and cleans up behind it.
    fn measure(&self, question: Question, contender: &Contender, caches: Before) -> Result<Sample> {
        for place in &contender.wipe {
            self.throw_away(place)?;
        }
        for run in &contender.prepare {
            run.prepare(&self.places.log("prepare"))?;
        }
        let size = |place: Option<&PathBuf>| place.map_or(0, |place| size_of(place));
        let before = size(contender.makes.as_ref());
        match caches {
            Before::Drop => drop_caches()?,
            Before::ReadAll => self.read_all()?,
            Before::Leave => {}
        }
        // Nor should anybody have to write what others left.
        nix::unistd::sync();
        let log = self.places.log(&format!("{question:?} {}", contender.name));
        let asked = || contender.requests.as_deref().map_or(0, lines_of);
        let asked_before = asked();
        let mut sample = contender.run.measure(&log)?;
        sample.requests = asked() - asked_before;
        sample.size = size(contender.makes.as_ref()).saturating_sub(before);
        let failed = match sample.code {
            0 => String::new(),
            code => format!(", FAILED with exit code {code}, see {}", log.display()),
        };
        eprintln!(
            "{question:?}, {caches:?}: {}: {:.2} s, {:.2} s until durable{failed}",
            contender.name, sample.seconds, sample.durable
        );
        if contender.passing {
            for place in &contender.wipe {
                self.throw_away(place)?;
            }
        }
        Ok(sample)
    }

    /// Takes something out of the way without removing it.
    fn throw_away(&self, place: &Path) -> Result<()> {
        if !place.exists() {
            return Ok(());
        }
        fs::create_dir_all(&self.trash).map_err(Error::io("making", &self.trash))?;
        let number = self.thrown.replace(self.thrown.get() + 1);
        fs::rename(place, self.trash.join(number.to_string()))
            .map_err(Error::io("moving away", place))
    }

    /// Brings all of the repository into the page cache, as far as it fits.
    fn read_all(&self) -> Result<()> {
        let read = "find \"$1\" -type f -exec cat {} + >/dev/null";
        self.on_repository(read, "read all")
    }

    /// What reading through FOSSology's library does to every file.
    fn touch_all(&self) -> Result<()> {
        self.on_repository("find \"$1\" -type f -exec touch {} +", "touch all")
    }

    fn on_repository(&self, script: &str, what: &str) -> Result<()> {
        let run = Run::shell(script, [self.instance.repository.path()]);
        run.prepare(&self.places.log(what))
    }

    fn vault_parts(&self) -> VaultParts {
        let vault = self.places.vault();
        let files = walkdir::WalkDir::new(&vault).into_iter().flatten();
        let size = self.instance.repository.size;
        let mut parts = VaultParts {
            blobs: size.files + size.gold,
            ..VaultParts::default()
        };
        for file in files.filter(|entry| entry.file_type().is_file()) {
            let bytes = file.metadata().map_or(0, |meta| meta.len());
            let path = file.path();
            if path.extension().is_some_and(|extension| extension == "idx") {
                parts.indexes += bytes;
            } else if path.starts_with(vault.join("packs")) {
                parts.packs += bytes;
            } else if path.starts_with(vault.join("database")) {
                parts.database += bytes;
            }
        }
        parts
    }
}

/// What is done to the caches before a command is measured.
#[derive(Clone, Copy, Debug)]
enum Before {
    /// They are emptied.
    Drop,
    /// What was written and removed since has pushed some of the repository out; nobody should
    /// have to read it in for those who come after.
    ReadAll,
    Leave,
}

impl Before {
    fn of(question: Question, cache: Cache) -> Self {
        match cache {
            Cache::Cold => Self::Drop,
            Cache::Warm if matches!(question, Question::Restore | Question::FarRestore) => {
                Self::Leave
            }
            Cache::Warm => Self::ReadAll,
        }
    }
}

/// Removes a folder, if it is there, and waits until nobody is slowed down by that.
pub fn remove_and_rest(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    fs::remove_dir_all(folder).map_err(Error::io("removing", folder))?;
    nix::unistd::sync();
    std::thread::sleep(REST);
    Ok(())
}

/// The name of a row where only we are measured.
pub fn alone(question: Question, name: &str) -> String {
    format!("{question:?}: {name}")
}

/// Adds a sample to the command's row.
fn keep(rows: &mut Vec<Row>, name: &str, sample: Sample) {
    if let Some(row) = rows.iter_mut().find(|row| row.name == name) {
        row.samples.push(sample);
        return;
    }
    rows.push(Row {
        name: name.to_owned(),
        samples: vec![sample],
    });
}
