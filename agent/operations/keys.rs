// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Keys of an encrypted vault: where private ones come from, what the instance knows, and for whom is
//! encrypted. The instance's database says for whom; what only the vault says is not believed, since
//! whoever can write there could add himself.
//!
//! A change is entered in the database and put into the vault in one transaction, which is committed
//! last. Killed between the two, they differ, the next backup says so, and `accept` ends it.

use super::settings::Settings as All;
use super::{Error, Instance, Result};
use crate::fossology::config::Secret;
use crate::fossology::own::{self, VaultKey};
use crate::vault::{self, Identities, ListKey, Location, Passphrase, Recipients, Vault};
use postgres::{Client, GenericClient};
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::os::fd::FromRawFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The longest passphrase, in bytes.
const LONGEST: u64 = 4096;

/// The table `[encryption]` of fo_backup.toml.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A file of private keys. Whoever gets hold of the host has it too, then.
    pub identity: Option<PathBuf>,
    /// A file whose first line is the passphrase of that file.
    pub passphrase_file: Option<PathBuf>,
    /// An open descriptor that gives the passphrase; only from the command line.
    #[serde(skip)]
    pub passphrase_fd: Option<i32>,
    /// Further files of private keys; only from the command line.
    #[serde(skip)]
    pub more: Vec<PathBuf>,
    /// A folder in which copies of indexes are kept, for vaults that are far away.
    pub cache: Option<PathBuf>,
}

impl Settings {
    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        // What the command line names goes instead of what is set.
        let set = self.identity.iter().filter(|_| self.more.is_empty());
        set.chain(&self.more)
    }

    /// Reads the private keys that are named, if any.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn identities(&self) -> Result<Identities> {
        let mut all = Identities::default();
        for file in self.files() {
            let read = Identities::read(file, &mut |file| self.passphrase(file))?;
            all.extend(read);
        }
        Ok(all)
    }

    fn passphrase(&self, file: &Path) -> io::Result<Passphrase> {
        if let Some(fd) = self.passphrase_fd {
            return first_line(take_descriptor(fd)?);
        }
        if let Some(from) = &self.passphrase_file {
            return first_line(File::open(from)?);
        }
        ask(file)
    }
}

/// A descriptor that whoever started this process has left open for it; given once.
fn take_descriptor(fd: i32) -> io::Result<File> {
    static TAKEN: Mutex<Vec<i32>> = Mutex::new(Vec::new());
    let mut taken = TAKEN.lock().unwrap_or_else(|error| error.into_inner());
    if fd < 3 && fd != 0 || taken.contains(&fd) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("descriptor {fd} cannot give a passphrase (again)"),
        ));
    }
    nix::fcntl::fcntl(
        // SAFETY: borrowed for this call only, which fails on a descriptor that is not open.
        unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) },
        nix::fcntl::FcntlArg::F_GETFD,
    )?;
    taken.push(fd);
    // SAFETY: it is open (F_GETFD said so), was named by the user for this purpose, and is taken only
    // once, so nothing else in this process owns or closes it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

fn first_line(source: impl Read) -> io::Result<Passphrase> {
    let mut line = String::new();
    BufReader::new(source.take(LONGEST)).read_line(&mut line)?;
    let text = line.trim_end_matches(['\n', '\r']).to_owned();
    zeroize::Zeroize::zeroize(&mut line);
    if text.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "its passphrase is empty where it was to be read",
        ));
    }
    Ok(Passphrase::from(text))
}

/// Asks at the terminal, which shows nothing of what is typed.
fn ask(file: &Path) -> io::Result<Passphrase> {
    use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
    let mut terminal = File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .ok()
        .filter(IsTerminal::is_terminal)
        .ok_or_else(|| {
            io::Error::other(
                "it takes a passphrase, and there is no terminal to ask at; --passphrase-file or --passphrase-fd gives it",
            )
        })?;
    write!(terminal, "Passphrase of {}: ", file.display())?;
    let before = tcgetattr(&terminal)?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(&terminal, SetArg::TCSAFLUSH, &silent)?;
    let line = first_line(terminal.try_clone()?);
    tcsetattr(&terminal, SetArg::TCSAFLUSH, &before)?;
    writeln!(terminal)?;
    line
}

