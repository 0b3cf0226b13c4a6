//! The files of a repository: a header, and FlatBuffers compressed with Zstandard.

use std::io::Read;

use bytes::Bytes;
use icechunk_format::IcechunkFormatError;
use icechunk_format::format_constants::{
    CompressionAlgorithmBin, FileTypeBin, ICECHUNK_FILE_HEADER_LEN, ICECHUNK_FORMAT_MAGIC_BYTES,
    SpecVersionBin, parse_file_header,
};

use super::plain;
use crate::storage::{Location, StorageError, shown};

/// The largest file, decompressed: what is small on disk must not fill the memory.
const MOST: u64 = 1 << 30;

/// Reads a file and takes it apart, which may be long work. `parse` gets the version of the format and the content.
///
/// # Errors
/// What reading says, and [`StorageError::Read`] for a file that is damaged or of another type: a repaired one has the same
/// name, so that nobody may remember it as broken.
pub(super) async fn read<T: Send + 'static>(
    location: &Location,
    kind: FileTypeBin,
    parse: impl FnOnce(SpecVersionBin, Vec<u8>) -> Result<T, IcechunkFormatError> + Send + 'static,
) -> Result<T, StorageError> {
    let bytes = location.read().await?;
    // Damage that the check of the buffers does not see may make the format's crate panic.
    let work = tokio::task::spawn_blocking(move || {
        let (version, content) = content(&bytes, kind)?;
        parse(version, content).map_err(|error| error.to_string())
    });
    let result = work.await.unwrap_or_else(|_| Err("its content makes no sense".to_owned()));
    result.map_err(|reason| {
        let reason =
            format!("it is damaged, or no file of an Icechunk repository: {}", plain(&reason));
        StorageError::Read { href: shown(location.href()), reason }
    })
}

/// Whether a file begins as the state of a repository, or is a reference to a snapshot.
pub(super) async fn is_one(file: &Location, state: bool) -> bool {
    let magic = ICECHUNK_FORMAT_MAGIC_BYTES;
    if state {
        let head = file.read_range(0..magic.len() as u64).await;
        return head.is_ok_and(|head| *head == *magic);
    }
    match file.read_document().await {
        Ok((_, bytes)) => snapshot_of(&bytes).is_some(),
        Err(_) => false,
    }
}

/// The id of a snapshot in a reference of version 1.
pub(super) fn snapshot_of(bytes: &Bytes) -> Option<String> {
    let document: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    document.get("snapshot")?.as_str().map(str::to_owned)
}

fn content(bytes: &[u8], kind: FileTypeBin) -> Result<(SpecVersionBin, Vec<u8>), String> {
    let header = parse_file_header(bytes).map_err(|error| error.to_string())?;
    if header.file_type != kind {
        return Err("it is a file of another kind".to_owned());
    }
    let body = &bytes[ICECHUNK_FILE_HEADER_LEN..];
    let mut content = Vec::new();
    let read = match header.compression {
        CompressionAlgorithmBin::Zstd => zstd::stream::read::Decoder::new(body)
            .and_then(|decoder| decoder.take(MOST + 1).read_to_end(&mut content)),
        CompressionAlgorithmBin::None => body.take(MOST + 1).read_to_end(&mut content),
    };
    read.map_err(|error| error.to_string())?;
    if content.len() as u64 > MOST {
        return Err(format!("it has more than {MOST} bytes"));
    }
    Ok((header.spec_version, content))
}
