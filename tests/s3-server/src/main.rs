// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! An S3 server for the tests: s3s with its file system behind it, which outlives a kill, and on top
//! what that lacks and big servers have: conditions on uploads in parts, the list of unfinished
//! ones, pages of listings, reads that cost what they read, where a bucket is, and keys that may neither
//! remove nor overwrite.
//!
//! `s3-server ROOT PORT ID SECRET [OPTION…]`; it prints its port when it listens. With `--append-only`
//! nothing goes and nothing is written over. As older servers do, it says with `--unconditional` that it
//! knows no conditions, pays no regard to them with `--careless`, and with `--tokenless` has small pages
//! of listings that do not say where the next one begins. With `--log=FILE` it adds a line to that
//! file for each request: what is asked, the bucket and the key.

use async_trait::async_trait;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::dto::*;
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use std::collections::BTreeMap;
use std::io::{SeekFrom, Write};
use std::path::PathBuf;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_util::io::ReaderStream;

/// Small, so that a small vault has several pages.
const PAGE: usize = 100;

struct Server {
    files: FileSystem,
    root: PathBuf,
    append_only: bool,
    unconditional: bool,
    careless: bool,
    tokenless: bool,
    /// Unfinished uploads: the key of each, and when it began. Held while an object gets its name,
    /// so that of two that come at once one is told that it was late.
    uploads: Mutex<BTreeMap<String, (String, Timestamp)>>,
}

impl Server {
    fn expect_new(&self, bucket: &str, key: &str, condition: bool) -> S3Result<()> {
        if condition && self.unconditional {
            return Err(s3_error!(NotImplemented, "conditions are not known here"));
        }
        if !self.root.join(bucket).join(key).exists() {
            return Ok(());
        }
        match condition && !self.careless {
            true => Err(s3_error!(PreconditionFailed, "it is there already")),
            false if self.append_only => Err(s3_error!(AccessDenied, "nothing is written over")),
            false => Ok(()),
        }
    }

    fn expect_removal(&self) -> S3Result<()> {
        match self.append_only {
            true => Err(s3_error!(AccessDenied, "nothing is removed")),
            false => Ok(()),
        }
    }
}

type Answer<T> = S3Result<S3Response<T>>;

#[async_trait]
impl S3 for Server {
    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> Answer<GetBucketLocationOutput> {
        self.files.get_bucket_location(request).await
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
        self.files.head_bucket(request).await
    }

    /// That of s3s-fs reads the whole object for each part of it, to tell its checksum.
    async fn get_object(&self, request: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        let GetObjectInput {
            bucket, key, range, ..
        } = request.input;
        let path = self.root.join(bucket).join(key);
        let opened = tokio::fs::File::open(path).await;
        let mut file = opened.map_err(|_| s3_error!(NoSuchKey))?;
        let about = file.metadata().await.map_err(internal)?;
        if !about.is_file() {
            return Err(s3_error!(NoSuchKey));
        }
        let all = 0..about.len();
        let part = range.map_or(Ok(all.clone()), |range| range.check(about.len()))?;
        let content_range =
            range.map(|_| format!("bytes {}-{}/{}", part.start, part.end - 1, all.end));
        file.seek(SeekFrom::Start(part.start))
            .await
            .map_err(internal)?;
        let len = part.end - part.start;
        let content = ReaderStream::with_capacity(file.take(len), 64 << 10);
        Ok(S3Response::new(GetObjectOutput {
            body: Some(StreamingBlob::wrap(content)),
            content_length: i64::try_from(len).ok(),
            content_range,
            last_modified: about.modified().ok().map(Timestamp::from),
            ..Default::default()
        }))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        self.files.head_object(request).await
    }

    async fn list_objects_v2(
        &self,
        mut request: S3Request<ListObjectsV2Input>,
    ) -> Answer<ListObjectsV2Output> {
        let after = match self.tokenless {
            true => request.input.start_after.take(),
            false => request.input.continuation_token.take(),
        };
        let after = after.unwrap_or_default();
        // What clients say who want no folders; s3s-fs puts it between the words of each key.
        request.input.delimiter.take_if(|text| text.is_empty());
        let size = if self.tokenless { PAGE / 10 } else { PAGE };
        let mut answer = self.files.list_objects_v2(request).await?;
        let output = &mut answer.output;
        let mut page = output.contents.take().unwrap_or_default();
        page.retain(|object| object.key.as_deref() > Some(&*after));
        // Who is not told goes on asking.
        output.is_truncated = Some(page.len() > size);
        if page.len() > size {
            page.truncate(size);
            let last = page.last().and_then(|object| object.key.clone());
            output.next_continuation_token = last.filter(|_| !self.tokenless);
        }
        output.key_count = i32::try_from(page.len()).ok();
        output.contents = Some(page);
        Ok(answer)
    }

