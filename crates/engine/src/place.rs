//! Bytes of a file by place, from any number of threads.

use std::fs::File;
use std::io::{Error, ErrorKind, Result};
#[cfg(unix)]
use std::os::unix::fs::FileExt;
use std::path::Path;

use eolith_cube::Region;

#[cfg(unix)]
pub(crate) fn read(file: &File, bytes: &mut [u8], offset: u64) -> Result<()> {
    file.read_exact_at(bytes, offset)
}

#[cfg(unix)]
pub(crate) fn write(file: &File, bytes: &[u8], offset: u64) -> Result<()> {
    file.write_all_at(bytes, offset)
}

#[cfg(windows)]
pub(crate) fn read(file: &File, mut bytes: &mut [u8], mut offset: u64) -> Result<()> {
    use std::os::windows::fs::FileExt;
    while !bytes.is_empty() {
        let n = file.seek_read(bytes, offset)?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        (bytes, offset) = (&mut bytes[n..], offset + n as u64);
    }
    Ok(())
}

#[cfg(windows)]
pub(crate) fn write(file: &File, mut bytes: &[u8], mut offset: u64) -> Result<()> {
    use std::os::windows::fs::FileExt;
    while !bytes.is_empty() {
        let n = file.seek_write(bytes, offset)?;
        (bytes, offset) = (&bytes[n..], offset + n as u64);
    }
    Ok(())
}

/// Makes a file as long as it will be; what is not written yet takes no room.
///
/// # Errors
/// [`ErrorKind::StorageFull`] where the folder has less room than that, before anything is written.
pub(crate) fn make_room(file: &File, needed: u64) -> Result<()> {
    let free = free(file)?;
    if needed > free {
        let text = format!("it needs {needed} bytes, {free} are free");
        return Err(Error::new(ErrorKind::StorageFull, text));
    }
    file.set_len(needed)
}

/// Contiguous runs of a box: offset in the whole, offset in the box, length.
pub(crate) fn runs(shape: &[usize], region: &Region) -> Vec<(usize, usize, usize)> {
    if region.is_empty() {
        return Vec::new();
    }
    // From the last dimension that is not taken whole on, all is one run.
    let whole = |dim: usize| region.0[dim].len() == shape[dim];
    let cut = (0..shape.len()).rev().find(|&dim| !whole(dim)).unwrap_or(0);
    let inner: usize = shape.iter().skip(cut + 1).product();
    let (start, run) = region.0.get(cut).map_or((0, 1), |range| (range.start, range.len()));
    let mut offsets = vec![0];
    for (range, n) in region.0.iter().zip(shape).take(cut) {
        offsets = (offsets.into_iter())
            .flat_map(|base| range.clone().map(move |i| base * n + i))
            .collect();
    }
    let width = shape.get(cut).copied().unwrap_or(1);
    let run = run * inner;
    (offsets.iter().enumerate())
        .map(|(i, row)| ((row * width + start) * inner, i * run, run))
        .collect()
}

/// Bytes that may still be written to the file system of `file`.
#[cfg(unix)]
pub(crate) fn free(file: &File) -> Result<u64> {
    let system = rustix::fs::fstatvfs(file)?;
    Ok(system.f_bavail.saturating_mul(system.f_frsize))
}

/// Unknown here: writing tells.
#[cfg(not(unix))]
pub(crate) fn free(_: &File) -> Result<u64> {
    Ok(u64::MAX)
}

/// Waits until a file, or a folder with all that is in it, is on the disk.
pub(crate) fn sync(path: &Path) -> std::io::Result<()> {
    let mut open = vec![path.to_owned()];
    while let Some(path) = open.pop() {
        if !path.is_dir() {
            File::open(&path)?.sync_all()?;
            continue;
        }
        for entry in std::fs::read_dir(&path)? {
            open.push(entry?.path());
        }
        sync_folder(&path)?;
    }
    Ok(())
}

/// Waits until the names in a folder are on the disk.
pub(crate) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Whether this is the file that a path leads to.
#[cfg(unix)]
pub(crate) fn is_there(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same =
        |a: std::fs::Metadata, b: std::fs::Metadata| a.ino() == b.ino() && a.dev() == b.dev();
    file.metadata().and_then(|own| Ok(same(own, std::fs::metadata(path)?))).unwrap_or(false)
}

/// An open file cannot be removed here.
#[cfg(not(unix))]
pub(crate) fn is_there(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_as_long_as_they_can_be() {
        assert_eq!(runs(&[3, 4, 5], &Region(vec![1..3, 0..4, 0..5])), [(20, 0, 40)]);
        let rows = [(25, 0, 10), (45, 10, 10)];
        assert_eq!(runs(&[3, 4, 5], &Region(vec![1..3, 1..3, 0..5])), rows);
        assert_eq!(runs(&[2, 4], &Region(vec![0..2, 1..3])), [(1, 0, 2), (5, 2, 2)]);
        assert_eq!(runs(&[], &Region(vec![])), [(0, 0, 1)]);
        assert_eq!(runs(&[3, 4], &Region(vec![0..3, 2..2])), []);
    }
}
