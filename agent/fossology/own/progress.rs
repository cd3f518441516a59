// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! How far a request is, for FOSSology's pages: while one is carried out, its counts have for each
//! host what that does, `{"progress": {HOST: {…}}}`. Its end overwrites them, and after that nothing
//! is told any more. Killed, the last word stays until the request is settled.

use crate::fossology::database::{Error, Result};
use postgres::Client;
use serde_json::Value;

/// Tells what a host does for a request that is being carried out.
///
/// # Errors
/// When the statement fails.
pub fn tell(client: &mut Client, request: i32, host: &str, what: &Value) -> Result<()> {
    client
        .execute(
            "UPDATE backup_request
                SET counts = jsonb_set(CASE WHEN counts ? 'progress' THEN counts
                                            ELSE '{\"progress\": {}}' END,
                                       ARRAY['progress', $2], $3)
              WHERE id = $1 AND state = 'running'",
            &[&request, &host, what],
        )
        .map(drop)
        .map_err(Error::sql("telling how far the request is"))
}

/// Tells that a host does nothing for it any more.
///
/// # Errors
/// When the statement fails.
pub fn tell_end(client: &mut Client, request: i32, host: &str) -> Result<()> {
    client
        .execute(
            "UPDATE backup_request SET counts = counts #- ARRAY['progress', $2]
              WHERE id = $1 AND state = 'running'",
            &[&request, &host],
        )
        .map(drop)
        .map_err(Error::sql("telling how far the request is"))
}

#[cfg(test)]
mod tests {
    use super::super::{Outcome, ensure_schema, requests};
    use super::*;
    use crate::fossology::database::testing::cluster;
    use serde_json::json;

    fn counts(client: &mut Client, request: i32) -> Value {
        client
            .query_one(
                "SELECT counts FROM backup_request WHERE id = $1",
                &[&request],
            )
            .unwrap()
            .get(0)
    }

    #[test]
    fn each_host_tells_until_the_request_ends() {
        let mut client = cluster().fossology("UTF8").connect("test").unwrap();
        ensure_schema(&mut client).unwrap();
        let id = requests::ask(&mut client, "backup", &json!({}), "fossy").unwrap();
        tell(&mut client, id, "a", &json!({"done": 1})).unwrap();
        assert_eq!(counts(&mut client, id), json!({}), "nobody is at it");

        let request = requests::take(&mut client, id, 1, "a").unwrap();
        tell(&mut client, id, "a", &json!({"done": 1})).unwrap();
        tell(&mut client, id, "b", &json!({"done": 2})).unwrap();
        tell(&mut client, id, "a", &json!({"done": 3})).unwrap();
        assert_eq!(
            counts(&mut client, id),
            json!({"progress": {"a": {"done": 3}, "b": {"done": 2}}})
        );
        tell_end(&mut client, id, "b").unwrap();
        assert_eq!(
            counts(&mut client, id),
            json!({"progress": {"a": {"done": 3}}})
        );

        request
            .finish(&mut client, Outcome::Done, &json!({"new": 4}), "done")
            .unwrap();
        tell(&mut client, id, "a", &json!({"done": 9})).unwrap();
        tell_end(&mut client, id, "a").unwrap();
        assert_eq!(counts(&mut client, id), json!({"new": 4}));
    }
}
