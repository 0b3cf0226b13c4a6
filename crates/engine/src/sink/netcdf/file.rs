//! A netCDF-4 file that is written from its start to its end: pixels as they come, and at the end what says where
//! they are.
//!
//! Deliberately not here: groups, unlimited dimensions, user-defined types, changing a file. Dimensions are the HDF5
//! dimension scales netCDF makes of them (<https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html>,
//! "The NetCDF-4 Format").

use std::io::{self, Seek, SeekFrom, Write};

use eolith_cube::DType;

use super::hdf5::{self, Chunk};
use crate::crs_text::CfValue;
use crate::sink::cf::Attributes;

/// A file being written.
pub(super) struct NcFile<W> {
    out: W,
    /// Bytes so far.
    at: u64,
}

/// A variable of which the values are in the file.
pub(super) struct Variable {
    pub(super) name: String,
    /// From [`hdf5::number`] or [`hdf5::texts`].
    pub(super) kind: Vec<u8>,
    /// Its dimensions, as numbers of variables: the coordinate of each.
    pub(super) dims: Vec<usize>,
    pub(super) shape: Vec<u64>,
    pub(super) storage: Storage,
    pub(super) fill: Option<Vec<u8>>,
    /// Messages made by [`attribute`] and its kin.
    pub(super) attributes: Vec<(u8, Vec<u8>)>,
    /// The number of the dimension whose labels it holds.
    pub(super) scale: Option<i32>,
}

pub(super) enum Storage {
    Contiguous {
        address: u64,
        size: u64,
    },
    Chunked {
        chunks: Vec<Chunk>,
        chunk: Vec<usize>,
        /// Bytes of a value.
        size: usize,
        /// Deflate level, 0 = stored as they are.
        level: u32,
    },
}

/// What is said in a header.
struct Addresses {
    trees: Vec<u64>,
    headers: Vec<u64>,
    /// For each variable that is a coordinate its place in the heap, as a list of one reference.
    scales: Vec<Vec<u8>>,
}

/// Attributes as messages.
pub(super) fn attributes(attributes: Attributes) -> Vec<(u8, Vec<u8>)> {
    let doubles = |name: &str, numbers: &[f64]| {
        let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        attribute(name, DType::F64, &bytes)
    };
    (attributes.into_iter())
        .map(|(name, value)| match value {
            CfValue::Text(text) => text_attribute(&name, &text),
            CfValue::Number(number) => doubles(&name, &[number]),
            CfValue::Numbers(numbers) => doubles(&name, &numbers),
        })
        .collect()
}

/// An attribute of numbers, given as bytes.
pub(super) fn attribute(name: &str, dtype: DType, bytes: &[u8]) -> (u8, Vec<u8>) {
    let count = (bytes.len() / dtype.size()) as u64;
    hdf5::attribute(name, &hdf5::number(dtype), Some(count), bytes)
}

/// An attribute that is a text.
pub(super) fn text_attribute(name: &str, text: &str) -> (u8, Vec<u8>) {
    // No text is of no length.
    let bytes = if text.is_empty() { b"\0" } else { text.as_bytes() };
    hdf5::attribute(name, &hdf5::text(bytes.len()), None, bytes)
}

impl<W: Write + Seek> NcFile<W> {
    pub(super) fn new(mut out: W) -> io::Result<NcFile<W>> {
        out.write_all(&[0; hdf5::SUPERBLOCK])?;
        Ok(NcFile { out, at: hdf5::SUPERBLOCK as u64 })
    }

    /// A file of which everything up to `at` is written, but the start is still empty.
    pub(super) fn resume(mut out: W, at: u64) -> io::Result<NcFile<W>> {
        out.seek(SeekFrom::Start(at))?;
        Ok(NcFile { out, at })
    }

