// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What S3 servers answer in XML, as far as it is of use here.

use quick_xml::events::Event;
use serde::Deserialize;

/// A page of a listing.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Page {
    pub contents: Vec<Entry>,
    /// `None` when the server does not say.
    pub is_truncated: Option<bool>,
    pub next_continuation_token: Option<String>,
}

/// An object in a listing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Entry {
    pub key: String,
    pub size: u64,
}

/// A page of the uploads in parts that are not complete.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Uploads {
    #[serde(rename = "Upload")]
    pub uploads: Vec<Upload>,
    pub is_truncated: bool,
    pub next_key_marker: Option<String>,
    pub next_upload_id_marker: Option<String>,
}

/// An upload that is not complete.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Upload {
    pub key: String,
    pub upload_id: String,
    #[serde(default)]
    pub initiated: Option<jiff::Timestamp>,
}

/// The answer to the beginning of an upload in parts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Begun {
    pub upload_id: String,
}

/// What a server says when it refuses. Some send it with a status of success.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Refusal {
    pub code: String,
    pub message: String,
}

/// Parses an answer.
pub fn parse<T: for<'a> Deserialize<'a>>(body: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    quick_xml::de::from_str(text).map_err(|error| error.to_string())
}

/// The name of the outermost element, when the answer is there to its end.
pub fn root(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let mut reader = quick_xml::Reader::from_str(text);
    let (mut name, mut depth) = (None, 0);
    loop {
        let event = reader.read_event().ok()?;
        if let Event::Start(element) | Event::Empty(element) = &event {
            name.get_or_insert_with(|| element.local_name().as_ref().to_owned());
        }
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            Event::Eof => return name.filter(|_| depth == 0),
            _ => {}
        }
    }
}

/// What a body says of an error, if it is one.
pub fn refusal(body: &[u8]) -> Option<Refusal> {
    let is_one = root(body).is_some_and(|name| name == "Error");
    is_one.then(|| parse(body).ok()).flatten()
}

/// The parts of an upload, as the server wants to hear them at its end.
pub fn complete(etags: &[String]) -> String {
    let mut text = String::from("<CompleteMultipartUpload>");
    for (at, etag) in etags.iter().enumerate() {
        let etag = quick_xml::escape::escape(etag);
        text += &format!(
            "<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>",
            at + 1
        );
    }
    text + "</CompleteMultipartUpload>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_understood() {
        let page: Page = parse(
            br#"<?xml version="1.0" encoding="UTF-8"?>
            <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><KeyCount>2</KeyCount>
            <Contents><Key>a&amp;b</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;x&quot;</ETag><Size>7</Size></Contents>
            <Contents><Key>c</Key><Size>0</Size></Contents>
            <NextContinuationToken>more</NextContinuationToken></ListBucketResult>"#,
        )
        .unwrap();
        assert_eq!((&*page.contents[0].key, page.contents[0].size), ("a&b", 7));
        assert_eq!(page.contents.len(), 2);
        assert_eq!(page.next_continuation_token.as_deref(), Some("more"));
        let uploads: Uploads = parse(
            b"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated><Upload><Key>k</Key><UploadId>u</UploadId><Initiated>2026-01-01T00:00:00.000Z</Initiated></Upload></ListMultipartUploadsResult>",
        )
        .unwrap();
        assert_eq!(uploads.uploads[0].upload_id, "u");
        assert!(uploads.uploads[0].initiated.is_some());
        let refused = refusal(b"<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>none</Message><BucketName>b</BucketName></Error>").unwrap();
        assert_eq!(
            (&*refused.code, &*refused.message),
            ("NoSuchBucket", "none")
        );
        assert!(refusal(b"<CopyObjectResult/>").is_none());
        let again: String = complete(&["\"a\"".into(), "b".into()]);
        assert!(
            again.contains("<PartNumber>2</PartNumber><ETag>b</ETag>"),
            "{again}"
        );
    }

    #[test]
    fn only_a_whole_answer_of_the_right_kind_is_one() {
        let done = "<?xml version=\"1.0\"?>\n<CompleteMultipartUploadResult xmlns=\"x\"><Key>k</Key></CompleteMultipartUploadResult>";
        assert_eq!(
            root(done.as_bytes()).as_deref(),
            Some("CompleteMultipartUploadResult")
        );
        let blanks = " ".repeat(500);
        let late =
            format!("<?xml version=\"1.0\"?>{blanks}<Error><Code>InternalError</Code></Error>");
        assert_eq!(root(late.as_bytes()).as_deref(), Some("Error"));
        for at in 0..done.len() {
            assert_eq!(root(&done.as_bytes()[..at]), None, "{}", &done[..at]);
        }
        assert_eq!(root(b"<html>no</html>").as_deref(), Some("html"));
        assert_eq!(refusal(late.as_bytes()).unwrap().code, "InternalError");
    }
}
