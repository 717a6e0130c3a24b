//! What the double answers.

use super::bucket::{Bucket, Version};
use super::faults::Faults;
use super::listings;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use std::sync::{Arc, Mutex, MutexGuard};

pub(crate) const BUCKET: &str = "vow-test";

#[derive(Clone)]
pub(crate) struct Handlers {
    pub(crate) bucket: Arc<Mutex<Bucket>>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) page_size: usize,
}

impl Handlers {
    fn bucket(&self, name: &str) -> S3Result<MutexGuard<'_, Bucket>> {
        if name == BUCKET {
            Ok(self.bucket.lock().expect("nobody panicked"))
        } else {
            Err(s3_error!(NoSuchBucket))
        }
    }

    /// The rights of whoever looks after the bucket, which a vault need not have.
    fn may_see_settings(&self) -> S3Result<()> {
        if Faults::on(&self.faults.hide_settings) { Err(s3_error!(AccessDenied)) } else { Ok(()) }
    }

    fn silent(&self) -> bool {
        Faults::on(&self.faults.silent_markers)
    }
}

fn shown(bucket: &Bucket, version: &Version) -> Option<String> {
    bucket.versioning.then(|| version.id.clone())
}

async fn whole(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let mut bytes = BytesMut::new();
    if let Some(mut body) = body {
        while let Some(piece) = body.next().await {
            bytes.extend_from_slice(&piece.map_err(|_| s3_error!(IncompleteBody))?);
        }
    }
    Ok(bytes.freeze())
}

