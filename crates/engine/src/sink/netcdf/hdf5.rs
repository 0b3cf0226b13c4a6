//! The parts of an HDF5 file that a netCDF-4 file is made of, as bytes.
//!
//! Only what [`super::file`] writes: superblock version 2, object headers version 2 with all messages in one piece,
//! layout version 3 with a version 1 B-tree, global heaps. Every reader since HDF5 1.8 knows these. The layout of each
//! follows the HDF5 File Format Specification, version 3.0 (the section is named).

use eolith_cube::DType;

use super::checksum::checksum;

/// No address.
pub(super) const UNDEFINED: u64 = u64::MAX;

/// Bytes of a superblock.
pub(super) const SUPERBLOCK: usize = 48;

/// Entries of a B-tree node: the format's default for chunks, which files without another setting have.
const NODE_ENTRIES: usize = 64;

/// The least a global heap takes.
const HEAP: usize = 4096;

/// Objects of one heap at most; their numbers have 16 bits.
const HEAP_OBJECTS: usize = 60_000;

/// II.A: superblock version 2.
pub(super) fn superblock(root: u64, end: u64) -> Vec<u8> {
    let mut bytes = b"\x89HDF\r\n\x1a\n\x02\x08\x08\0".to_vec();
    for address in [0, UNDEFINED, end, root] {
        bytes.extend(address.to_le_bytes());
    }
    with_checksum(bytes)
}

/// IV.A.1.b: an object header version 2 whose attributes keep their order. A message is its type and its body.
///
/// # Errors
/// The longest message, if it is longer than the format allows.
pub(super) fn object_header(messages: &[(u8, Vec<u8>)]) -> Result<Vec<u8>, usize> {
    let longest = messages.iter().map(|(_, body)| body.len()).max().unwrap_or(0);
    if longest > 0xfff0 {
        return Err(longest);
    }
    let mut bytes = b"OHDR\x02\x06".to_vec();
    let size: usize = messages.iter().map(|(_, body)| 6 + body.len()).sum();
    bytes.extend((size as u32).to_le_bytes());
    let mut attributes = 0_u16;
    for (kind, body) in messages {
        let order = if *kind == ATTRIBUTE { attributes } else { 0 };
        attributes += u16::from(*kind == ATTRIBUTE);
        bytes.push(*kind);
        bytes.extend((body.len() as u16).to_le_bytes());
        bytes.push(0);
        bytes.extend(order.to_le_bytes());
        bytes.extend(body);
    }
    Ok(with_checksum(bytes))
}

/// IV.A.2.b: the dataspace; no dimensions make a scalar.
pub(super) fn dataspace(shape: &[u64]) -> (u8, Vec<u8>) {
    (0x01, space(shape))
}

/// IV.A.2.d: the datatype.
pub(super) fn datatype(kind: &[u8]) -> (u8, Vec<u8>) {
    (0x03, kind.to_vec())
}

/// IV.A.2.f: the fill value, stored with every chunk that is not whole.
pub(super) fn fill_value(bytes: Option<&[u8]>) -> (u8, Vec<u8>) {
    let mut body = vec![3, 0x0a];
    if let Some(bytes) = bytes {
        body[1] |= 0x20;
        body.extend((bytes.len() as u32).to_le_bytes());
        body.extend(bytes);
    }
    (0x05, body)
}

/// IV.A.2.i: values in one piece.
pub(super) fn contiguous(address: u64, size: u64) -> (u8, Vec<u8>) {
    let mut body = vec![3, 1];
    body.extend(address.to_le_bytes());
    body.extend(size.to_le_bytes());
    (0x08, body)
}

/// IV.A.2.i: values in chunks, found by a B-tree.
pub(super) fn chunked(tree: u64, chunk: &[usize], size: usize) -> (u8, Vec<u8>) {
    let mut body = vec![3, 2, chunk.len() as u8 + 1];
    body.extend(tree.to_le_bytes());
    for n in chunk.iter().copied().chain([size]) {
        body.extend((n as u32).to_le_bytes());
    }
    (0x08, body)
}

/// IV.A.2.l: bytes by significance, then deflate at a level.
pub(super) fn filters(size: usize, level: u32) -> (u8, Vec<u8>) {
    let mut body = vec![2, 2];
    for (id, value) in [(2_u16, size as u32), (1, level)] {
        body.extend(id.to_le_bytes());
        body.extend([1, 0, 1, 0]);
        body.extend(value.to_le_bytes());
    }
    (0x0b, body)
}

