//! Folders in buckets that are written: what the server keeps there.
//!
//! An object is there as a whole or not at all. Small files go by one request, large ones in parts side by side. Parts of an
//! upload that nobody ends stay in the store, unseen and paid for: so an upload has an id from its beginning, by which
//! another process can give it up ([`Prefix::abandon`]). Requests are repeated for some seconds by the client of the store
//! ([`super::bucket`]); whether more patience may help is what [`PrefixError::is_away`] says.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStoreExt;
use object_store::path::Path as Key;
use thiserror::Error;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::bucket::{self, Bucket};
use super::{Location, StorageError, address};

/// Bytes of a part, and of what goes by one request. Stores take no smaller parts than 5 MiB.
const PART: u64 = 8 << 20;
/// Parts of one upload that all stores take.
const MOST_PARTS: u64 = 10_000;
/// Parts that this process has in memory at a time.
const AT_A_TIME: u32 = 8;
/// Parts of one file.
const OF_A_FILE: usize = 4;

static MEMORY: Semaphore = Semaphore::const_new(AT_A_TIME as usize);

/// A folder in a bucket.
#[derive(Clone)]
pub struct Prefix {
    bucket: Arc<Bucket>,
    /// Without a slash at the end.
    href: String,
}

/// An object below a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// With slashes, relative to the folder.
    pub name: String,
    pub size: u64,
}

/// Why something was not done. Names bucket and key, which are nobody's business but the operator's.
#[derive(Debug, Error)]
pub enum PrefixError {
    #[error("`{href}`: the store does not answer as it should: {reason}")]
    Away { href: String, reason: String },
    #[error("`{href}`: {reason}")]
    Refused { href: String, reason: String },
    #[error("`{file}` cannot be read: {source}")]
    File { file: String, source: std::io::Error },
}

impl PrefixError {
    /// Whether it may be better after a while.
    pub fn is_away(&self) -> bool {
        matches!(self, PrefixError::Away { .. })
    }
}

impl Prefix {
    /// The folder at an address of the operator, without the settings that [`bucket::configure`] takes out of it.
    ///
    /// # Errors
    /// [`StorageError::Address`] for what is no bucket, and settings that cannot be used.
    pub fn open(href: &str) -> Result<Prefix, StorageError> {
        let href = href.trim_end_matches('/');
        let (root, key) =
            address::split_bucket(href).ok_or_else(|| StorageError::Address(href.to_owned()))?;
        Key::parse(key).map_err(|_| StorageError::Address(href.to_owned()))?;
        Ok(Prefix { bucket: Bucket::open(root)?, href: href.to_owned() })
    }

    /// A folder in it.
    pub fn join(&self, name: &str) -> Prefix {
        Prefix { bucket: Arc::clone(&self.bucket), href: self.at(name) }
    }

    /// The address.
    pub fn href(&self) -> &str {
        &self.href
    }

    /// Whether a file of so many bytes goes by one request.
    pub fn is_small(size: u64) -> bool {
        size <= PART
    }

    /// Writes an object.
    pub async fn put(&self, name: &str, bytes: Bytes) -> Result<(), PrefixError> {
        let (key, _permit) = self.ask(name).await?;
        let put = self.bucket.store().put(&key, bytes.into()).await;
        put.map(|_| ()).map_err(|error| self.error(name, error))
    }

    /// Writes a small file.
    pub async fn put_file(&self, name: &str, file: &Path, size: u64) -> Result<(), PrefixError> {
        let _memory = memory(size).await;
        self.put(name, part(file, 0, size).await?).await
    }

    /// Begins to write a large file; gives the id by which it is ended or given up.
    pub async fn begin(&self, name: &str) -> Result<String, PrefixError> {
        let (key, _permit) = self.ask(name).await?;
        let begun = self.bucket.parts().create_multipart(&key).await;
        begun.map_err(|error| self.error(name, error))
    }

    /// Sends all bytes of a file that was begun, after which the object is there.
    pub async fn send(
        &self,
        name: &str,
        id: &str,
        file: &Path,
        size: u64,
    ) -> Result<(), PrefixError> {
        let each = part_size(size);
        let (key, id) = (self.key(name)?, id.to_owned());
        let sent = stream::iter(0..size.div_ceil(each).max(1)).map(async |number| {
            let start = number * each;
            let length = each.min(size - start);
            let _memory = memory(length).await;
            let bytes = part(file, start, length).await?;
            let (_, _permit) = self.ask(name).await?;
            let parts = self.bucket.parts();
            let part = parts.put_part(&key, &id, number as usize, bytes.into()).await;
            part.map_err(|error| self.error(name, error))
        });
        let parts: Vec<_> = sent.buffered(OF_A_FILE).try_collect().await?;
        let (_, _permit) = self.ask(name).await?;
        let ended = self.bucket.parts().complete_multipart(&key, &id, parts).await;
        ended.map(|_| ()).map_err(|error| self.error(name, error))
    }

