//! Repositories of both versions that Icechunk itself writes, read from a folder.

use std::path::Path;
use std::sync::Arc;

use eolith_cube::Region;
use icechunk::config::RepositoryConfig;
use icechunk::format::format_constants::SpecVersionBin;
use icechunk::format::manifest::{
    Checksum, SecondsSinceEpoch, VirtualChunkLocation, VirtualChunkRef,
};
use icechunk::storage::{Settings, Storage, StorageContext};
use icechunk::{Repository, Store, new_in_memory_storage};
use icechunk_format::SnapshotId;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::*;
use crate::source::zarr;
use crate::storage::{Access, StorageError};

const VERSIONS: [SpecVersionBin; 2] = [SpecVersionBin::V1, SpecVersionBin::V2];
/// Elements along both sides of an array, and of a chunk.
const SIZE: usize = 64;
const CHUNK: usize = 32;
/// The chunk that is never written.
const FILL: i16 = -1;

fn group() -> Value {
    json!({"zarr_format": 3, "node_type": "group", "attributes": {"title": "written"}})
}

fn array() -> Value {
    json!({
        "zarr_format": 3, "node_type": "array", "shape": [SIZE, SIZE], "data_type": "int16", "fill_value": FILL,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [CHUNK, CHUNK]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "dimension_names": ["y", "x"], "attributes": {},
    })
}

/// All pixels of a chunk have one value.
fn chunk(value: i16) -> bytes::Bytes {
    value.to_le_bytes().repeat(CHUNK * CHUNK).into()
}

/// A repository in memory on its way to a folder.
struct Written {
    storage: Arc<dyn Storage + Send + Sync>,
    repository: Repository,
}

impl Written {
    /// Chunks of up to `inline` bytes stand in manifests.
    async fn new(version: SpecVersionBin, inline: u16) -> Written {
        let storage = new_in_memory_storage().await.unwrap();
        let config = RepositoryConfig {
            inline_chunk_threshold_bytes: Some(inline),
            ..RepositoryConfig::default()
        };
        let create = Repository::create(Arc::clone(&storage)).config(config).spec_version(version);
        let repository = create.execute().await.unwrap();
        Written { storage, repository }
    }

    /// A commit of some keys on a branch.
    async fn commit(&self, branch: &str, keys: &[(&str, bytes::Bytes)]) -> SnapshotId {
        self.commit_with(branch, keys, &[]).await
    }

    async fn commit_with(
        &self,
        branch: &str,
        keys: &[(&str, bytes::Bytes)],
        outside: &[(&str, VirtualChunkRef)],
    ) -> SnapshotId {
        let session = self.repository.writable_session(branch).await.unwrap();
        let store = Store::from_session_and_config(Arc::new(session.into()), 1);
        for (key, bytes) in keys {
            store.set(key, bytes.clone()).await.unwrap();
        }
        for (key, chunk) in outside {
            store.set_virtual_ref(key, chunk.clone(), false).await.unwrap();
        }
        let session = store.session();
        let mut session = session.write().await;
        session.commit("test").execute().await.unwrap()
    }

    /// Everything that is in memory, as files.
    async fn save(&self, folder: &Path) -> Location {
        let settings = Settings::default();
        let context = StorageContext::unattributed(&settings);
        let listed = self.storage.list_objects(&context, "").await.unwrap();
        let listed: Vec<_> = futures::TryStreamExt::try_collect(listed).await.unwrap();
        for entry in listed {
            let path = folder.join(&entry.id);
            let (mut reader, _) = self.storage.get_object(&context, &entry.id, None).await.unwrap();
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).await.unwrap();
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        Location::local(folder).unwrap()
    }
}