    /// Writes bytes and gives their address.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let address = self.at;
        self.out.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(address)
    }

    /// Writes texts of any length as the values of a variable.
    pub(super) fn texts(&mut self, texts: &[String]) -> io::Result<Storage> {
        // What has no length has no place.
        let object = |text: &String| if text.is_empty() { vec![0] } else { text.clone().into() };
        let objects: Vec<Vec<u8>> = texts.iter().map(object).collect();
        self.align()?;
        let (bytes, places) = hdf5::heaps(&objects, 1, self.at);
        self.append(&bytes)?;
        let address = self.append(&places)?;
        Ok(Storage::Contiguous { address, size: places.len() as u64 })
    }

    /// Writes everything but the values. `global` are attributes of the file.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] where an attribute is longer than the format allows.
    pub(super) fn finish(
        mut self,
        variables: &[Variable],
        global: Vec<(u8, Vec<u8>)>,
    ) -> io::Result<()> {
        self.align()?;
        let mut trees = vec![hdf5::UNDEFINED; variables.len()];
        for (variable, address) in variables.iter().zip(&mut trees) {
            if let Storage::Chunked { chunks, chunk, .. } = &variable.storage {
                let (bytes, root) = hdf5::tree(chunks, chunk, self.at);
                self.append(&bytes)?;
                *address = root;
            }
        }
        self.align()?;
        // Headers name each other: with addresses of zero they are as long as with the true ones.
        let nowhere = vec![vec![0; 8]; variables.len()];
        let heap = self.at;
        let (space, places) = hdf5::heaps(&nowhere, 8, heap);
        let scales = places.chunks_exact(16).map(<[u8]>::to_vec).collect();
        let mut addresses = Addresses { trees, headers: vec![0; variables.len()], scales };
        let sizes = headers(variables, &addresses)?;
        let mut next = heap + space.len() as u64;
        for (address, bytes) in addresses.headers.iter_mut().zip(&sizes) {
            *address = next;
            next += bytes.len() as u64;
        }
        let references: Vec<Vec<u8>> =
            addresses.headers.iter().map(|address| address.to_le_bytes().into()).collect();
        self.append(&hdf5::heaps(&references, 8, heap).0)?;
        for bytes in headers(variables, &addresses)? {
            self.append(&bytes)?;
        }
        let names = variables.iter().map(|variable| variable.name.as_str());
        let links: Vec<(&str, u64)> = names.zip(addresses.headers).collect();
        let mut messages = hdf5::links(&links);
        messages.push(hdf5::attribute_info(global.len()));
        messages.extend(global);
        let root = self.append(&header(&messages)?)?;
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&hdf5::superblock(root, self.at))?;
        self.out.seek(SeekFrom::End(0))?;
        Ok(())
    }

    fn align(&mut self) -> io::Result<()> {
        let padding = self.at.next_multiple_of(8) - self.at;
        self.append(&[0; 8][..padding as usize]).map(|_| ())
    }
}

/// The object headers of all variables.
fn headers(variables: &[Variable], addresses: &Addresses) -> io::Result<Vec<Vec<u8>>> {
    let one = |(n, variable): (usize, &Variable)| {
        let mut messages = vec![
            hdf5::dataspace(&variable.shape),
            hdf5::datatype(&variable.kind),
            hdf5::fill_value(variable.fill.as_deref()),
        ];
        match &variable.storage {
            Storage::Contiguous { address, size } => {
                messages.push(hdf5::contiguous(*address, *size));
            }
            Storage::Chunked { chunk, size, level, .. } => {
                messages.push(hdf5::chunked(addresses.trees[n], chunk, *size));
                if *level > 0 {
                    messages.push(hdf5::filters(*size, *level));
                }
            }
        }
        let mut attributes = variable.attributes.clone();
        attributes.extend(links_between(variables, n, addresses));
        messages.push(hdf5::attribute_info(attributes.len()));
        messages.extend(attributes);
        header(&messages)
    };
    variables.iter().enumerate().map(one).collect()
}

/// The attributes by which a variable and its dimensions know each other.
fn links_between(variables: &[Variable], n: usize, addresses: &Addresses) -> Vec<(u8, Vec<u8>)> {
    let variable = &variables[n];
    let Some(id) = variable.scale else {
        if variable.dims.is_empty() {
            return Vec::new();
        }
        let lists: Vec<u8> =
            variable.dims.iter().flat_map(|&dim| addresses.scales[dim].clone()).collect();
        let count = Some(variable.dims.len() as u64);
        return vec![hdf5::attribute("DIMENSION_LIST", &hdf5::references(), count, &lists)];
    };
    let ended = |text: &str| [text.as_bytes(), b"\0"].concat();
    let name = ended(&variable.name);
    let mut attributes = vec![
        hdf5::attribute("CLASS", &hdf5::text(16), None, b"DIMENSION_SCALE\0"),
        hdf5::attribute("NAME", &hdf5::text(name.len()), None, &name),
        hdf5::attribute("_Netcdf4Dimid", &hdf5::number(DType::I32), None, &id.to_le_bytes()),
    ];
    let mut uses = Vec::new();
    for (user, address) in variables.iter().zip(&addresses.headers) {
        if user.scale.is_none()
            && let Some(place) = user.dims.iter().position(|&dim| dim == n)
        {
            uses.extend(address.to_le_bytes());
            uses.extend((place as u64).to_le_bytes());
        }
    }
    if !uses.is_empty() {
        let count = Some(uses.len() as u64 / 16);
        attributes.push(hdf5::attribute("REFERENCE_LIST", &hdf5::uses(), count, &uses));
    }
    attributes
}

fn header(messages: &[(u8, Vec<u8>)]) -> io::Result<Vec<u8>> {
    hdf5::object_header(messages).map_err(|len| {
        let text = format!("netCDF cannot hold an attribute of {len} bytes");
        io::Error::new(io::ErrorKind::InvalidData, text)
    })
}
