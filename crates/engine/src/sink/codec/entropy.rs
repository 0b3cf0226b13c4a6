//! A deflate encoder for noisy bytes: runs of one byte, and Huffman codes of all others.
//!
//! Differences of neighbouring pixels hardly ever repeat as strings, so that the search for matches takes most of the
//! time of an encoder and saves a few percent. This one looks for no match but at distance one. What is for it and
//! against it is measured, not known before: see [`super::zlib`].
//!
//! The format is RFC 1951 in the wrapping of RFC 1950. Blocks are cut at fixed places, so that equal bytes are an
//! equal stream.

use multiversion::multiversion;

/// Bytes of a block: its codes cost 0.1 % of that and follow the data.
const BLOCK: usize = 128 << 10;

/// Longest code of a literal: four of them and a rest of seven bits fit into a word.
const LONGEST: usize = 12;

/// Longest code of a length of a code, by the format.
const LONGEST_OF_LENGTHS: usize = 7;

/// Literals, the end of a block, and the lengths of matches.
const SYMBOLS: usize = 286;
const END: usize = 256;

/// The longest match, and its symbol, which has no further bits.
const MATCH: usize = 258;
const MATCH_SYMBOL: usize = 285;

/// First length and further bits of the symbols from 257 on.
const LENGTHS: [(u16, u8); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

/// The order in which lengths of codes of lengths are stored.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// A zlib stream of `bytes`.
pub(super) fn zlib(bytes: &[u8]) -> Vec<u8> {
    // The worst block has codes of eight bits and a little more; a word is written past the end.
    let blocks = bytes.len().div_ceil(BLOCK).max(1);
    let mut out = Bits {
        bytes: vec![0; bytes.len() + bytes.len() / 8 + blocks * 512 + 64],
        ..Bits::default()
    };
    // Deflate with a window of 32 KB, the fastest level, and the check bits of both.
    out.put(0x0178, 16);
    let mut scratch = Tokens::default();
    for n in 0..blocks {
        let block = &bytes[n * BLOCK..bytes.len().min((n + 1) * BLOCK)];
        out.put(u64::from(n + 1 == blocks), 1);
        out.put(2, 2);
        encode(block, &mut scratch, &mut out);
    }
    out.finish(adler32(bytes))
}

/// Parts of a block: bytes as they are, then one byte so many times more.
#[derive(Default)]
struct Tokens {
    parts: Vec<(usize, usize)>,
    counts: Vec<u32>,
}

impl Tokens {
    fn of(&mut self, block: &[u8]) {
        self.parts.clear();
        self.counts.clear();
        self.counts.resize(SYMBOLS, 0);
        let (mut start, mut at) = (0, 0);
        while let Some(word) = block.get(at..at + 8) {
            let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
            if word != (word & 0xff) * 0x0101_0101_0101_0101 {
                at += 8;
                continue;
            }
            let run = run(&block[at..]);
            self.part(&block[start..=at], run - 1);
            at += run;
            start = at;
        }
        self.part(&block[start..], 0);
        self.counts[END] = 1;
        // A code of a single symbol has no length.
        self.counts[0] += u32::from(block.is_empty());
    }

    fn part(&mut self, literals: &[u8], repeated: usize) {
        self.parts.push((literals.len(), repeated));
        histogram(literals, &mut self.counts);
        let rest = repeated % MATCH;
        self.counts[MATCH_SYMBOL] += (repeated / MATCH) as u32;
        match length(rest) {
            Some((symbol, ..)) => self.counts[symbol] += 1,
            // Too short for a match.
            None => self.counts[usize::from(*literals.last().unwrap_or(&0))] += rest as u32,
        }
    }
}

/// How often the first byte stands at the start of `bytes`.
fn run(bytes: &[u8]) -> usize {
    let byte = bytes[0];
    let word = [byte; 8];
    let words = bytes.chunks_exact(8).take_while(|chunk| **chunk == word).count();
    8 * words + bytes[8 * words..].iter().take_while(|own| **own == byte).count()
}

/// Four tables: what follows itself does not wait for itself.
fn histogram(bytes: &[u8], counts: &mut [u32]) {
    let mut tables = [[0_u32; 256]; 4];
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        for (table, byte) in tables.iter_mut().zip(word) {
            table[usize::from(*byte)] += 1;
        }
    }
    for byte in words.remainder() {
        tables[0][usize::from(*byte)] += 1;
    }
    for table in &tables {
        counts.iter_mut().zip(table).for_each(|(count, own)| *count += own);
    }
}

