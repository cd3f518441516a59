// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is used of libarchive's C interface (archive.h and archive_entry.h, the same since 3.4).

use libc::{c_char, c_int, c_void, mode_t, size_t, ssize_t};
use std::marker::{PhantomData, PhantomPinned};

/// An archive being read.
#[repr(C)]
pub struct archive {
    _opaque: [u8; 0],
    _marker: PhantomData<(*mut u8, PhantomPinned)>,
}

/// A member's header.
#[repr(C)]
pub struct archive_entry {
    _opaque: [u8; 0],
    _marker: PhantomData<(*mut u8, PhantomPinned)>,
}

pub const ARCHIVE_EOF: c_int = 1;
pub const ARCHIVE_OK: c_int = 0;
pub const ARCHIVE_WARN: c_int = -20;
pub const ARCHIVE_FATAL: c_int = -30;

pub const ARCHIVE_FILTER_NONE: c_int = 0;
pub const ARCHIVE_FILTER_GZIP: c_int = 1;
pub const ARCHIVE_FILTER_BZIP2: c_int = 2;
pub const ARCHIVE_FILTER_LZMA: c_int = 5;
pub const ARCHIVE_FILTER_XZ: c_int = 6;
pub const ARCHIVE_FILTER_LZIP: c_int = 9;
pub const ARCHIVE_FILTER_LZ4: c_int = 13;
pub const ARCHIVE_FILTER_ZSTD: c_int = 14;

pub type ReadCallback =
    unsafe extern "C" fn(*mut archive, *mut c_void, *mut *const c_void) -> ssize_t;
pub type SeekCallback = unsafe extern "C" fn(*mut archive, *mut c_void, i64, c_int) -> i64;

/// Functions that take an archive alone and give a status.
pub type Support = unsafe extern "C" fn(*mut archive) -> c_int;

unsafe extern "C" {
    pub fn archive_read_new() -> *mut archive;
    pub fn archive_read_free(a: *mut archive) -> c_int;

    pub fn archive_read_support_filter_bzip2(a: *mut archive) -> c_int;
    pub fn archive_read_support_filter_compress(a: *mut archive) -> c_int;
    pub fn archive_read_support_filter_gzip(a: *mut archive) -> c_int;
    pub fn archive_read_support_filter_lz4(a: *mut archive) -> c_int;
    pub fn archive_read_support_filter_lzip(a: *mut archive) -> c_int;
    pub fn archive_read_support_filter_lzma(a: *mut archive) -> c_int;
    pub fn archive_read_support_filter_rpm(a: *mut archive) -> c_int;
    pub fn archive_read_support_filter_xz(a: *mut archive) -> c_int;
    pub fn archive_read_support_filter_zstd(a: *mut archive) -> c_int;

    pub fn archive_read_support_format_7zip(a: *mut archive) -> c_int;
    pub fn archive_read_support_format_ar(a: *mut archive) -> c_int;
    pub fn archive_read_support_format_cab(a: *mut archive) -> c_int;
    pub fn archive_read_support_format_cpio(a: *mut archive) -> c_int;
    pub fn archive_read_support_format_empty(a: *mut archive) -> c_int;
    pub fn archive_read_support_format_iso9660(a: *mut archive) -> c_int;
    pub fn archive_read_support_format_lha(a: *mut archive) -> c_int;
    pub fn archive_read_support_format_rar(a: *mut archive) -> c_int;
    pub fn archive_read_support_format_rar5(a: *mut archive) -> c_int;
    pub fn archive_read_support_format_raw(a: *mut archive) -> c_int;
    pub fn archive_read_support_format_tar(a: *mut archive) -> c_int;
    pub fn archive_read_support_format_xar(a: *mut archive) -> c_int;
    pub fn archive_read_support_format_zip(a: *mut archive) -> c_int;

    pub fn archive_read_append_filter(a: *mut archive, code: c_int) -> c_int;

    pub fn archive_read_set_read_callback(a: *mut archive, callback: ReadCallback) -> c_int;
    pub fn archive_read_set_seek_callback(a: *mut archive, callback: SeekCallback) -> c_int;
    pub fn archive_read_set_callback_data(a: *mut archive, data: *mut c_void) -> c_int;
    pub fn archive_read_open1(a: *mut archive) -> c_int;

    pub fn archive_read_next_header(a: *mut archive, entry: *mut *mut archive_entry) -> c_int;
    pub fn archive_read_data_block(
        a: *mut archive,
        buffer: *mut *const c_void,
        size: *mut size_t,
        offset: *mut i64,
    ) -> c_int;
    pub fn archive_filter_code(a: *mut archive, n: c_int) -> c_int;
    pub fn archive_error_string(a: *mut archive) -> *const c_char;

    pub fn archive_entry_filetype(entry: *mut archive_entry) -> mode_t;
    pub fn archive_entry_hardlink(entry: *mut archive_entry) -> *const c_char;
    pub fn archive_entry_hardlink_utf8(entry: *mut archive_entry) -> *const c_char;
    pub fn archive_entry_is_encrypted(entry: *mut archive_entry) -> c_int;
    pub fn archive_entry_pathname(entry: *mut archive_entry) -> *const c_char;
    pub fn archive_entry_pathname_utf8(entry: *mut archive_entry) -> *const c_char;
    pub fn archive_entry_size(entry: *mut archive_entry) -> i64;
    pub fn archive_entry_size_is_set(entry: *mut archive_entry) -> c_int;
}