const ATTRIBUTE: u8 = 0x0c;

/// IV.A.2.m: an attribute; `None` for the shape of a scalar.
pub(super) fn attribute(
    name: &str,
    kind: &[u8],
    shape: Option<u64>,
    value: &[u8],
) -> (u8, Vec<u8>) {
    let space = space(shape.as_slice());
    let mut body = vec![3, 0];
    for n in [name.len() + 1, kind.len(), space.len()] {
        body.extend((n as u16).to_le_bytes());
    }
    body.push(u8::from(!name.is_ascii()));
    body.extend(name.as_bytes());
    body.push(0);
    body.extend(kind);
    body.extend(space);
    body.extend(value);
    (ATTRIBUTE, body)
}

/// IV.A.2.v: that attributes keep their order and are all in the header.
pub(super) fn attribute_info(count: usize) -> (u8, Vec<u8>) {
    let mut body = vec![0, 1];
    body.extend((count as u16).to_le_bytes());
    body.extend([UNDEFINED.to_le_bytes(); 2].as_flattened());
    (0x15, body)
}

/// IV.A.2.c, IV.A.2.k and IV.A.2.g: the links of a group in their order.
pub(super) fn links(links: &[(&str, u64)]) -> Vec<(u8, Vec<u8>)> {
    let mut info = vec![0, 1];
    info.extend((links.len() as u64).to_le_bytes());
    info.extend([UNDEFINED.to_le_bytes(); 2].as_flattened());
    let mut messages = vec![(0x02, info), (0x0a, vec![0, 0])];
    for (order, (name, address)) in links.iter().enumerate() {
        let mut body = vec![1, 0x15];
        body.extend((order as u64).to_le_bytes());
        body.push(1);
        body.extend((name.len() as u16).to_le_bytes());
        body.extend(name.as_bytes());
        body.extend(address.to_le_bytes());
        messages.push((0x06, body));
    }
    messages
}

/// IV.A.2.d, classes 0 and 1: a number. There are no booleans: they are bytes.
pub(super) fn number(dtype: DType) -> Vec<u8> {
    let size = dtype.size() as u8;
    let bits = size * 8;
    if !dtype.is_float() {
        let signed = matches!(dtype, DType::I8 | DType::I16 | DType::I32 | DType::I64);
        return vec![0x10, u8::from(signed) << 3, 0, 0, size, 0, 0, 0, 0, 0, bits, 0];
    }
    let (exponent, mantissa, bias) = if size == 4 { (8, 23, 127_u32) } else { (11, 52, 1023) };
    let mut kind = vec![0x11, 0x20, bits - 1, 0, size, 0, 0, 0, 0, 0, bits, 0];
    kind.extend([mantissa, exponent, 0, mantissa]);
    kind.extend(bias.to_le_bytes());
    kind
}

/// Class 3: a text of so many bytes, in UTF-8.
pub(super) fn text(len: usize) -> Vec<u8> {
    let mut kind = vec![0x13, 0x10, 0, 0];
    kind.extend((len as u32).to_le_bytes());
    kind
}

/// Class 9: texts of any length, in a heap.
pub(super) fn texts() -> Vec<u8> {
    let mut kind = vec![0x19, 1, 1, 0, 16, 0, 0, 0];
    kind.extend(number(DType::U8));
    kind
}

/// Class 7: the address of an object.
fn reference() -> Vec<u8> {
    vec![0x17, 0, 0, 0, 8, 0, 0, 0]
}

/// Class 9: lists of objects, in a heap.
pub(super) fn references() -> Vec<u8> {
    let mut kind = vec![0x19, 0, 0, 0, 16, 0, 0, 0];
    kind.extend(reference());
    kind
}

/// Class 6: an object and which of its dimensions, as `REFERENCE_LIST` has them; 16 bytes each.
pub(super) fn uses() -> Vec<u8> {
    let mut kind = vec![0x36, 2, 0, 0, 16, 0, 0, 0];
    kind.extend(b"dataset\0\0");
    kind.extend(reference());
    kind.extend(b"dimension\0\x08");
    kind.extend(number(DType::I32));
    kind
}