/// Opens a vault with the private keys that are named. Without any, the instance's database is asked
/// for the key of the vault's lists; that it cannot be is no failure yet.
///
/// # Errors
/// When there is no vault, or a private key cannot be used or is the wrong one.
pub fn open(location: &Location, settings: &All, instance: Option<&Instance>) -> Result<Vault> {
    let vault = Vault::open(location)?;
    if !vault.is_encrypted() {
        return Ok(vault);
    }
    vault.put_copies_in(settings.encryption.cache.clone(), settings.scratch());
    let identities = settings.encryption.identities()?;
    if !identities.is_empty() {
        vault.unlock(identities)?;
    } else if let Some(instance) = instance {
        let asked = instance
            .connect("keys")
            .and_then(|mut client| take_list_key(&mut client, &vault));
        if let Err(error) = asked {
            log::info!("the key of the vault's lists is not known: {error}");
        }
    }
    Ok(vault)
}

fn take_list_key(client: &mut Client, vault: &Vault) -> Result<()> {
    let known = own::vault_key(client, vault.id())?;
    if let Some(key) = known.and_then(|known| ListKey::parse(known.list_key.expose())) {
        vault.add_list_key(key);
    }
    Ok(())
}

/// Makes sure that what is written into a vault is encrypted for those whom the instance knows, and
/// that the instance can read the lists. Our tables must be there.
///
/// # Errors
/// When the vault names others or nobody, or the key of the lists is lost.
pub fn expect_own(client: &mut impl GenericClient, vault: &Vault) -> Result<()> {
    let known = own::vault_key(client, vault.id())?;
    if !vault.is_encrypted() {
        return expect_plain(client, vault, known.as_ref());
    }
    let Some(known) = known else {
        return Err(unknown(vault).into());
    };
    vault.expect_recipients()?;
    expect_same(vault, &known, true)?;
    if let Some(key) = ListKey::parse(known.list_key.expose()) {
        vault.add_list_key(key);
    }
    if vault.list_key().is_none() {
        return Err(vault::Error::NoListKey {
            location: vault.location(),
        }
        .into());
    }
    Ok(())
}

/// As [`expect_own`], once more under a lease: recipients may have been changed since the vault was opened,
/// and nobody changes them while the lease holds.
///
/// # Errors
/// As [`expect_own`].
pub fn expect_still_own(client: &mut impl GenericClient, vault: &Vault) -> Result<()> {
    vault.read_recipients_again()?;
    expect_own(client, vault)
}

/// As [`expect_own`], where the database may be out of reach: then what is already in a plain vault may
/// be written there again, and nothing into an encrypted one.
///
/// # Errors
/// As [`expect_own`].
pub fn expect_confirmed(client: Option<&mut Client>, vault: &Vault) -> Result<()> {
    match client {
        Some(client) => expect_own(client, vault),
        None if vault.is_encrypted() => Err(unknown(vault).into()),
        None => Ok(()),
    }
}

fn unknown(vault: &Vault) -> vault::Error {
    vault::Error::RecipientsUnknown {
        location: vault.location(),
        found: named(&vault.recipients(), vault.lists_recipient().as_deref()),
    }
}

/// Compares for whom a vault says that it is encrypted with what the instance knows: the recipients,
/// and for whom its lists are encrypted besides. The list key is not known when it is broken.
fn expect_same(vault: &Vault, known: &VaultKey, with_lists: bool) -> Result<()> {
    let recipients = Recipients::parse(&known.recipients)?;
    let lists = ListKey::parse(known.list_key.expose()).map(|key| key.public());
    let found = vault.lists_recipient();
    let same_lists = !with_lists || lists.is_none() || lists == found;
    if recipients == vault.recipients() && same_lists {
        return Ok(());
    }
    Err(vault::Error::RecipientsDiffer {
        location: vault.location(),
        found: named(&vault.recipients(), found.as_deref()),
        known: named(&recipients, lists.as_deref()),
    }
    .into())
}

fn named(recipients: &Recipients, lists: Option<&str>) -> String {
    match lists {
        _ if *recipients == Recipients::default() => "nobody that it names".into(),
        Some(lists) => format!("{recipients} (its lists besides for {lists})"),
        None => recipients.to_string(),
    }
}