    /// Gives up a file that was begun. One that was ended meanwhile, or is not known any more, is as good.
    pub async fn abandon(&self, name: &str, id: &str) -> Result<(), PrefixError> {
        let (key, _permit) = self.ask(name).await?;
        match self.bucket.parts().abort_multipart(&key, &id.to_owned()).await {
            Err(error) if bucket::is_absent(&error) => Ok(()),
            done => done.map_err(|error| self.error(name, error)),
        }
    }

    /// All bytes of a small object; `None` if there is none.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>, PrefixError> {
        let (key, _permit) = self.ask(name).await?;
        let got = async { self.bucket.store().get(&key).await?.bytes().await }.await;
        match got {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error(name, error)),
        }
    }

    /// All objects below a folder in it, by name.
    pub async fn objects(&self, name: &str) -> Result<Vec<Object>, PrefixError> {
        let (key, _permit) = self.ask(name).await?;
        let listed = self.bucket.store().list(Some(&key)).map_ok(|meta| {
            let name = meta.location.as_ref().strip_prefix(key.as_ref()).unwrap_or_default();
            Object { name: name.trim_start_matches('/').to_owned(), size: meta.size }
        });
        let listed: Result<Vec<_>, _> = listed.try_collect().await;
        let mut objects = listed.map_err(|error| self.error(name, error))?;
        objects.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(objects)
    }

    /// The names of the folders directly in a folder, sorted.
    pub async fn folders(&self, name: &str) -> Result<Vec<String>, PrefixError> {
        let (key, _permit) = self.ask(name).await?;
        let listed = self.bucket.store().list_with_delimiter(Some(&key)).await;
        let listed = listed.map_err(|error| self.error(name, error))?;
        let folders = listed.common_prefixes.iter();
        let mut names: Vec<String> =
            folders.filter_map(|folder| folder.filename().map(str::to_owned)).collect();
        names.sort();
        Ok(names)
    }

    /// Removes an object, if it is there.
    pub async fn remove(&self, name: &str) -> Result<(), PrefixError> {
        let (key, _permit) = self.ask(name).await?;
        match self.bucket.store().delete(&key).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            done => done.map_err(|error| self.error(name, error)),
        }
    }

    /// Removes everything below a folder in it; gives how many objects these were.
    pub async fn clear(&self, name: &str) -> Result<usize, PrefixError> {
        let (key, _permit) = self.ask(name).await?;
        let listed = self.bucket.store().list(Some(&key)).map_ok(|meta| meta.location);
        let mut removed = self.bucket.store().delete_stream(listed.boxed());
        let mut count = 0;
        while let Some(done) = removed.next().await {
            match done {
                Ok(_) => count += 1,
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(self.error(name, error)),
            }
        }
        Ok(count)
    }

    /// An object, or a folder, to be read.
    ///
    /// # Errors
    /// The name cannot be one of an object.
    pub fn location(&self, name: &str) -> Result<Location, StorageError> {
        Location::resolve("", &self.at(name))
    }

    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.href).trim_end_matches('/').to_owned()
    }

    fn key(&self, name: &str) -> Result<Key, PrefixError> {
        let href = self.at(name);
        let key = address::split_bucket(&href).map_or("", |(_, key)| key);
        Key::parse(key).map_err(|error| PrefixError::Refused {
            reason: format!("this cannot be a name in a bucket: {error}"),
            href: href.clone(),
        })
    }

    /// The key of an object, and the right to one request.
    async fn ask(&self, name: &str) -> Result<(Key, SemaphorePermit<'_>), PrefixError> {
        let key = self.key(name)?;
        let permit = self.bucket.permit(&self.at(name)).await;
        permit.map(|permit| (key, permit)).map_err(refused)
    }

    fn error(&self, name: &str, error: object_store::Error) -> PrefixError {
        let (href, passing) = (self.at(name), bucket::is_passing(&error));
        match refused(bucket::explain(&href, error)) {
            PrefixError::Refused { href, reason } if passing => PrefixError::Away { href, reason },
            other => other,
        }
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prefix({})", self.href)
    }
}