/// Symbol, number of further bits and their value of a match; `None` below 3.
fn length(len: usize) -> Option<(usize, u32, u64)> {
    let symbol = LENGTHS.partition_point(|(first, _)| usize::from(*first) <= len).checked_sub(1)?;
    let (first, bits) = LENGTHS[symbol];
    Some((END + 1 + symbol, bits.into(), (len - usize::from(first)) as u64))
}

fn encode(block: &[u8], tokens: &mut Tokens, out: &mut Bits) {
    tokens.of(block);
    let lengths = lengths(&tokens.counts, LONGEST);
    let codes = codes(&lengths);
    header(&lengths, out);
    let (end_code, end_bits) = codes[END];
    let mut at = 0;
    for &(literals, repeated) in &tokens.parts {
        let own = &block[at..at + literals];
        out.literals(own, &codes);
        at += literals + repeated;
        let matched = |len: usize, out: &mut Bits| {
            let (symbol, bits, value) = length(len)?;
            let (code, code_bits) = codes[symbol];
            out.put(code.into(), code_bits.into());
            // The one distance has the code 0.
            out.put(value, bits + 1);
            Some(())
        };
        for _ in 0..repeated / MATCH {
            matched(MATCH, out);
        }
        let rest = repeated % MATCH;
        if matched(rest, out).is_none() {
            out.literals(&block[at - rest..at], &codes);
        }
    }
    out.put(end_code.into(), end_bits.into());
}

/// The lengths of all codes: of literals and lengths, and of the one distance.
fn header(lengths: &[u8], out: &mut Bits) {
    let used = lengths.iter().rposition(|length| *length > 0).map_or(0, |last| last + 1);
    let all: Vec<u8> = lengths[..used].iter().copied().chain([1]).collect();
    let mut counts = vec![0; ORDER.len()];
    for length in &all {
        counts[usize::from(*length)] += 1;
    }
    let own = self::lengths(&counts, LONGEST_OF_LENGTHS);
    let own_codes = codes(&own);
    let stored = ORDER.iter().rposition(|at| own[*at] > 0).map_or(4, |last| (last + 1).max(4));
    out.put((used - 257) as u64, 5);
    out.put(0, 5);
    out.put((stored - 4) as u64, 4);
    for at in &ORDER[..stored] {
        out.put(own[*at].into(), 3);
    }
    for length in all {
        let (code, bits) = own_codes[usize::from(length)];
        out.put(code.into(), bits.into());
    }
}

