//! What there is to say of the files of a run: names, sizes, checksums, and STAC.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use eolith_engine::session::{Described, Report};
use eolith_engine::sink::OutputFile;
use sha2::{Digest, Sha256};

use super::VALUE;
use crate::archive;
use crate::inputs;
use crate::job::{Outcome, ResultFile};

/// What is known of the files of one attempt. A file is looked at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Known(Arc<Mutex<BTreeMap<String, ResultFile>>>);

/// Looks at all files that a run has written below `folder`.
pub(super) fn describe(folder: &Path, report: &Report, known: &Known) -> io::Result<Outcome> {
    let inputs = inputs::kept(&report.inputs);
    let mut outcome = Outcome { inputs, ..Outcome::default() };
    add(&mut outcome, folder, &report.outputs, &report.resources, known)?;
    let value = folder.join(VALUE);
    if outcome.files.is_empty() && value.exists() {
        outcome.files.push(file(&value, VALUE.to_owned(), "application/json", Vec::new())?);
    }
    Ok(outcome)
}

/// Adds results to those that an outcome has.
pub(super) fn add(
    outcome: &mut Outcome,
    folder: &Path,
    outputs: &[OutputFile],
    resources: &[Described],
    known: &Known,
) -> io::Result<()> {
    for output in outputs {
        let Ok(name) = output.path.strip_prefix(folder) else { continue };
        let name = name.to_string_lossy().into_owned();
        // Who comes second waits for what the first one finds.
        let mut known = known.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = match known.get(&name) {
            Some(found) => found.clone(),
            None => file(&output.path, name.clone(), output.media_type, output.notes.clone())?,
        };
        known.insert(name, found.clone());
        outcome.files.push(found);
    }
    for Described { json, items } in resources {
        if items.is_empty() {
            outcome.items.push(json.clone());
        } else {
            outcome.items.extend(items.iter().cloned());
        }
        outcome
            .dimensions
            .extend(Some(&json["cube:dimensions"]).filter(|dims| dims.is_object()).cloned());
    }
    Ok(())
}

fn file(path: &Path, name: String, media_type: &str, notes: Vec<String>) -> io::Result<ResultFile> {
    let is_folder = path.is_dir();
    let media_type = media_type.to_owned();
    if is_folder {
        let size = archive::entries(path, path)?.iter().map(archive::Entry::size).sum();
        return Ok(ResultFile { name, media_type, is_folder, size, sha256: None, notes });
    }
    let mut bytes = File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut size = 0;
    loop {
        let read = bytes.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        digest.update(&buffer[..read]);
        size += read as u64;
    }
    let sha256 = Some(crate::auth::hex(&digest.finalize()));
    Ok(ResultFile { name, media_type, is_folder, size, sha256, notes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_sizes_and_checksums_and_folders_a_size() {
        let dir = tempfile::tempdir().unwrap();
        let output = |name: &str| OutputFile {
            path: dir.path().join(name),
            media_type: "image/tiff",
            notes: vec!["n".to_owned()],
            image: None,
        };
        std::fs::write(dir.path().join("a.tif"), "abc").unwrap();
        std::fs::create_dir_all(dir.path().join("b.zarr/c")).unwrap();
        std::fs::write(dir.path().join("b.zarr/c/0"), "12345").unwrap();
        let outputs = vec![output("a.tif"), output("b.zarr")];
        let outcome =
            describe(dir.path(), &Report { outputs, ..Report::default() }, &Known::default());
        let outcome = outcome.unwrap();
        let [a, b] = outcome.files.as_slice() else { panic!("{outcome:?}") };
        assert_eq!((a.name.as_str(), a.size, b.size, b.is_folder), ("a.tif", 3, 5, true));
        // Of the standard that defines SHA-256 (FIPS 180-2, B.1).
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((a.sha256.as_deref(), &b.sha256), (Some(known), &None));
    }
}
