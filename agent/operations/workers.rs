// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Waiting for the threads of an operation.

use super::{Error, Result};
use crate::threads;
use std::thread::ScopedJoinHandle;

/// Waits for workers, and for what fed them. The first real reason comes back: those who were only
/// told to stop, or found nobody to work for any more, have nothing to say.
pub(super) fn join(workers: Vec<ScopedJoinHandle<'_, Result<()>>>, fed: Result<()>) -> Result<()> {
    // All of them have ended when the first reason is found.
    let results: Vec<_> = workers.into_iter().map(threads::ended).collect();
    match reason(results) {
        Err(Error::Interrupted) if fed.is_err() => fed,
        Err(error) => Err(error),
        Ok(()) => fed,
    }
}

/// The first real reason of several.
pub(super) fn reason(results: Vec<Result<()>>) -> Result<()> {
    let mut all = Ok(());
    for result in results {
        if matches!(all, Ok(()) | Err(Error::Interrupted)) && result.is_err() {
            all = result;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(results: Vec<Result<()>>, fed: Result<()>) -> Result<()> {
        std::thread::scope(|scope| {
            let workers = results
                .into_iter()
                .map(|result| scope.spawn(|| result))
                .collect();
            join(workers, fed)
        })
    }

    #[test]
    fn a_real_reason_goes_before_being_stopped() {
        let stopped = || Err(Error::Interrupted);
        let real = |text: &str| Err(Error::Usage(text.to_owned()));
        let said = |result: Result<()>| result.unwrap_err().to_string();
        assert!(joined(vec![Ok(()), Ok(())], Ok(())).is_ok());
        assert_eq!(
            said(joined(
                vec![stopped(), real("full"), real("too")],
                stopped()
            )),
            "full"
        );
        assert_eq!(said(joined(vec![stopped(), Ok(())], real("gone"))), "gone");
        assert!(matches!(
            joined(vec![stopped(), Ok(())], Ok(())),
            Err(Error::Interrupted)
        ));
        assert!(matches!(
            joined(vec![Ok(())], stopped()),
            Err(Error::Interrupted)
        ));
    }
}