/// Lengths of Huffman codes of at most `longest` bits, 0 for what does not occur. At least two symbols occur.
fn lengths(counts: &[u32], longest: usize) -> Vec<u8> {
    let mut symbols: Vec<usize> = (0..counts.len()).filter(|s| counts[*s] > 0).collect();
    // The symbol decides between equals: equal bytes are an equal stream.
    symbols.sort_by_key(|s| (counts[*s], *s));
    let n = symbols.len();
    // Both leaves and joined nodes come by weight: the two lightest are at the front of either.
    let mut weights: Vec<u32> = symbols.iter().map(|s| counts[*s]).collect();
    let mut parents = vec![0; 2 * n - 1];
    let (mut leaf, mut node) = (0, n);
    for joined in n..2 * n - 1 {
        let mut lightest = || {
            let take_leaf = leaf < n && (node >= joined || weights[leaf] <= weights[node]);
            let taken = if take_leaf { &mut leaf } else { &mut node };
            *taken += 1;
            *taken - 1
        };
        let (a, b) = (lightest(), lightest());
        weights.push(weights[a] + weights[b]);
        (parents[a], parents[b]) = (joined, joined);
    }
    let mut depths = vec![0_usize; 2 * n - 1];
    for at in (0..2 * n - 2).rev() {
        depths[at] = depths[parents[at]] + 1;
    }
    // Codes that are too long become as long as allowed; shorter ones make room for them, one place each time.
    let mut of_length = vec![0_usize; longest + 1];
    depths[..n].iter().for_each(|depth| of_length[(*depth).min(longest)] += 1);
    let taken: usize = (1..=longest).map(|l| of_length[l] << (longest - l)).sum();
    for _ in (1_usize << longest)..taken {
        let Some(shorter) = (1..longest).rev().find(|l| of_length[*l] > 0) else { break };
        of_length[shorter] -= 1;
        of_length[shorter + 1] += 2;
        of_length[longest] -= 1;
    }
    let mut lengths = vec![0; counts.len()];
    let mut rarest = symbols.into_iter();
    for length in (1..=longest).rev() {
        rarest.by_ref().take(of_length[length]).for_each(|symbol| lengths[symbol] = length as u8);
    }
    lengths
}

/// The codes of such lengths, first bit lowest, and how long they are.
fn codes(lengths: &[u8]) -> Vec<(u16, u16)> {
    let mut next = [0_u16; 16];
    let mut code = 0;
    for (length, first) in next.iter_mut().enumerate().skip(1) {
        *first = code;
        let own = lengths.iter().filter(|l| usize::from(**l) == length).count() as u16;
        code = (code + own) << 1;
    }
    let one = |length: &u8| {
        if *length == 0 {
            return (0, 0);
        }
        let code = &mut next[usize::from(*length)];
        *code += 1;
        ((*code - 1).reverse_bits() >> (16 - u32::from(*length)), u16::from(*length))
    };
    lengths.iter().map(one).collect()
}

/// Bits in the order of the format: the lowest of a byte first.
#[derive(Default)]
struct Bits {
    /// With room for a word behind the last bit.
    bytes: Vec<u8>,
    at: usize,
    word: u64,
    /// Bits in the word, less than eight between calls.
    held: u32,
}

impl Bits {
    /// At most 56 bits.
    fn put(&mut self, value: u64, bits: u32) {
        self.word |= value << self.held;
        self.held += bits;
        self.flush();
    }

    fn flush(&mut self) {
        self.bytes[self.at..self.at + 8].copy_from_slice(&self.word.to_le_bytes());
        let whole = self.held / 8;
        self.at += whole as usize;
        // Less than eight bytes: no more than 56 bits were added to seven.
        self.word >>= 8 * whole;
        self.held %= 8;
    }

    fn literals(&mut self, literals: &[u8], codes: &[(u16, u16)]) {
        let Ok(codes): Result<&[(u16, u16); 256], _> = codes[..256].try_into() else { return };
        let mut words = literals.chunks_exact(4);
        for word in &mut words {
            for byte in word {
                let (code, bits) = codes[usize::from(*byte)];
                self.word |= u64::from(code) << self.held;
                self.held += u32::from(bits);
            }
            self.flush();
        }
        for byte in words.remainder() {
            let (code, bits) = codes[usize::from(*byte)];
            self.put(code.into(), bits.into());
        }
    }

    fn finish(mut self, checksum: u32) -> Vec<u8> {
        self.at += usize::from(self.held > 0);
        self.bytes.truncate(self.at);
        self.bytes.extend(checksum.to_be_bytes());
        self.bytes
    }
}

