//! A file that remembers headers between runs.
//!
//! One JSON file in the state directory, an entry for each file that was opened, valid while the file's version
//! token (which has modification time and size in it) is the same. It is only ever an optimisation: a cache that
//! is missing, damaged or of another version is left aside with a line in the log.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use tracing::{debug, warn};

use super::stored::StoredFile;

/// To be raised when the form changes or readers learn to say more.
const VERSION: u32 = 3;
const NAME: &str = "catalog-cache.json";

#[derive(Debug)]
pub(super) struct Cache {
    file: Option<PathBuf>,
    entries: Mutex<BTreeMap<String, Entry>>,
    dirty: AtomicBool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    version: String,
    found: StoredFile,
}

#[derive(Serialize, Deserialize)]
struct CacheFile {
    version: u32,
    /// The release that wrote it: another one may read more, or read differently.
    release: String,
    entries: BTreeMap<String, Entry>,
}

impl Cache {
    /// An empty cache that is kept in `folder`; without a folder nothing outlives the process.
    pub(super) fn new(folder: Option<&Path>) -> Cache {
        let file = folder.map(|folder| folder.join(NAME));
        Cache { file, entries: Mutex::default(), dirty: AtomicBool::new(false) }
    }

    /// Reads what an earlier run left. Blocks.
    pub(super) fn load(&self) {
        if let Some(file) = &self.file {
            let mut entries = load(file);
            entries.append(&mut self.lock());
            *self.lock() = entries;
        }
    }

    pub(super) fn get(&self, href: &str, version: &str) -> Option<StoredFile> {
        let entries = self.lock();
        let entry = entries.get(unsigned(href)).filter(|entry| entry.version == version)?;
        Some(entry.found.clone())
    }

    pub(super) fn put(&self, href: &str, version: &str, found: StoredFile) {
        let entry = Entry { version: version.to_owned(), found };
        self.lock().insert(unsigned(href).to_owned(), entry);
        self.dirty.store(true, Ordering::Release);
    }

    /// Writes the cache if anything is new; entries of local files that are gone are dropped. Blocks.
    pub(super) fn save(&self) {
        let Some(file) = &self.file else { return };
        if !self.dirty.swap(false, Ordering::AcqRel) {
            return;
        }
        let mut entries = self.lock().clone();
        entries.retain(|href, _| href.contains("://") || Path::new(href).exists());
        if let Err(error) = write(file, entries) {
            warn!(file = %file.display(), %error, "the catalogue's cache could not be written");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The address without its query: signatures change and are not to be stored, the version tells the rest.
fn unsigned(href: &str) -> &str {
    if href.contains("://") { href.split('?').next().unwrap_or(href) } else { href }
}

fn load(file: &Path) -> BTreeMap<String, Entry> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                warn!(file = %file.display(), %error, "the catalogue's cache could not be read");
            }
            return BTreeMap::new();
        }
    };
    match serde_json::from_slice::<CacheFile>(&bytes) {
        Ok(cache) if cache.version == VERSION && cache.release == env!("CARGO_PKG_VERSION") => {
            debug!(file = %file.display(), entries = cache.entries.len(), "read the catalogue's cache");
            cache.entries
        }
        Ok(cache) => {
            let (version, release) = (cache.version, cache.release);
            warn!(file = %file.display(), version, release, "the catalogue's cache is of another version: not used");
            BTreeMap::new()
        }
        Err(error) => {
            warn!(file = %file.display(), %error, "the catalogue's cache is damaged: not used");
            BTreeMap::new()
        }
    }
}

fn write(file: &Path, entries: BTreeMap<String, Entry>) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let content =
        CacheFile { version: VERSION, release: env!("CARGO_PKG_VERSION").to_owned(), entries };
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    {
        let mut writer = io::BufWriter::new(temporary.as_file_mut());
        serde_json::to_writer(&mut writer, &content)?;
        writer.flush()?;
    }
    temporary.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &Path) -> Cache {
        let cache = Cache::new(Some(folder));
        cache.load();
        cache
    }

    #[test]
    fn entries_survive_and_damage_is_left_aside() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("a.tif");
        std::fs::write(&data, "x").unwrap();
        let (here, gone) = (data.to_str().unwrap(), "/nowhere/b.tif");
        let cache = open(folder.path());
        for href in [here, gone] {
            cache.put(href, "1", StoredFile::Broken("no".to_owned()));
        }
        cache.save();

        let again = open(folder.path());
        assert!(matches!(again.get(here, "1"), Some(StoredFile::Broken(reason)) if reason == "no"));
        assert!(again.get(here, "2").is_none() && again.get(gone, "1").is_none());

        let file = folder.path().join(NAME);
        let text = std::fs::read_to_string(&file).unwrap();
        let older = text.replace(&format!("\"version\":{VERSION}"), "\"version\":0");
        assert_ne!(older, text);
        std::fs::write(&file, older).unwrap();
        assert!(open(folder.path()).get(here, "1").is_none());
        std::fs::write(&file, &text[..text.len() / 2]).unwrap();
        assert!(open(folder.path()).get(here, "1").is_none());
    }
}
