//! The files of one user: a folder in which nothing leads out.
//!
//! A path is checked part by part before it touches the disk, and links are not followed. What is sent goes to a file
//! beside the folder first and is renamed when it is complete, so that nobody reads half of it. Folders come with the
//! first file in them and go with the last.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;
use thiserror::Error;

use crate::job::Millis;

const FILES: &str = "files";
/// Beside the files, for what is not complete.
const INCOMING: &str = "incoming";
/// When nothing came for so long, nobody sends the rest of a file any more.
const STALE: Duration = Duration::from_hours(1);
/// Bytes of a path, and of one part of it.
const MOST_PATH: usize = 1024;
const MOST_PART: usize = 255;
/// How often folders are made again that somebody removes meanwhile.
const TRIES: usize = 5;

/// The files below the folder of a user.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    root: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserFile {
    /// With slashes, relative.
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) modified: Millis,
}

/// A file that is being sent.
#[derive(Debug)]
pub(crate) struct Upload {
    file: NamedTempFile,
    place: PathBuf,
    path: String,
    size: u64,
    limit: u64,
    /// Bytes that are free for it, if that is limited.
    free: Option<u64>,
}

#[derive(Debug, Error)]
pub(crate) enum FilesError {
    #[error("`{0}` is no path of a file: {1}")]
    Path(String, &'static str),
    #[error("there is no file `{0}`")]
    Missing(String),
    #[error("`{0}` is a folder")]
    Folder(String),
    #[error("the file is larger than the {0} bytes that it may have")]
    TooLarge(u64),
    #[error("the file is larger than the {0} bytes that are free of your storage")]
    NoRoom(u64),
    #[error(transparent)]
    Disk(#[from] io::Error),
}

impl Files {
    /// The files of the user whose folder this is.
    pub(crate) fn new(root: PathBuf) -> Files {
        Files { root }
    }

    /// All files, by path.
    pub(crate) fn list(&self) -> io::Result<Vec<UserFile>> {
        let base = self.root.join(FILES);
        let mut found = Vec::new();
        let mut open = vec![(base, String::new())];
        while let Some((folder, before)) = open.pop() {
            let entries = match fs::read_dir(folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for entry in entries {
                let entry = entry?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                // What was put there in another way may have names that the API has not.
                if !is_name(&name) {
                    continue;
                }
                let path = format!("{before}{name}");
                // Of links, the link is seen.
                let Ok(meta) = entry.metadata() else { continue };
                if meta.is_dir() {
                    open.push((entry.path(), format!("{path}/")));
                } else if meta.is_file() {
                    found.push(described(path, &meta));
                }
            }
        }
        found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// Where a file is.
    pub(crate) fn find(&self, path: &str) -> Result<PathBuf, FilesError> {
        let place = self.place(path)?;
        match place.symlink_metadata() {
            Ok(meta) if meta.is_file() => Ok(place),
            Ok(meta) if meta.is_dir() => Err(FilesError::Folder(path.to_owned())),
            Ok(_) | Err(_) => Err(FilesError::Missing(path.to_owned())),
        }
    }

    /// Bytes of the file that has the path now; 0 if there is none.
    pub(crate) fn size(&self, path: &str) -> Result<u64, FilesError> {
        let found = self.place(path)?.symlink_metadata();
        Ok(found.ok().filter(fs::Metadata::is_file).map_or(0, |meta| meta.len()))
    }

    /// Begins a file of at most `limit` bytes, and of those that are `free` for it, in the place of one that has the path
    /// already.
    pub(crate) fn begin(
        &self,
        path: &str,
        limit: u64,
        free: Option<u64>,
    ) -> Result<Upload, FilesError> {
        let place = self.place(path)?;
        if place.is_dir() {
            return Err(FilesError::Folder(path.to_owned()));
        }
        let incoming = self.root.join(INCOMING);
        fs::create_dir_all(&incoming)?;
        let file = NamedTempFile::new_in(incoming)?;
        Ok(Upload { file, place, path: path.to_owned(), size: 0, limit, free })
    }

    /// Removes what was never sent to its end; gives how many files that were.
    pub(crate) fn forget(&self) -> usize {
        let now = SystemTime::now();
        let mut gone = 0;
        for entry in fs::read_dir(self.root.join(INCOMING)).into_iter().flatten().flatten() {
            let age = entry.metadata().and_then(|meta| meta.modified());
            let age = age.ok().and_then(|time| now.duration_since(time).ok());
            // What cannot be removed is tried again.
            if age.is_some_and(|age| age > STALE) && fs::remove_file(entry.path()).is_ok() {
                gone += 1;
            }
        }
        gone
    }

    /// Removes a file, and the folders that are empty then.
    pub(crate) fn remove(&self, path: &str) -> Result<(), FilesError> {
        let place = self.find(path)?;
        fs::remove_file(&place)?;
        let base = self.root.join(FILES);
        for folder in place.ancestors().skip(1).take_while(|folder| *folder != base) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Where a path is or would be.
    fn place(&self, path: &str) -> Result<PathBuf, FilesError> {
        let wrong = |reason| FilesError::Path(path.chars().take(200).collect(), reason);
        if path.len() > MOST_PATH {
            return Err(wrong("it is too long"));
        }
        let mut place = self.root.join(FILES);
        for part in path.split('/') {
            if part.is_empty() || part == "." || part == ".." {
                return Err(wrong("its parts are names, with `/` between them"));
            }
            if part.len() > MOST_PART {
                return Err(wrong("a name in it is too long"));
            }
            if !is_name(part) {
                return Err(wrong("it has characters that names cannot have"));
            }
            // The folders that are there so far are no links, and no files.
            match place.symlink_metadata() {
                Ok(meta) if !meta.is_dir() => return Err(wrong("a part of it is no folder")),
                Ok(_) | Err(_) => {}
            }
            place.push(part);
        }
        match place.symlink_metadata() {
            Ok(meta) if meta.is_symlink() => Err(wrong("it is a link")),
            Ok(_) | Err(_) => Ok(place),
        }
    }
}

impl Upload {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), FilesError> {
        self.size += bytes.len() as u64;
        if self.size > self.limit {
            return Err(FilesError::TooLarge(self.limit));
        }
        if let Some(free) = self.free.filter(|free| self.size > *free) {
            return Err(FilesError::NoRoom(free));
        }
        Ok(self.file.write_all(bytes)?)
    }

    /// The file is complete.
    pub(crate) fn finish(self) -> Result<UserFile, FilesError> {
        self.file.as_file().sync_all()?;
        let mut file = self.file;
        for _ in 0..TRIES {
            if let Some(folder) = self.place.parent() {
                fs::create_dir_all(folder)?;
            }
            match file.persist(&self.place) {
                Ok(kept) => return Ok(described(self.path, &kept.metadata()?)),
                // Somebody has removed the last file of the folder.
                Err(error) if error.error.kind() == ErrorKind::NotFound => file = error.file,
                Err(error) => return Err(error.error.into()),
            }
        }
        Err(FilesError::Disk(io::Error::other("its folder is removed again and again")))
    }
}

fn described(path: String, meta: &fs::Metadata) -> UserFile {
    let modified = meta.modified().ok().and_then(|time| jiff::Timestamp::try_from(time).ok());
    let modified = modified.map_or(0, jiff::Timestamp::as_millisecond);
    UserFile { path, size: meta.len(), modified }
}

/// Whether openEO allows the characters: its pattern for paths forbids some that file systems take.
fn is_name(part: &str) -> bool {
    !part.chars().any(|c| c.is_control() || "\\:'\"".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(files: &Files, path: &str, bytes: &[u8]) -> Result<UserFile, FilesError> {
        let mut upload = files.begin(path, 10, None)?;
        upload.write(bytes)?;
        upload.finish()
    }

    /// Bytes of everything that is there, files that are being sent included.
    fn bytes(files: &Files) -> u64 {
        let (mut sum, mut open) = (0, vec![files.root.clone()]);
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let entry = entry.unwrap();
                let meta = entry.metadata().unwrap();
                if meta.is_dir() { open.push(entry.path()) } else { sum += meta.len() }
            }
        }
        sum
    }

    #[test]
    fn files_come_and_go_with_their_folders() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path().join("u"));
        assert_eq!(files.list().unwrap(), []);
        assert_eq!(bytes(&files), 0);
        put(&files, "b/c/d.txt", b"123").unwrap();
        put(&files, "a ä.txt", b"1").unwrap();
        assert_eq!(put(&files, "b/c/d.txt", b"1234").unwrap().size, 4);
        let list = files.list().unwrap();
        let paths: Vec<&str> = list.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["a ä.txt", "b/c/d.txt"]);
        assert!(list[0].modified > 1_700_000_000_000);
        assert_eq!(bytes(&files), 5);
        assert_eq!(fs::read(files.find("b/c/d.txt").unwrap()).unwrap(), b"1234");
        assert!(matches!(files.find("b/c"), Err(FilesError::Folder(_))));
        assert!(matches!(files.begin("b/c", 10, None), Err(FilesError::Folder(_))));
        assert!(matches!(files.remove("b"), Err(FilesError::Folder(_))));
        assert!(matches!(files.find("b/x"), Err(FilesError::Missing(_))));
        files.remove("b/c/d.txt").unwrap();
        assert!(!dir.path().join("u/files/b").exists() && dir.path().join("u/files").exists());
        assert!(matches!(files.remove("b/c/d.txt"), Err(FilesError::Missing(_))));
    }