    async fn put_object(&self, mut request: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        let _one_by_one = self.uploads.lock().await;
        let input = &mut request.input;
        let condition = input.if_none_match.take().is_some();
        self.expect_new(&input.bucket, &input.key, condition)?;
        self.files.put_object(request).await
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> Answer<CreateMultipartUploadOutput> {
        let key = request.input.key.clone();
        let answer = self.files.create_multipart_upload(request).await?;
        if let Some(id) = &answer.output.upload_id {
            let now = Timestamp::from(std::time::SystemTime::now());
            self.uploads.lock().await.insert(id.clone(), (key, now));
        }
        Ok(answer)
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
        self.files.upload_part(request).await
    }

    async fn complete_multipart_upload(
        &self,
        mut request: S3Request<CompleteMultipartUploadInput>,
    ) -> Answer<CompleteMultipartUploadOutput> {
        let mut uploads = self.uploads.lock().await;
        let input = &mut request.input;
        let condition = input.if_none_match.take().is_some();
        self.expect_new(&input.bucket, &input.key, condition)?;
        let id = input.upload_id.clone();
        let answer = self.files.complete_multipart_upload(request).await?;
        uploads.remove(&id);
        Ok(answer)
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> Answer<AbortMultipartUploadOutput> {
        let id = request.input.upload_id.clone();
        let answer = self.files.abort_multipart_upload(request).await?;
        self.uploads.lock().await.remove(&id);
        Ok(answer)
    }

    async fn list_multipart_uploads(
        &self,
        _: S3Request<ListMultipartUploadsInput>,
    ) -> Answer<ListMultipartUploadsOutput> {
        let uploads = self.uploads.lock().await;
        let uploads = uploads.iter().map(|(id, (key, began))| MultipartUpload {
            key: Some(key.clone()),
            upload_id: Some(id.clone()),
            initiated: Some(began.clone()),
            ..Default::default()
        });
        Ok(S3Response::new(ListMultipartUploadsOutput {
            uploads: Some(uploads.collect()),
            is_truncated: Some(false),
            ..Default::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> Answer<DeleteObjectOutput> {
        self.expect_removal()?;
        let input = &request.input;
        // Amazon's answer to the removal of what is not there is that it is gone.
        if !self.root.join(&input.bucket).join(&input.key).exists() {
            return Ok(S3Response::new(DeleteObjectOutput::default()));
        }
        self.files.delete_object(request).await
    }
}

fn internal(error: std::io::Error) -> s3s::S3Error {
    s3_error!(error, InternalError)
}

/// Writes down what is asked by those who have the keys.
struct Log(std::fs::File);

#[async_trait]
impl S3Access for Log {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "keys are needed"));
        }
        let path = context.s3_path();
        let bucket = path.get_bucket_name().unwrap_or_default();
        let key = path.get_object_key().unwrap_or_default();
        let line = format!("{} {bucket} {key}\n", context.s3_op().name());
        // One write to the end of the file, so that lines stay whole.
        (&self.0).write_all(line.as_bytes()).map_err(internal)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [root, port, id, secret] = &arguments[..4] else {
        return Err("s3-server ROOT PORT ID SECRET [OPTION…]".into());
    };
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let server = Server {
        files: FileSystem::new(root).map_err(|error| format!("{error:?}"))?,
        root: root.into(),
        append_only: has("--append-only"),
        unconditional: has("--unconditional"),
        careless: has("--careless"),
        tokenless: has("--tokenless"),
        uploads: Mutex::default(),
    };
    let mut service = S3ServiceBuilder::new(server);
    let mut options = arguments.iter();
    if let Some(file) = options.find_map(|argument| argument.strip_prefix("--log=")) {
        let mut file_options = std::fs::OpenOptions::new();
        let file = file_options.create(true).append(true).open(file)?;
        service.set_access(Log(file));
    }
    service.set_auth(SimpleAuth::from_single(id.clone(), secret.clone()));
    let service = service.build().into_shared();
    let address = format!("127.0.0.1:{port}");
    tokio::runtime::Runtime::new()?.block_on(async move {
        let listener = TcpListener::bind(address).await?;
        println!("{}", listener.local_addr()?.port());
        loop {
            let (socket, _) = listener.accept().await?;
            let service = service.clone();
            tokio::spawn(async move {
                let http = Builder::new(TokioExecutor::new());
                let _ = http.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    })
}