fn refused(error: StorageError) -> PrefixError {
    let (href, reason) = match error {
        StorageError::Denied { href, reason } | StorageError::Read { href, reason } => {
            (href, reason)
        }
        other => (other.href().unwrap_or_default().to_owned(), other.to_string()),
    };
    PrefixError::Refused { href, reason }
}

/// Bytes of each part of a file.
fn part_size(size: u64) -> u64 {
    PART.max(size.div_ceil(MOST_PARTS))
}

/// Waits until there is memory for so many bytes.
async fn memory(bytes: u64) -> Option<SemaphorePermit<'static>> {
    let parts = u32::try_from(bytes.div_ceil(PART)).unwrap_or(AT_A_TIME);
    // It is never closed.
    MEMORY.acquire_many(parts.clamp(1, AT_A_TIME)).await.ok()
}

/// Some bytes of a file.
async fn part(file: &Path, start: u64, length: u64) -> Result<Bytes, PrefixError> {
    let path = file.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = vec![0; length as usize];
        file.read_exact(&mut bytes)?;
        Ok(Bytes::from(bytes))
    });
    let failed = |source| PrefixError::File { file: file.display().to_string(), source };
    read.await.map_err(std::io::Error::other).flatten().map_err(failed)
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    fn prefix() -> Prefix {
        let bucket = Arc::new(Bucket::over(Arc::new(InMemory::new())));
        Prefix { bucket, href: "s3://b/some/where".to_owned() }
    }

    #[tokio::test]
    async fn objects_are_written_listed_and_removed() {
        let prefix = prefix();
        for name in ["jobs/a/1/files/x.tif", "jobs/a/1/files/y.zarr/c/0", "jobs/ab/1/z~[1]"] {
            prefix.put(name, Bytes::from_static(b"123")).await.unwrap();
        }
        assert_eq!(prefix.folders("jobs").await.unwrap(), ["a", "ab"]);
        let names = |objects: Vec<Object>| -> Vec<String> {
            objects.into_iter().map(|object| format!("{}:{}", object.name, object.size)).collect()
        };
        // A name that begins alike is another folder.
        assert_eq!(
            names(prefix.objects("jobs/a").await.unwrap()),
            ["1/files/x.tif:3", "1/files/y.zarr/c/0:3"]
        );
        assert_eq!(names(prefix.join("jobs/ab").objects("").await.unwrap()), ["1/z~[1]:3"]);
        assert_eq!(prefix.get("jobs/ab/1/z~[1]").await.unwrap().unwrap(), "123");
        assert_eq!(prefix.get("jobs/ab/1").await.unwrap(), None);
        assert_eq!(prefix.clear("jobs/a").await.unwrap(), 2);
        prefix.remove("jobs/ab/1/z~[1]").await.unwrap();
        prefix.remove("jobs/ab/1/z~[1]").await.unwrap();
        assert_eq!(prefix.clear("").await.unwrap(), 0);
        assert!(prefix.put("a/../b", Bytes::new()).await.is_err());
    }

    #[tokio::test]
    async fn large_files_go_in_parts_and_can_be_given_up() {
        let prefix = prefix();
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..2 * PART + 5).map(|i| (i / 1000) as u8).collect();
        std::fs::write(file.path(), &bytes).unwrap();
        let size = bytes.len() as u64;
        let id = prefix.begin("large").await.unwrap();
        prefix.send("large", &id, file.path(), size).await.unwrap();
        assert!(prefix.get("large").await.unwrap().unwrap() == bytes);
        let id = prefix.begin("other").await.unwrap();
        prefix.abandon("other", &id).await.unwrap();
        let ended = prefix.send("other", &id, file.path(), size).await.unwrap_err();
        assert!(ended.to_string().contains("s3://b/some/where/other"), "{ended}");
        let short = prefix.put_file("short", file.path(), size + 1).await;
        assert!(matches!(short, Err(PrefixError::File { .. })));
        assert_eq!(prefix.objects("").await.unwrap().len(), 1);
    }

    #[test]
    fn parts_fit_the_limits_of_stores() {
        for size in [0, 1, PART + 1, 5 << 40] {
            let each = part_size(size);
            assert!(each >= PART && size.div_ceil(each) <= MOST_PARTS, "{size}");
        }
    }

    #[test]
    fn only_buckets_are_prefixes() {
        for wrong in ["/data", "data", "s3:///x", "https://h/x", "file:///x"] {
            assert!(Prefix::open(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Prefix::open("s3://b/p/").unwrap().join("q").href(), "s3://b/p/q");
    }
}
