// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The pages of a listing: which one comes next, also from servers that know only the first version of
//! this request. Nothing is ever left out silently, since what is not listed counts as not there.

use super::xml;

/// Where a listing goes on.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    Beginning,
    /// Where this token of the server says.
    Token(String),
    /// Behind this key: the server has no token, and more.
    After(String),
}

impl Next {
    /// Where it goes on after a page; `None` when that was the last one. A server that does not get any
    /// further is an error: its listing would lack something, or never end.
    pub fn following(&self, page: &xml::Page) -> Result<Option<Self>, String> {
        if page.is_truncated == Some(false) {
            return Ok(None);
        }
        let token = page.next_continuation_token.as_ref();
        let next = match token.filter(|token| !token.is_empty()) {
            Some(token) => Self::Token(token.clone()),
            None if page.is_truncated.is_none() => return Ok(None),
            None => {
                let last = page.contents.iter().map(|entry| &entry.key).max();
                let last = last.ok_or("a page with nothing, and more to come")?;
                Self::After(last.clone())
            }
        };
        let goes_on = match (self, &next) {
            (Self::After(before), Self::After(last)) => before < last,
            (before, next) => before != next,
        };
        match goes_on {
            true => Ok(Some(next)),
            false => Err("the same page of the listing twice".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(keys: &[&str], truncated: Option<bool>, token: Option<&str>) -> xml::Page {
        let entry = |key: &&str| xml::Entry {
            key: key.to_string(),
            size: 1,
        };
        xml::Page {
            contents: keys.iter().map(entry).collect(),
            is_truncated: truncated,
            next_continuation_token: token.map(str::to_owned),
        }
    }

    #[test]
    fn a_listing_goes_on_until_the_server_has_no_more_or_fails() {
        let next = |from: &Next, page: &xml::Page| from.following(page);
        let begin = Next::Beginning;
        let token = |text: &str| Next::Token(text.into());
        let after = |text: &str| Next::After(text.into());
        assert_eq!(next(&begin, &page(&["a"], Some(false), None)), Ok(None));
        assert_eq!(next(&begin, &page(&["a"], None, None)), Ok(None));
        let first = page(&["a", "b"], Some(true), Some("t"));
        assert_eq!(next(&begin, &first), Ok(Some(token("t"))));
        next(&token("t"), &first).unwrap_err();
        // An old server says that there is more, and has no token.
        let old = page(&["a", "b"], Some(true), None);
        assert_eq!(next(&begin, &old), Ok(Some(after("b"))));
        next(&after("b"), &old).unwrap_err();
        next(&begin, &page(&[], Some(true), Some(""))).unwrap_err();
        let more = page(&["c"], Some(true), None);
        assert_eq!(next(&after("b"), &more), Ok(Some(after("c"))));
    }
}
