//! Tar in its oldest common form, ustar.

use std::io::{self, Write};

use super::{Contents, Entry};

const BLOCK: usize = 512;
/// Sizes from here on are written as a binary number, as all of today's programs read it.
const OCTAL_END: u64 = 1 << 33;

pub(super) fn check(entries: &[Entry]) -> io::Result<()> {
    match entries.iter().find(|entry| split(&entry.name).is_none()) {
        Some(entry) => Err(io::Error::other(format!("`{}` is too long for tar", entry.name))),
        None => Ok(()),
    }
}

pub(super) fn length(entries: &[Entry]) -> u64 {
    let block = BLOCK as u64;
    let files = entries.iter().map(|entry| block + entry.size.div_ceil(block) * block);
    files.sum::<u64>() + 2 * block
}

pub(super) fn write(entries: &[Entry], out: &mut dyn Write) -> io::Result<()> {
    let mut contents = Contents::of(entries);
    for entry in entries {
        out.write_all(&header(entry)?)?;
        contents.copy(entry, out, |_| {})?;
        let rest = (entry.size % BLOCK as u64) as usize;
        if rest > 0 {
            out.write_all(&[0; BLOCK][rest..])?;
        }
    }
    out.write_all(&[0; 2 * BLOCK])
}

fn header(entry: &Entry) -> io::Result<[u8; BLOCK]> {
    let (prefix, name) =
        split(&entry.name).ok_or_else(|| io::Error::other("a name is too long for tar"))?;
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    if entry.size < OCTAL_END {
        put(124, format!("{:011o}\0", entry.size).as_bytes());
    } else {
        put(124, &[0x80, 0, 0, 0]);
        put(128, &entry.size.to_be_bytes());
    }
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(345, prefix.as_bytes());
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(block)
}

/// A name of up to 100 bytes, and up to 155 bytes of folders before it.
fn split(name: &str) -> Option<(&str, &str)> {
    if name.len() <= 100 {
        return Some(("", name));
    }
    let mut slashes = name.match_indices('/').map(|(at, _)| at);
    slashes
        .find(|at| *at <= 155 && name.len() - at - 1 <= 100 && name.len() > at + 1)
        .map(|at| (&name[..at], &name[at + 1..]))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Source;
    use super::*;

    #[test]
    fn an_archive_has_the_length_and_the_blocks_of_ustar() {
        let dir = tempfile::tempdir().unwrap();
        let entry = |name: &str, size: usize| {
            let path = dir.path().join(size.to_string());
            fs::write(&path, vec![b'x'; size]).unwrap();
            Entry { name: name.to_owned(), source: Source::File(path), size: size as u64 }
        };
        let entries = [entry("a.tif", 513), entry("b/c", 512), entry("d", 0)];
        let mut out = Vec::new();
        write(&entries, &mut out).unwrap();
        assert_eq!(out.len() as u64, length(&entries));
        assert_eq!(out.len(), 512 * (1 + 2 + 1 + 1 + 1 + 2));
        assert_eq!(&out[..6], b"a.tif\0");
        assert_eq!(&out[124..136], b"00000001001\0");
        assert_eq!(&out[257..265], b"ustar\x0000");
        let sum = out[..512].iter().map(|b| u32::from(*b)).sum::<u32>();
        let own = out[148..156].iter().map(|b| u32::from(*b)).sum::<u32>();
        assert_eq!(&out[148..154], format!("{:06o}", sum - own + 8 * 32).as_bytes());
        assert_eq!(&out[512 * 3..512 * 3 + 4], b"b/c\0");
    }

    #[test]
    fn long_names_are_split_at_a_slash_or_refused() {
        let long = format!("{}/{}", "f".repeat(120), "n".repeat(90));
        assert_eq!(split(&long).map(|(p, n)| (p.len(), n.len())), Some((120, 90)));
        assert_eq!(split(&"n".repeat(101)), None);
        let entry = |name: &str, size| Entry {
            name: name.to_owned(),
            source: Source::File("".into()),
            size,
        };
        assert!(check(&[entry(&"n".repeat(300), 1)]).is_err());
        let large = header(&entry("large", 1 << 40)).unwrap();
        assert_eq!(&large[124..136], &[0x80, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
    }
}
