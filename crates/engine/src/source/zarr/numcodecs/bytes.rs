//! Codecs from bytes to bytes: LZ4 with the length before the data, LZMA, and sums.

use std::io::Read;
use std::sync::Arc;

use liblzma::read::XzDecoder;
use liblzma::stream::Stream;
use serde_json::Value;
use zarrs::array::{
    ArrayBytesRaw, BytesRepresentation, BytesToBytesCodecTraits, Codec, CodecError, CodecOptions,
    RecommendedConcurrency,
};
use zarrs::metadata::Configuration;
use zarrs::plugin::PluginCreateError;

use crate::source::zarr::array::MAX_CHUNK;

/// Bytes that a decoder of LZMA may take; the largest preset takes 65 MiB.
const LZMA_MEMORY: u64 = 80 << 20;

/// Most bytes that one byte of LZ4 stands for.
const LZ4_RATIO: usize = 255;

/// Bytes of a sum.
const SUM: usize = 4;

macro_rules! codec {
    ($(#[$doc:meta])* $name:ident, $v3:literal, $v2:literal, $check:expr, $decode:expr, $encoded:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        struct $name {
            configuration: Configuration,
        }

        registered! { $name, $v3, $v2 }

        impl $name {
            fn codec(configuration: Configuration) -> Result<Codec, PluginCreateError> {
                let check: fn(&Configuration) -> Result<(), String> = $check;
                check(&configuration).map_err(PluginCreateError::Other)?;
                Ok(Codec::BytesToBytes(Arc::new($name { configuration })))
            }
        }

        impl BytesToBytesCodecTraits for $name {
            fn into_dyn(self: Arc<Self>) -> Arc<dyn BytesToBytesCodecTraits> {
                self
            }

            fn recommended_concurrency(
                &self,
                _decoded: &BytesRepresentation,
            ) -> Result<RecommendedConcurrency, CodecError> {
                Ok(RecommendedConcurrency::new_maximum(1))
            }

            fn encoded_representation(&self, decoded: &BytesRepresentation) -> BytesRepresentation {
                let encoded: fn(&BytesRepresentation) -> BytesRepresentation = $encoded;
                encoded(decoded)
            }

            fn encode<'a>(
                &self,
                _decoded: ArrayBytesRaw<'a>,
                _options: &CodecOptions,
            ) -> Result<ArrayBytesRaw<'a>, CodecError> {
                Err(CodecError::Other(concat!($v2, " is read only").to_owned()))
            }

            fn decode<'a>(
                &self,
                encoded: ArrayBytesRaw<'a>,
                decoded: &BytesRepresentation,
                _options: &CodecOptions,
            ) -> Result<ArrayBytesRaw<'a>, CodecError> {
                let decode: fn(&Configuration, &[u8], Option<u64>) -> Result<Vec<u8>, String> =
                    $decode;
                let bytes = decode(&self.configuration, &encoded, decoded.size());
                bytes.map(Into::into).map_err(|why| CodecError::Other(format!("{}: {why}", $v2)))
            }
        }
    };
}

codec! {
    /// A block of LZ4 after its decoded length, a little-endian integer of 32 bits.
    Lz4, "numcodecs.lz4", "lz4", |_| Ok(()), |_, encoded, limit| lz4(encoded, limit), unknown
}

codec! {
    /// Streams of xz and of the older `.lzma`. Raw ones do not say how they were made, and numcodecs does not write them
    /// unless it is told to.
    Lzma, "numcodecs.lzma", "lzma", |configuration| {
        match configuration.get("format").and_then(Value::as_u64) {
            Some(format) if format > 2 => Err("raw streams of LZMA are not read".to_owned()),
            _ => Ok(()),
        }
    }, |_, encoded, limit| lzma(encoded, limit), unknown
}

codec! {
    /// The sum of zlib, before the data unless it is said otherwise.
    Crc32, "numcodecs.crc32", "crc32", place, |configuration, encoded, _| {
        checked(encoded, configuration, "start", crc32fast::hash)
    }, with_sum
}

codec! {
    /// The sum of Castagnoli, after the data unless it is said otherwise.
    Crc32c, "numcodecs.crc32c", "crc32c", place, |configuration, encoded, _| {
        checked(encoded, configuration, "end", crc32c::crc32c)
    }, with_sum
}