/// III.E: global heaps of objects, to be written at `address`; gives the bytes, and for each object what a
/// variable-length value says of it: its length in elements of `element` bytes, address and number.
pub(super) fn heaps(objects: &[Vec<u8>], element: usize, address: u64) -> (Vec<u8>, Vec<u8>) {
    let (mut bytes, mut places) = (Vec::new(), Vec::new());
    for objects in objects.chunks(HEAP_OBJECTS) {
        let start = bytes.len();
        bytes.extend(b"GCOL\x01\0\0\0");
        bytes.extend([0; 8]);
        for (n, object) in objects.iter().enumerate() {
            places.extend(((object.len() / element) as u32).to_le_bytes());
            places.extend((address + start as u64).to_le_bytes());
            places.extend((n as u32 + 1).to_le_bytes());
            bytes.extend((n as u16 + 1).to_le_bytes());
            bytes.extend([1, 0, 0, 0, 0, 0]);
            bytes.extend((object.len() as u64).to_le_bytes());
            bytes.extend(object);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        // What is left is an object without number, and has room for its own description.
        let used = bytes.len() - start;
        let size = (used + 16).max(HEAP);
        bytes.extend([0; 8]);
        bytes.extend(((size - used) as u64).to_le_bytes());
        bytes.resize(start + size, 0);
        bytes[start + 8..start + 16].copy_from_slice(&(size as u64).to_le_bytes());
    }
    (bytes, places)
}

/// A stored chunk.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    /// Its first element along each dimension.
    pub(super) start: Vec<usize>,
    pub(super) address: u64,
    pub(super) size: u32,
}

/// III.A.1: a version 1 B-tree over chunks in C order, to be written at `address`; gives the bytes and the address of
/// the root.
pub(super) fn tree(chunks: &[Chunk], chunk: &[usize], address: u64) -> (Vec<u8>, u64) {
    let key = |size: u32, start: &[usize]| {
        let mut key = size.to_le_bytes().to_vec();
        key.extend([0; 4]);
        key.extend(start.iter().flat_map(|&n| (n as u64).to_le_bytes()));
        key.extend([0; 8]);
        key
    };
    let key_size = 16 + 8 * chunk.len();
    let node_size = 24 + (NODE_ENTRIES + 1) * key_size + NODE_ENTRIES * 8;
    // Behind everything: a chunk further along the first dimension.
    let mut end = chunks.last().map(|chunk| chunk.start.clone()).unwrap_or_default();
    if let (Some(end), Some(step)) = (end.first_mut(), chunk.first()) {
        *end += step;
    }
    let mut entries: Vec<(Vec<u8>, u64)> =
        chunks.iter().map(|chunk| (key(chunk.size, &chunk.start), chunk.address)).collect();
    let mut bytes = Vec::new();
    for level in 0_u8.. {
        let nodes = entries.len().div_ceil(NODE_ENTRIES);
        let first = address + bytes.len() as u64;
        let mut above = Vec::with_capacity(nodes);
        for (n, own) in entries.chunks(NODE_ENTRIES).enumerate() {
            let at = |n: usize| first + (n * node_size) as u64;
            let start = bytes.len();
            bytes.extend(b"TREE\x01");
            bytes.push(level);
            bytes.extend((own.len() as u16).to_le_bytes());
            bytes.extend(if n == 0 { UNDEFINED } else { at(n - 1) }.to_le_bytes());
            bytes.extend(if n + 1 == nodes { UNDEFINED } else { at(n + 1) }.to_le_bytes());
            for (key, child) in own {
                bytes.extend(key);
                bytes.extend(child.to_le_bytes());
            }
            let next = entries.get((n + 1) * NODE_ENTRIES);
            bytes.extend(next.map_or_else(|| key(0, &end), |(key, _)| key.clone()));
            bytes.resize(start + node_size, 0);
            above.push((own[0].0.clone(), at(n)));
        }
        if nodes <= 1 {
            return (bytes, first);
        }
        entries = above;
    }
    (bytes, UNDEFINED)
}

fn space(shape: &[u64]) -> Vec<u8> {
    let mut body = vec![2, shape.len() as u8, 0, u8::from(!shape.is_empty())];
    body.extend(shape.iter().flat_map(|n| n.to_le_bytes()));
    body
}

fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}
