// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Lets libarchive know all letters: in the locale that a program starts with it knows ASCII, and
//! gives up archives whose names have others.

use std::sync::OnceLock;

/// A locale; never freed.
struct Locale(libc::locale_t);

// SAFETY: a locale is never changed once it is made, and any thread may use it.
unsafe impl Send for Locale {}
// SAFETY: as above.
unsafe impl Sync for Locale {}

/// Has the calling thread use letters in UTF-8, where the system can.
pub fn use_utf8() {
    static UTF8: OnceLock<Locale> = OnceLock::new();
    let locale = UTF8.get_or_init(|| {
        // SAFETY: the name ends with a zero; null is no base.
        let locale = unsafe {
            libc::newlocale(
                libc::LC_CTYPE_MASK,
                c"C.UTF-8".as_ptr(),
                std::ptr::null_mut(),
            )
        };
        Locale(locale)
    });
    if !locale.0.is_null() {
        // SAFETY: the locale is valid and never freed.
        unsafe { libc::uselocale(locale.0) };
    }
}
