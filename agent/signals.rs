// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! SIGINT, SIGTERM and SIGHUP ask the running operation to stop; a second one ends it at once,
//! which is safe too. SIGPIPE is ignored: a closed pipe is an error like any other.

use crate::operations::Stop;
use nix::libc::c_int;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// The request that the signals make.
pub static STOP: Stop = Stop::new();

extern "C" fn ask_to_stop(_: c_int) {
    // Only a store to an atomic: all that is allowed in a handler.
    STOP.request();
}

/// Installs the handlers.
pub fn install() {
    let flags = SaFlags::SA_RESETHAND | SaFlags::SA_RESTART;
    let action = SigAction::new(SigHandler::Handler(ask_to_stop), flags, SigSet::empty());
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: the handler only stores to a static atomic, which is async-signal-safe.
        let installed = unsafe { sigaction(signal, &action) };
        if let Err(error) = installed {
            log::warn!("{signal} ends the program at once: {error}");
        }
    }
    // SAFETY: ignoring a signal runs no code of ours.
    let _ = unsafe { sigaction(Signal::SIGPIPE, &ignore) };
}