fn lz4(encoded: &[u8], limit: Option<u64>) -> Result<Vec<u8>, String> {
    let (length, block) =
        encoded.split_first_chunk().ok_or("there is no length before the data")?;
    let length = u32::from_le_bytes(*length) as usize;
    // The memory is taken before the data is looked at.
    if limit.is_some_and(|limit| length as u64 > limit) || length / LZ4_RATIO > block.len() {
        return Err(format!("{length} bytes are more than a chunk has"));
    }
    lz4_flex::block::decompress(block, length).map_err(|error| error.to_string())
}

fn lzma(encoded: &[u8], limit: Option<u64>) -> Result<Vec<u8>, String> {
    let stream = Stream::new_auto_decoder(LZMA_MEMORY, 0).map_err(|error| error.to_string())?;
    let most = limit.unwrap_or(MAX_CHUNK);
    let mut bytes = Vec::new();
    let read = XzDecoder::new_stream(encoded, stream).take(most + 1).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > most {
        return Err("it has more bytes than a chunk".to_owned());
    }
    Ok(bytes)
}

/// The data without its sum.
fn checked(
    encoded: &[u8],
    configuration: &Configuration,
    usual: &str,
    sum: fn(&[u8]) -> u32,
) -> Result<Vec<u8>, String> {
    let place = configuration.get("location").and_then(Value::as_str).unwrap_or(usual);
    let split = if place == "start" {
        encoded.split_first_chunk()
    } else {
        encoded.split_last_chunk().map(|(data, found)| (found, data))
    };
    let (found, data): (&[u8; SUM], _) = split.ok_or("the data is shorter than its sum")?;
    if u32::from_le_bytes(*found) != sum(data) {
        return Err("the sum is not that of the data".to_owned());
    }
    Ok(data.to_vec())
}

fn place(configuration: &Configuration) -> Result<(), String> {
    match configuration.get("location").map(Value::as_str) {
        None | Some(Some("start" | "end")) => Ok(()),
        Some(_) => Err("`location` of a sum is `start` or `end`".to_owned()),
    }
}

fn unknown(_decoded: &BytesRepresentation) -> BytesRepresentation {
    BytesRepresentation::UnboundedSize
}

fn with_sum(decoded: &BytesRepresentation) -> BytesRepresentation {
    match decoded {
        BytesRepresentation::FixedSize(size) => BytesRepresentation::FixedSize(size + SUM as u64),
        BytesRepresentation::BoundedSize(size) => {
            BytesRepresentation::BoundedSize(size + SUM as u64)
        }
        BytesRepresentation::UnboundedSize => BytesRepresentation::UnboundedSize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_cannot_be_take_no_memory() {
        assert!(lz4(&[], None).is_err());
        assert!(lz4(&[0xff, 0xff, 0xff, 0xff, 0x10, 0x41], None).is_err());
        assert!(lz4(&[9, 0, 0, 0, 0x10, 0x41], Some(8)).is_err());
        // One literal.
        assert_eq!(lz4(&[1, 0, 0, 0, 0x10, 0x41], Some(1)).as_deref(), Ok(&b"A"[..]));
    }

    #[test]
    fn sums_stand_where_they_are_said_to() {
        // The check values of both sums: of the digits 1 to 9.
        let data = b"123456789";
        let of = |sum: u32, first: bool| {
            let sum = sum.to_le_bytes();
            if first { [&sum[..], data].concat() } else { [data, &sum[..]].concat() }
        };
        let usual = Configuration::default();
        let first = checked(&of(0xCBF4_3926, true), &usual, "start", crc32fast::hash);
        assert_eq!(first.as_deref(), Ok(&data[..]));
        let last = checked(&of(0xE306_9283, false), &usual, "end", crc32c::crc32c);
        assert_eq!(last.as_deref(), Ok(&data[..]));
        assert!(checked(&of(0xE306_9284, false), &usual, "end", crc32c::crc32c).is_err());
        assert!(checked(&[1, 2, 3], &usual, "end", crc32c::crc32c).is_err());
    }
}
