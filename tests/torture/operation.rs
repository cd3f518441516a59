// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The operations that are tortured.

/// What is done, and may be interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Init,
    Backup,
    Gold,
    Restore,
    Recover,
    Prune,
    Expire,
    Verify,
    Check,
    Copy,
    Drill,
    /// A backup that FOSSology's scheduler starts.
    Job,
    SealedBackup,
    SealedRestore,
    BucketBackup,
    BucketRestore,
}

/// What a vault is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    Folder,
    /// A folder, and encrypted.
    Sealed,
    /// A bucket on a server of this host.
    Bucket,
}

impl Operation {
    /// What people call by a command, with a vault in a folder.
    pub const COMMANDS: [Self; 13] = [
        Self::Init,
        Self::Backup,
        Self::Gold,
        Self::Restore,
        Self::Recover,
        Self::Prune,
        Self::Expire,
        Self::Verify,
        Self::Check,
        Self::Copy,
        Self::Drill,
        Self::SealedBackup,
        Self::SealedRestore,
    ];

    pub fn ground(self) -> Ground {
        match self {
            Self::SealedBackup | Self::SealedRestore => Ground::Sealed,
            Self::BucketBackup | Self::BucketRestore => Ground::Bucket,
            _ => Ground::Folder,
        }
    }

    /// How people call it.
    pub fn command(self) -> &'static [&'static str] {
        match self {
            Self::Init => &["init"],
            Self::Backup | Self::Job | Self::SealedBackup | Self::BucketBackup => &["backup"],
            Self::Gold => &["backup", "--mode", "gold"],
            Self::Restore | Self::SealedRestore | Self::BucketRestore => &["restore", "latest"],
            Self::Recover => &["recover", "--missing"],
            Self::Prune => &["prune", "--policy", "gold-only", "--yes"],
            Self::Expire => &[
                "expire",
                "--keep-last",
                "1",
                "--max-dead",
                "0",
                "--grace",
                "0d",
            ],
            Self::Verify => &["verify", "--read-data"],
            Self::Check => &["check", "--deep"],
            Self::Copy => &["copy"],
            // A share of the blobs: all of them take the time of many other tries.
            Self::Drill => &["drill", "--sample", "10%"],
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Gold => "backup of gold",
            Self::Job => "backup as a job",
            Self::SealedBackup => "encrypted backup",
            Self::SealedRestore => "encrypted restore",
            Self::BucketBackup => "backup into a bucket",
            Self::BucketRestore => "restore from a bucket",
            other => other.command()[0],
        }
    }
}