/// Makes sure that a vault may be without encryption: only its own vault.json says that it is, which
/// whoever can write there may have changed, or put there.
fn expect_plain(
    client: &mut impl GenericClient,
    vault: &Vault,
    known: Option<&VaultKey>,
) -> Result<()> {
    let (known, todo) = match known {
        Some(known) if known.recipients.is_empty() => return Ok(()),
        Some(_) => (
            "it was made encrypted",
            "somebody has changed its vault.json. Put back the one of a copy, and find out who can write to the vault",
        ),
        None if own::knows_encrypted_vault(client)? => (
            "this instance has an encrypted one",
            "find out who can write to the vault; if you want one in the clear beside it, 'fo_backup keys accept' with this --vault says so for good",
        ),
        None => return Ok(()),
    };
    Err(vault::Error::NotEncrypted {
        location: vault.location(),
        known,
        todo,
    }
    .into())
}

/// Writes down what the vault says, which was opened with a private key.
fn keep(client: &mut impl GenericClient, vault: &Vault) -> Result<()> {
    let key = vault.list_key().ok_or_else(|| vault::Error::NoListKey {
        location: vault.location(),
    })?;
    Ok(own::keep_vault_key(
        client,
        vault.id(),
        &known(&key, &vault.recipients()),
    )?)
}

/// What an instance keeps of a vault.
pub(super) fn known(key: &ListKey, recipients: &Recipients) -> VaultKey {
    use age::secrecy::ExposeSecret;
    VaultKey {
        list_key: Secret::new(key.secret().expose_secret()),
        recipients: recipients.iter().map(str::to_owned).collect(),
    }
}

/// Changes for whom a vault is encrypted from now on.
///
/// # Errors
/// When the vault is not encrypted, names others than the instance knows, or nobody would be left.
pub fn change(
    instance: &Instance,
    vault: &Vault,
    to: impl FnOnce(&Recipients) -> Recipients,
) -> Result<Recipients> {
    vault.expect_encrypted()?;
    let mut client = connect(instance, vault)?;
    expect_own(&mut client, vault)?;
    let _lease = vault.lease(vault::LeaseKind::Append, "keys")?;
    expect_still_own(&mut client, vault)?;
    let recipients = to(&vault.recipients());
    if recipients == vault.recipients() {
        return Ok(recipients);
    }
    let key = vault.list_key().ok_or_else(|| vault::Error::NoListKey {
        location: vault.location(),
    })?;
    put(&mut client, vault, recipients.clone(), key)?;
    Ok(recipients)
}

/// Makes a new key for lists. What is in the vault stays, but the instance does not know it any more.
///
/// # Errors
/// When the vault is not encrypted, or names other recipients than the instance knows.
pub fn start_over(instance: &Instance, vault: &Vault) -> Result<()> {
    vault.expect_encrypted()?;
    let mut client = connect(instance, vault)?;
    let _lease = vault.lease(vault::LeaseKind::Append, "keys")?;
    vault.read_recipients_again()?;
    if let Some(known) = own::vault_key(&mut client, vault.id())? {
        expect_same(vault, &known, false)?;
    }
    put(&mut client, vault, vault.recipients(), ListKey::generate())
}

/// Takes over the recipients that the vault names now, or that it is not encrypted.
///
/// # Errors
/// When the key of the lists is not at hand, or the vault was made encrypted and is not any more.
pub fn accept(instance: &Instance, vault: &Vault) -> Result<Recipients> {
    let mut client = connect(instance, vault)?;
    if !vault.is_encrypted() {
        let known = own::vault_key(&mut client, vault.id())?;
        if known.is_some() {
            expect_plain(&mut client, vault, known.as_ref())?;
        }
        let nobody = VaultKey {
            list_key: Secret::new(""),
            recipients: Vec::new(),
        };
        own::keep_vault_key(&mut client, vault.id(), &nobody)?;
        return Ok(Recipients::default());
    }
    vault.expect_recipients()?;
    take_list_key(&mut client, vault)?;
    keep(&mut client, vault)?;
    Ok(vault.recipients())
}

fn connect(instance: &Instance, vault: &Vault) -> Result<Client> {
    let mut client = instance.connect("keys")?;
    own::ensure_schema(&mut client)?;
    vault.expect_instance(own::instance_id(&mut client)?)?;
    Ok(client)
}

fn put(client: &mut Client, vault: &Vault, recipients: Recipients, key: ListKey) -> Result<()> {
    let failed = crate::fossology::database::Error::sql("keeping the keys of a vault");
    let mut step = client.transaction().map_err(&failed)?;
    own::keep_vault_key(&mut step, vault.id(), &known(&key, &recipients))?;
    vault.change_recipients(recipients, key)?;
    step.commit()
        .map_err(|error| Error::Database(failed(error)))
}
