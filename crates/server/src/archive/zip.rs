//! Zip with stored files: a Zarr store in this form opens as it is.
//!
//! The checksum of a file is known only when it was sent, so it follows the file (a data descriptor) and stands in
//! the directory at the end. Sizes and offsets are always written as zip64 numbers: one form for all, and the length
//! is known beforehand.

use std::io::{self, Write};

use super::{Contents, Entry};

const LOCAL: usize = 30;
const LOCAL_EXTRA: usize = 20;
const DESCRIPTOR: usize = 24;
const CENTRAL: usize = 46;
const CENTRAL_EXTRA: usize = 28;
const END: usize = 56 + 20 + 22;

/// Version 4.5: zip64.
const VERSION: u16 = 45;
/// The checksum follows (bit 3), names are UTF-8 (bit 11).
const FLAGS: u16 = 1 << 3 | 1 << 11;
/// 1 January 1980, the first day there is.
const DATE: u16 = 1 << 5 | 1;

pub(super) fn length(entries: &[Entry]) -> u64 {
    let fixed = LOCAL + LOCAL_EXTRA + DESCRIPTOR + CENTRAL + CENTRAL_EXTRA;
    let files = entries.iter().map(|entry| (fixed + 2 * entry.name.len()) as u64 + entry.size);
    files.sum::<u64>() + END as u64
}

pub(super) fn write(entries: &[Entry], out: &mut dyn Write) -> io::Result<()> {
    let mut contents = Contents::of(entries);
    let mut offset = 0_u64;
    let mut directory = Vec::new();
    for entry in entries {
        let name = entry.name.as_bytes();
        let length = u16::try_from(name.len())
            .map_err(|_| io::Error::other(format!("`{}` is too long for zip", entry.name)))?;
        let mut local = Vec::with_capacity(LOCAL + name.len() + LOCAL_EXTRA);
        number32(&mut local, 0x0403_4b50);
        common(&mut local, 0);
        numbers16(&mut local, &[length, LOCAL_EXTRA as u16]);
        local.extend_from_slice(name);
        numbers16(&mut local, &[1, LOCAL_EXTRA as u16 - 4]);
        numbers64(&mut local, &[0, 0]);
        out.write_all(&local)?;

        let mut sum = Crc::new();
        contents.copy(entry, out, |bytes| sum.update(bytes))?;
        let sum = sum.finish();
        let mut descriptor = Vec::with_capacity(DESCRIPTOR);
        number32(&mut descriptor, 0x0807_4b50);
        number32(&mut descriptor, sum);
        numbers64(&mut descriptor, &[entry.size, entry.size]);
        out.write_all(&descriptor)?;

        number32(&mut directory, 0x0201_4b50);
        numbers16(&mut directory, &[VERSION]);
        common(&mut directory, sum);
        numbers16(&mut directory, &[length, CENTRAL_EXTRA as u16, 0, 0, 0]);
        number32(&mut directory, 0);
        number32(&mut directory, u32::MAX);
        directory.extend_from_slice(name);
        numbers16(&mut directory, &[1, CENTRAL_EXTRA as u16 - 4]);
        numbers64(&mut directory, &[entry.size, entry.size, offset]);
        offset += (local.len() + descriptor.len()) as u64 + entry.size;
    }
    let size = directory.len() as u64;
    let count = entries.len() as u64;
    let end = &mut directory;
    number32(end, 0x0606_4b50);
    numbers64(end, &[44]);
    numbers16(end, &[VERSION, VERSION]);
    number32(end, 0);
    number32(end, 0);
    numbers64(end, &[count, count, size, offset]);
    number32(end, 0x0706_4b50);
    number32(end, 0);
    numbers64(end, &[offset + size]);
    number32(end, 1);
    number32(end, 0x0605_4b50);
    numbers16(end, &[0, 0, u16::MAX, u16::MAX]);
    number32(end, u32::MAX);
    number32(end, u32::MAX);
    numbers16(end, &[0]);
    out.write_all(&directory)
}

/// What local and central headers share: from the version needed to the sizes, which are in the extra field.
fn common(out: &mut Vec<u8>, sum: u32) {
    numbers16(out, &[VERSION, FLAGS, 0, 0, DATE]);
    number32(out, sum);
    number32(out, u32::MAX);
    number32(out, u32::MAX);
}

fn numbers16(out: &mut Vec<u8>, numbers: &[u16]) {
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn number32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn numbers64(out: &mut Vec<u8>, numbers: &[u64]) {
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

/// CRC-32 with the polynomial of zip, reflected.
struct Crc(u32);

impl Crc {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            let mut value = i as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { value >> 1 ^ 0xedb8_8320 } else { value >> 1 };
                bit += 1;
            }
            table[i] = value;
            i += 1;
        }
        table
    };

    fn new() -> Crc {
        Crc(u32::MAX)
    }

    fn update(&mut self, bytes: &[u8]) {
        self.0 = bytes
            .iter()
            .fold(self.0, |value, byte| value >> 8 ^ Self::TABLE[usize::from(value as u8 ^ byte)]);
    }

    fn finish(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Source;
    use super::*;

    #[test]
    fn the_checksum_is_that_of_zip() {
        let mut sum = Crc::new();
        sum.update(b"1234");
        sum.update(b"56789");
        assert_eq!(sum.finish(), 0xcbf4_3926);
    }

    #[test]
    fn the_directory_leads_to_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let entry = |name: &str, text: &str| {
            let path = dir.path().join(text);
            fs::write(&path, text).unwrap();
            Entry { name: name.to_owned(), source: Source::File(path), size: text.len() as u64 }
        };
        let entries = [entry("c/0", "abc"), entry("zarr.json", "defgh")];
        let mut out = Vec::new();
        write(&entries, &mut out).unwrap();
        assert_eq!(out.len() as u64, length(&entries));
        let at = |at: usize| u64::from_le_bytes(out[at..at + 8].try_into().unwrap()) as usize;
        let end = out.len() - END;
        assert_eq!(at(end + 24), 2);
        let mut directory = at(end + 48);
        assert_eq!(directory + at(end + 40), end);
        for entry in &entries {
            let name = directory + CENTRAL;
            let extra = name + entry.name.len();
            assert_eq!(&out[name..extra], entry.name.as_bytes());
            let local = at(extra + 4 + 16);
            assert_eq!(&out[local..local + 4], b"PK\x03\x04");
            let data = local + LOCAL + entry.name.len() + LOCAL_EXTRA;
            let Source::File(path) = &entry.source else { panic!("{entry:?}") };
            assert_eq!(out[data..data + entry.size as usize], fs::read(path).unwrap());
            directory = extra + CENTRAL_EXTRA;
        }
        assert_eq!(directory, end);
    }
}
