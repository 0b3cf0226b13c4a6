//! Large files that are being sent in parts. An object store keeps the parts of an upload that nobody ends, unseen, so each
//! is written down before its first part is sent, in a file of its own, and taken out when it has ended:
//!
//! ```text
//! uploads/<job>.<attempt>.<random>     where it goes, and its id
//! ```
//! Whoever tidies up gives up those whose attempt is over.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use eolith_engine::storage::Prefix;
use serde::{Deserialize, Serialize};

use super::ResultsError;
use crate::folders::absent;
use crate::job::Job;

/// All uploads that may be under way.
#[derive(Clone, Debug)]
pub(super) struct Uploads {
    folder: PathBuf,
}

/// An upload that is under way.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Upload {
    /// The address of the folder of the attempt.
    pub(super) folder: String,
    /// The name of the object in it.
    pub(super) name: String,
    pub(super) id: String,
}

/// What is known of an upload by the name of its file.
#[derive(Debug)]
pub(super) struct Recorded {
    file: PathBuf,
    pub(super) job: String,
    attempt: Option<i64>,
}

impl Uploads {
    /// Below the folder of the server's state.
    pub(super) fn new(state: &Path) -> Uploads {
        Uploads { folder: state.join("uploads") }
    }

    /// Writes an upload of the current attempt of a job down; gives what [`Uploads::ended`] wants.
    pub(super) async fn begun(&self, job: &Job, upload: &Upload) -> Result<PathBuf, ResultsError> {
        tokio::fs::create_dir_all(&self.folder).await?;
        let random = &crate::auth::random_id()[..8];
        let name = format!("{}.{}.{random}", job.id, job.attempt);
        let file = self.folder.join(name);
        let text = serde_json::to_vec(upload).map_err(std::io::Error::other)?;
        tokio::fs::write(&file, text).await?;
        Ok(file)
    }

    /// Takes out what has ended.
    pub(super) async fn ended(&self, begun: &Path) -> Result<(), ResultsError> {
        Ok(absent(tokio::fs::remove_file(begun).await)?)
    }

    /// Gives an upload up.
    pub(super) async fn end(&self, upload: &Recorded) -> Result<(), ResultsError> {
        give_up(&upload.file).await?;
        self.ended(&upload.file).await
    }

    /// All that are under way or were left behind.
    pub(super) async fn all(&self) -> Result<Vec<Recorded>, ResultsError> {
        Ok(self.files().await?.into_iter().map(Recorded::of).collect())
    }

    async fn files(&self) -> Result<Vec<PathBuf>, ResultsError> {
        let mut entries = match tokio::fs::read_dir(&self.folder).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        while let Some(entry) = entries.next_entry().await? {
            files.push(entry.path());
        }
        Ok(files)
    }
}

impl Recorded {
    fn of(file: PathBuf) -> Recorded {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut parts = name.split('.');
        let job = parts.next().unwrap_or_default().to_owned();
        let attempt = parts.next().and_then(|part| part.parse().ok());
        Recorded { file, job, attempt }
    }

    /// Whether the attempt that sends it may go on. What is known of the job may be older than the attempt.
    pub(super) fn goes_on(&self, job: Option<&Job>) -> bool {
        let Some((job, attempt)) = job.zip(self.attempt) else { return false };
        attempt > job.attempt || job.is_leased(attempt)
    }
}

/// What cannot be read was not written to its end, and nothing was sent then.
async fn give_up(file: &Path) -> Result<(), ResultsError> {
    let text = match tokio::fs::read(file).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        text => text?,
    };
    if let Ok(Upload { folder, name, id }) = serde_json::from_slice(&text) {
        Prefix::open(&folder)?.abandon(&name, &id).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::job::Status;

    #[tokio::test]
    async fn what_a_run_is_sending_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = Uploads::new(dir.path());
        let job = Job::new("j-1".to_owned(), "ada".to_owned(), Map::new(), 0);
        let running = Job { status: Status::Running, run: 1, attempt: 3, ..job };
        let upload = Upload { folder: "s3://b/x".into(), name: "f".into(), id: "1".into() };
        let begun = uploads.begun(&running, &upload).await.unwrap();
        let left = uploads.all().await.unwrap();
        assert_eq!((left.len(), left[0].job.as_str()), (1, "j-1"));
        assert!(left[0].goes_on(Some(&running)) && !left[0].goes_on(None));
        assert!(!left[0].goes_on(Some(&Job { attempt: 4, ..running.clone() })));
        assert!(!left[0].goes_on(Some(&Job { status: Status::Error, ..running.clone() })));
        // It was begun after the record was read.
        assert!(left[0].goes_on(Some(&Job { status: Status::Queued, attempt: 2, ..running })));
        // Half of it was written when the server was killed.
        std::fs::write(&begun, "{\"folder\"").unwrap();
        uploads.end(&left[0]).await.unwrap();
        uploads.end(&left[0]).await.unwrap();
        assert!(uploads.all().await.unwrap().is_empty());
    }
}