    #[test]
    fn too_large_files_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path().to_owned());
        put(&files, "a", b"old").unwrap();
        assert!(matches!(put(&files, "a", b"12345678901"), Err(FilesError::TooLarge(10))));
        let mut upload = files.begin("a", 10, Some(2)).unwrap();
        upload.write(b"12").unwrap();
        assert!(matches!(upload.write(b"3"), Err(FilesError::NoRoom(2))));
        drop(upload);
        assert_eq!(fs::read(files.find("a").unwrap()).unwrap(), b"old");
        assert_eq!(bytes(&files), 3);
        assert_eq!((files.size("a").unwrap(), files.size("b").unwrap()), (3, 0));
    }

    #[test]
    fn what_nobody_sends_on_goes() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path().to_owned());
        assert_eq!(files.forget(), 0, "there is nothing yet");
        let mut under_way = files.begin("a", 10, None).unwrap();
        under_way.write(b"1").unwrap();
        let left = dir.path().join(INCOMING).join(".tmp-left");
        let file = fs::File::create(&left).unwrap();
        file.set_modified(SystemTime::now() - STALE - Duration::from_secs(9)).unwrap();
        assert_eq!(files.forget(), 1);
        assert!(!left.exists());
        under_way.finish().unwrap();
        assert_eq!(files.list().unwrap().len(), 1);
    }

    #[test]
    fn nothing_leads_out() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("secret"), "x").unwrap();
        let files = Files::new(dir.path().join("u"));
        put(&files, "f", b"x").unwrap();
        let long = "x".repeat(256);
        for path in [
            "",
            "..",
            "../secret",
            "a/../../secret",
            "./f",
            "/f",
            "a//b",
            "f/",
            "a\0b",
            "a\\b",
            "a:b",
            "a'b",
            "a\"b",
            "f/g",
            &long,
        ] {
            assert!(matches!(files.find(path), Err(FilesError::Path(..))), "{path:?}");
            assert!(matches!(put(&files, path, b"y"), Err(FilesError::Path(..))), "{path:?}");
            assert!(matches!(files.remove(path), Err(FilesError::Path(..))), "{path:?}");
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::symlink;
            symlink(dir.path(), dir.path().join("u/files/out")).unwrap();
            symlink(dir.path().join("secret"), dir.path().join("u/files/link")).unwrap();
            for path in ["out/secret", "out", "link", "out/new"] {
                assert!(matches!(files.find(path), Err(FilesError::Path(..))), "{path}");
                assert!(matches!(put(&files, path, b"y"), Err(FilesError::Path(..))), "{path}");
                assert!(matches!(files.remove(path), Err(FilesError::Path(..))), "{path}");
            }
            assert_eq!(files.list().unwrap().len(), 1);
        }
        assert_eq!(fs::read_to_string(dir.path().join("secret")).unwrap(), "x");
    }
}