#[async_trait::async_trait]
impl S3 for Handlers {
    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let bytes = whole(input.body).await?;
        if input.content_length.is_some_and(|length| length != bytes.len() as i64) {
            return Err(s3_error!(IncompleteBody));
        }
        let digest = BASE64_STANDARD.encode(vow_base::id::sha256(&bytes));
        if input.checksum_sha256.as_ref().is_some_and(|given| *given != digest) {
            return Err(s3_error!(BadDigest));
        }
        let mut bucket = self.bucket(&input.bucket)?;
        let lock = match (input.object_lock_mode, input.object_lock_retain_until_date) {
            (None, None) => None,
            (Some(_), Some(_)) if !bucket.lock => {
                return Err(s3_error!(InvalidRequest, "Bucket is missing Object Lock Configuration"));
            }
            (Some(_), Some(_)) if input.checksum_sha256.is_none() && input.content_md5.is_none() => {
                return Err(s3_error!(
                    InvalidRequest,
                    "Content-MD5 or a checksum is required with object lock"
                ));
            }
            (Some(mode), Some(until)) if until > Timestamp::from(bucket.now()) => {
                Some((mode.as_str() == "COMPLIANCE", until))
            }
            _ => return Err(s3_error!(InvalidArgument, "The retain until date must be in the future")),
        };
        match &input.if_none_match {
            None => {}
            Some(condition) if !condition.is_any() => return Err(s3_error!(NotImplemented)),
            Some(_) if Faults::counts_down(&self.faults.conflict) => {
                let code = s3s::S3ErrorCode::Custom("ConditionalRequestConflict".into());
                let mut error = s3s::S3Error::new(code);
                error.set_status_code(http::StatusCode::CONFLICT);
                return Err(error);
            }
            Some(_) if bucket.is_taken(&input.key) && !Faults::on(&self.faults.ignore_create_only) => {
                return Err(s3_error!(PreconditionFailed));
            }
            Some(_) => {}
        }
        let lock = if Faults::on(&self.faults.forget_lock) { None } else { lock };
        let bytes = if Faults::on(&self.faults.garble) { Bytes::from_static(b"garbled") } else { bytes };
        let version = bucket.put(&input.key, bytes, false, lock);
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(ETag::Strong(version.e_tag.clone())),
            version_id: shown(&bucket, &version),
            ..Default::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket)?;
        let version = bucket.find(&input.key, input.version_id.as_deref(), self.silent())?;
        let length = version.bytes.len() as u64;
        let (bytes, content_range) = match input.range {
            None => (version.bytes.clone(), None),
            Some(range) => {
                let range = range.check(length).map_err(|_| s3_error!(InvalidRange))?;
                let content_range = format!("bytes {}-{}/{length}", range.start, range.end - 1);
                let (start, end) = (range.start as usize, range.end as usize);
                (version.bytes.slice(start..end), Some(content_range))
            }
        };
        let partial = content_range.is_some();
        let output = GetObjectOutput {
            content_length: Some(bytes.len() as i64),
            body: Some(StreamingBlob::wrap(futures_util::stream::iter([Ok::<_, std::io::Error>(bytes)]))),
            content_range,
            e_tag: Some(ETag::Strong(version.e_tag.clone())),
            last_modified: Some(version.stored.into()),
            version_id: shown(&bucket, version),
            ..Default::default()
        };
        let mut response = S3Response::new(output);
        if partial {
            response.status = Some(http::StatusCode::PARTIAL_CONTENT);
        }
        Ok(response)
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket)?;
        let version = bucket.find(&input.key, input.version_id.as_deref(), self.silent())?;
        let (mode, until) = version.lock.clone().unzip();
        let modes = (ObjectLockMode::COMPLIANCE, ObjectLockMode::GOVERNANCE);
        let mode = mode.map(|strict| ObjectLockMode::from_static(if strict { modes.0 } else { modes.1 }));
        Ok(S3Response::new(HeadObjectOutput {
            object_lock_mode: mode,
            object_lock_retain_until_date: until,
            content_length: Some(version.bytes.len() as i64),
            e_tag: Some(ETag::Strong(version.e_tag.clone())),
            last_modified: Some(version.stored.into()),
            version_id: shown(&bucket, version),
            ..Default::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        if Faults::on(&self.faults.refuse_deletes) {
            return Err(s3_error!(AccessDenied));
        }
        let mut bucket = self.bucket(&input.bucket)?;
        match input.version_id.as_deref() {
            Some(id) => {
                let found =
                    bucket.keys.get(&input.key).and_then(|all| all.iter().find(|version| version.id == id));
                let bypass = input.bypass_governance_retention == Some(true);
                if found.is_some_and(|version| bucket.is_locked(version, bypass))
                    && !Faults::on(&self.faults.ignore_lock)
                {
                    return Err(s3_error!(
                        AccessDenied,
                        "Access Denied because object protected by object lock."
                    ));
                }
                if let Some(versions) = bucket.keys.get_mut(&input.key) {
                    versions.retain(|version| version.id != id);
                    if versions.is_empty() {
                        bucket.keys.remove(&input.key);
                    }
                }
            }
            None if bucket.versioning => {
                bucket.put(&input.key, Bytes::new(), true, None);
            }
            None => {
                bucket.keys.remove(&input.key);
            }
        }
        Ok(S3Response::with_status(DeleteObjectOutput::default(), http::StatusCode::NO_CONTENT))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let bucket = self.bucket(&request.input.bucket)?;
        listings::objects(&bucket, &self.faults, self.page_size, request.input).map(S3Response::new)
    }

    async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let bucket = self.bucket(&request.input.bucket)?;
        listings::versions(&bucket, &self.faults, self.page_size, request.input).map(S3Response::new)
    }

    async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        let bucket = self.bucket(&request.input.bucket)?;
        let status =
            bucket.versioning.then(|| BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED));
        Ok(S3Response::new(GetBucketVersioningOutput { status, ..Default::default() }))
    }

    async fn get_object_lock_configuration(
        &self,
        request: S3Request<GetObjectLockConfigurationInput>,
    ) -> S3Result<S3Response<GetObjectLockConfigurationOutput>> {
        if !self.bucket(&request.input.bucket)?.lock {
            return Err(s3_error!(ObjectLockConfigurationNotFoundError));
        }
        let enabled = ObjectLockEnabled::from_static(ObjectLockEnabled::ENABLED);
        let configuration = ObjectLockConfiguration { object_lock_enabled: Some(enabled), rule: None };
        Ok(S3Response::new(GetObjectLockConfigurationOutput {
            object_lock_configuration: Some(configuration),
        }))
    }

    async fn get_bucket_lifecycle_configuration(
        &self,
        request: S3Request<GetBucketLifecycleConfigurationInput>,
    ) -> S3Result<S3Response<GetBucketLifecycleConfigurationOutput>> {
        self.may_see_settings()?;
        let bucket = self.bucket(&request.input.bucket)?;
        let rules = bucket.lifecycle.clone();
        let rules = rules.ok_or_else(|| s3_error!(NoSuchLifecycleConfiguration))?;
        Ok(S3Response::new(GetBucketLifecycleConfigurationOutput {
            rules: Some(rules),
            ..Default::default()
        }))
    }

    async fn get_bucket_policy(
        &self,
        request: S3Request<GetBucketPolicyInput>,
    ) -> S3Result<S3Response<GetBucketPolicyOutput>> {
        self.may_see_settings()?;
        let policy = self.bucket(&request.input.bucket)?.policy.clone();
        let policy = policy.ok_or_else(|| s3_error!(NoSuchBucketPolicy))?;
        Ok(S3Response::new(GetBucketPolicyOutput { policy: Some(policy) }))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let checked = request.headers.contains_key("content-md5")
            || request.headers.contains_key("x-amz-checksum-sha256");
        if !checked {
            return Err(s3_error!(InvalidRequest, "Missing required header for this request: Content-MD5"));
        }
        let input = request.input;
        let bypass = input.bypass_governance_retention == Some(true);
        let mut bucket = self.bucket(&input.bucket)?;
        let mut errors = Vec::new();
        for object in input.delete.objects {
            let found = bucket
                .keys
                .get(&object.key)
                .and_then(|all| all.iter().find(|version| object.version_id.as_ref() == Some(&version.id)));
            let locked = found.is_some_and(|version| bucket.is_locked(version, bypass))
                && !Faults::on(&self.faults.ignore_lock_of_many);
            if locked || Faults::on(&self.faults.refuse_deletes) {
                let code = Some("AccessDenied".to_owned());
                errors.push(Error { code, key: Some(object.key), ..Default::default() });
            } else if let Some(versions) = bucket.keys.get_mut(&object.key) {
                versions.retain(|version| object.version_id.as_ref() != Some(&version.id));
            }
        }
        Ok(S3Response::new(DeleteObjectsOutput { errors: Some(errors), ..Default::default() }))
    }

    async fn put_object_retention(
        &self,
        request: S3Request<PutObjectRetentionInput>,
    ) -> S3Result<S3Response<PutObjectRetentionOutput>> {
        let checked = request.headers.contains_key("content-md5")
            || request.headers.contains_key("x-amz-checksum-sha256");
        let input = request.input;
        if !checked {
            return Err(s3_error!(InvalidRequest, "Missing required header for this request: Content-MD5"));
        }
        if Faults::on(&self.faults.refuse_locks) {
            return Err(s3_error!(AccessDenied));
        }
        let mut bucket = self.bucket(&input.bucket)?;
        let now = Timestamp::from(bucket.now());
        let (mode, until) = input
            .retention
            .and_then(|it| it.mode.zip(it.retain_until_date))
            .ok_or_else(|| s3_error!(MalformedXML))?;
        if until <= now {
            return Err(s3_error!(InvalidArgument, "The retain until date must be in the future!"));
        }
        let strict = mode.as_str() == ObjectLockRetentionMode::COMPLIANCE;
        let version = bucket.find_mut(&input.key, input.version_id.as_deref())?;
        if let Some((true, before)) = &version.lock
            && *before > now
            && (until < *before && !Faults::on(&self.faults.shorten_lock)
                || !strict && !Faults::on(&self.faults.weaken_lock))
        {
            return Err(s3_error!(AccessDenied, "Access Denied because object protected by object lock."));
        }
        version.lock = Some((strict, until));
        Ok(S3Response::new(PutObjectRetentionOutput::default()))
    }
}