fn documents() -> [(&'static str, bytes::Bytes); 2] {
    [("zarr.json", group().to_string().into()), ("größe/zarr.json", array().to_string().into())]
}

/// The value of every chunk of the one array, and the version that its reader tells.
async fn values(location: &Location) -> Result<(Vec<i16>, String), SourceError> {
    let group = zarr::open_group(location).await?;
    assert_eq!(group.attributes["title"], "written");
    let [array] = group.arrays.as_slice() else { panic!("one array, not {:?}", group.notes) };
    assert_eq!(array.meta().name, "größe");
    let whole = Region::whole(&array.meta().shape);
    let block = array.decode(&whole, array.fetch(whole.clone()).await?)?;
    let pixel = |y: usize, x: usize| block.get(y * SIZE + x).unwrap().to_f64() as i16;
    let mut found = Vec::new();
    for (y, x) in [(0, 0), (0, CHUNK), (CHUNK, 0), (CHUNK, CHUNK)] {
        let one = pixel(y, x);
        let all = (y..y + CHUNK).all(|y| (x..x + CHUNK).all(|x| pixel(y, x) == one));
        assert!(all, "a chunk of one value");
        found.push(one);
    }
    Ok((found, array.version().unwrap().to_owned()))
}

#[tokio::test]
async fn snapshots_are_read_by_branch_tag_and_id() {
    for version in VERSIONS {
        for inline in [0, u16::MAX] {
            let written = Written::new(version, inline).await;
            let [root, array] = documents();
            let first = written.commit("main", &[root, array, ("größe/c/0/0", chunk(1))]).await;
            written.repository.create_branch("dev", &first).await.unwrap();
            written.repository.create_tag("v1", &first).await.unwrap();
            written.repository.create_tag("dev", &first).await.unwrap();
            written.repository.create_tag("gone", &first).await.unwrap();
            written.repository.delete_tag("gone").await.unwrap();
            let keys = [("größe/c/0/0", chunk(2)), ("größe/c/1/0", chunk(3))];
            let second = written.commit("main", &keys).await;
            let third = written.commit("dev", &[("größe/c/0/1", chunk(4))]).await;
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("repository");
            let location = written.save(&path).await;
            assert_eq!(path.join("chunks").is_dir(), inline == 0);
            assert_eq!(path.join(STATE).is_file(), version == SpecVersionBin::V2);
            let at =
                |name: &str| Location::resolve("", &format!("{}@{name}", path.display())).unwrap();
            let (of_first, of_second, of_third) =
                (vec![1, -1, -1, -1], vec![2, -1, 3, -1], vec![1, 4, -1, -1]);
            assert_eq!(values(&location).await.unwrap(), (of_second.clone(), second.to_string()));
            for (name, expected, id) in [
                ("main", &of_second, &second),
                ("v1", &of_first, &first),
                ("tag.v1", &of_first, &first),
                ("tag.dev", &of_first, &first),
                ("branch.dev", &of_third, &third),
                (first.to_string().as_str(), &of_first, &first),
            ] {
                let (found, token) = values(&at(name)).await.unwrap();
                assert_eq!((&found, token), (expected, id.to_string()), "{name}");
                assert_eq!(super::version(&at(name)).await.unwrap(), Some(id.to_string()));
            }
            for (name, reason) in [
                ("dev", "a branch and a tag"),
                ("gone", "no branch, tag or snapshot"),
                ("none", "no branch, tag or snapshot"),
                ("00000000000000000000", "no branch, tag or snapshot"),
            ] {
                let error = values(&at(name)).await.unwrap_err().to_string();
                assert!(error.contains(reason) && error.contains("Icechunk"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn virtual_chunks_are_read_where_the_rules_allow_it() {
    for version in VERSIONS {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("two chunks");
        let bytes = [chunk(5), chunk(6)].concat();
        std::fs::write(&data, &bytes).unwrap();
        let written = Written::new(version, 0).await;
        let part = |number: u64, seconds: u32| VirtualChunkRef {
            location: VirtualChunkLocation::from_url(&format!(
                "file://{}/two%20chunks",
                folder.path().display()
            ))
            .unwrap(),
            offset: number * bytes.len() as u64 / 2,
            length: bytes.len() as u64 / 2,
            checksum: Some(Checksum::LastModified(SecondsSinceEpoch(seconds))),
        };
        let outside = [("größe/c/0/0", part(0, u32::MAX)), ("größe/c/1/1", part(1, u32::MAX))];
        written.commit_with("main", &documents(), &outside).await;
        written.commit_with("main", &[], &[("größe/c/1/1", part(1, 1))]).await;
        let path = folder.path().join("repository");
        let location = written.save(&path).await;
        let (_, first) = {
            let session = written
                .repository
                .ancestry(&icechunk::repository::VersionInfo::BranchTipRef("main".to_owned()))
                .await
                .unwrap();
            let all: Vec<_> = futures::TryStreamExt::try_collect(session).await.unwrap();
            (all[0].id.clone(), all[1].id.clone())
        };
        let before = Location::resolve("", &format!("{}@{first}", path.display())).unwrap();
        assert_eq!(values(&before).await.unwrap().0, [5, -1, -1, 6]);
        let stale = values(&location).await.unwrap_err();
        assert!(
            matches!(&stale, SourceError::Storage(StorageError::Stale { .. })),
            "{stale}: the file is younger than the reference"
        );
        // On behalf of a request that may read the repository only.
        let served = path.display().to_string();
        let access = Arc::new(Access::requests(false, [served.as_str()]));
        let requested = Location::requested(&access, &served).unwrap();
        let store = open(&requested).await.unwrap().unwrap();
        let denied = store.join("größe/c/0/0").read().await.unwrap_err();
        assert!(matches!(denied, StorageError::Forbidden { .. }), "{denied}");
        std::fs::write(&data, &bytes[1..]).unwrap();
        let short = values(&before).await.unwrap_err().to_string();
        assert!(short.contains("two chunks"), "{short}");
        std::fs::remove_file(&data).unwrap();
        let lost = open(&before).await.unwrap().unwrap().join("größe/c/0/0").read().await;
        assert!(matches!(lost, Err(StorageError::Lost { .. })), "{lost:?}");
    }
}

/// Every file cut, emptied and with bytes changed. The format has no checksums, so that a changed byte may go unseen.
#[tokio::test]
async fn damage_is_an_error() {
    for version in VERSIONS {
        let written = Written::new(version, 0).await;
        let [root, array] = documents();
        written.commit("main", &[root, array, ("größe/c/0/0", chunk(7))]).await;
        let folder = tempfile::tempdir().unwrap();
        let location = written.save(folder.path()).await;
        let good = values(&location).await.unwrap();
        let (mut failed, mut tried) = (0, 0);
        let read = async || {
            let group = zarr::open_group(&location).await?;
            for array in group.arrays {
                let whole = Region::whole(&array.meta().shape);
                array.decode(&whole, array.fetch(whole.clone()).await?)?;
            }
            Ok::<_, SourceError>(())
        };
        for kind in ["repo", "refs/branch.main/ref.json", "snapshots", "manifests"] {
            let place = folder.path().join(kind);
            // The snapshot that every repository begins with is not read for a later one.
            let first = |path: &std::path::PathBuf| path.ends_with("1CECHNKREP0F1RSTCMT0");
            let files: Vec<_> = if place.is_dir() {
                let all = std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path());
                all.filter(|path| !first(path)).collect()
            } else {
                vec![place].into_iter().filter(|path| path.is_file()).collect()
            };
            for file in files {
                let bytes = std::fs::read(&file).unwrap();
                for short in [0, bytes.len() / 2, bytes.len() - 1] {
                    std::fs::write(&file, &bytes[..short]).unwrap();
                    assert!(read().await.is_err(), "{} of {short} bytes", file.display());
                }
                for i in (0..bytes.len()).step_by(1.max(bytes.len() / 60)) {
                    let mut changed = bytes.clone();
                    changed[i] ^= 0x55;
                    std::fs::write(&file, changed).unwrap();
                    tried += 1;
                    failed += usize::from(read().await.is_err());
                }
                std::fs::write(&file, bytes).unwrap();
            }
        }
        assert!(failed > tried / 2, "{failed} of {tried}");
        assert_eq!(values(&location).await.unwrap(), good);
    }
}

#[tokio::test]
async fn what_is_no_repository_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::local(folder.path()).unwrap();
    std::fs::write(folder.path().join(STATE), "of something else").unwrap();
    assert!(open(&location).await.unwrap().is_none());
    let named = Location::local(&folder.path().join("user@host")).unwrap();
    assert!(open(&named).await.unwrap().is_none() && !is_one(&named).await);
}