/// The checksum of RFC 1950.
fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65521;
    /// So many bytes fit before the sums leave 32 bits.
    const MOST: usize = 5552;
    let (mut a, mut b) = (1, 0);
    for part in bytes.chunks(MOST) {
        let (sum, weighted) = sums(part);
        b = (b + part.len() as u32 * a + weighted) % MODULUS;
        a = (a + sum) % MODULUS;
    }
    b << 16 | a
}

/// The sum of all bytes, and of each times its distance to the end.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn sums(bytes: &[u8]) -> (u32, u32) {
    let (mut sum, mut weighted) = (0_u32, 0_u32);
    let mut chunks = bytes.chunks_exact(64);
    for chunk in &mut chunks {
        let (mut own, mut weights) = (0_u32, 0_u32);
        for (i, byte) in chunk.iter().enumerate() {
            own += u32::from(*byte);
            weights += u32::from(*byte) * (64 - i as u32);
        }
        weighted += 64 * sum + weights;
        sum += own;
    }
    for byte in chunks.remainder() {
        sum += u32::from(*byte);
        weighted += sum;
    }
    (sum, weighted)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn back(stream: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        flate2::read::ZlibDecoder::new(stream).read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn agree(bytes: &[u8]) -> usize {
        let stream = zlib(bytes);
        assert!(back(&stream) == bytes, "{} bytes, by the one library", bytes.len());
        let mut other = vec![0; bytes.len()];
        libdeflater::Decompressor::new().zlib_decompress(&stream, &mut other).unwrap();
        assert!(other == bytes, "{} bytes, by the other library", bytes.len());
        stream.len()
    }

    /// Numbers like noise, few of them large.
    fn noise(n: usize, seed: u64) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8
        };
        (0..n).map(|_| next() & next() & next()).collect()
    }

    #[test]
    fn streams_are_read_by_other_libraries() {
        agree(&[]);
        for n in [1, 2, 7, 8, 9, 258, 259, 300, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 77] {
            agree(&noise(n, n as u64));
            let zeros = agree(&vec![0; n]);
            assert!(zeros < 100 + n / 500, "{n} zeros are {zeros} bytes");
        }
        let all: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        agree(&all);
    }

    #[test]
    fn runs_of_any_length_between_noise_come_back() {
        let mut bytes = Vec::new();
        for run in (0..600).chain([5000, 200_000]) {
            bytes.extend(noise(run % 23, run as u64));
            bytes.extend(std::iter::repeat_n(run as u8, run));
        }
        let stored = agree(&bytes);
        assert!(stored < bytes.len() / 20, "{stored} of {}", bytes.len());
    }

    #[test]
    fn the_rarest_code_is_not_too_long() {
        // Each byte as often as the two before it together: Huffman's own codes grow by a bit each time.
        let (mut bytes, mut counts) = (Vec::new(), (1, 1));
        for byte in 0..24_u8 {
            bytes.extend(std::iter::repeat_n([byte, 255 - byte], counts.0).flatten());
            counts = (counts.1, counts.0 + counts.1);
        }
        agree(&bytes);
        let found = lengths(&[1, 1, 2, 4, 8, 16, 32, 64], 4);
        let room: u32 = found.iter().map(|l| 16 >> l).sum();
        assert!(room <= 16 && found.iter().all(|l| (1..=4).contains(l)), "{found:?}");
        assert_eq!(lengths(&[5, 0, 5, 10], 15), [2, 0, 2, 1]);
    }

    #[test]
    fn the_checksum_is_that_of_the_format() {
        // From RFC 1950's definition, by hand: the sums are 1 + 97 and 98, then 98 + 98 and 98 + 196.
        assert_eq!(adler32(b""), 1);
        assert_eq!(adler32(b"a"), 0x62 << 16 | 0x62);
        assert_eq!(adler32(b"ab"), 0x126 << 16 | 0xc4);
    }
}
