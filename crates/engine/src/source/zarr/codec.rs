//! From the encoded bytes of one chunk to its values.
//!
//! The usual chains (little-endian bytes, then Zstandard, gzip, zlib or nothing) are decoded straight into the
//! memory of the values; all others by `zarrs`, with one copy.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::Read;
use std::num::NonZeroU64;
use std::sync::Arc;

use eolith_cube::{DType, Values};
use zarrs::array::{
    ArrayBytes, ArrayToBytesCodecTraits, CodecChain, CodecMetadataOptions, CodecOptions, DataType,
    FillValue,
};

use crate::source::buffers::{self, Buffers};

/// The codecs of a chunk and what they give.
#[derive(Debug)]
pub(super) struct Codec {
    chain: Arc<CodecChain>,
    data_type: DataType,
    fill: FillValue,
    /// The shape of a decoded chunk.
    shape: Vec<NonZeroU64>,
    fast: Option<Fast>,
}

/// What follows after little-endian bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fast {
    Plain,
    Zstd,
    Gzip,
    Zlib,
}

impl Codec {
    pub(super) fn new(
        chain: Arc<CodecChain>,
        (data_type, fill): (&DataType, &FillValue),
        shape: Vec<NonZeroU64>,
    ) -> Codec {
        let fast = Fast::of(&chain);
        Codec { chain, data_type: data_type.clone(), fill: fill.clone(), shape, fast }
    }

    /// Decoded sizes.
    pub(super) fn shape(&self) -> Vec<usize> {
        self.shape.iter().map(|n| n.get() as usize).collect()
    }

    /// The values of a chunk; booleans are bytes of 0 and 1.
    pub(super) fn values(
        &self,
        dtype: DType,
        encoded: &[u8],
        buffers: &Buffers,
    ) -> Result<Values, String> {
        let len: usize = self.shape().iter().product();
        let stored = if dtype == DType::Bool { DType::U8 } else { dtype };
        let mut values = buffers.take(stored, len);
        let memory = buffers::memory(&mut values).ok_or("booleans have no memory of their own")?;
        if let Some(fast) = self.fast {
            let length = fast.decode(encoded, memory)?;
            if length != memory.len() {
                return Err(size(length, memory.len()));
            }
            if cfg!(target_endian = "big") {
                memory.chunks_exact_mut(dtype.size()).for_each(<[u8]>::reverse);
            }
        } else {
            let bytes = self.decode(encoded)?.into_fixed().map_err(|e| e.to_string())?;
            if bytes.len() != memory.len() {
                return Err(size(bytes.len(), memory.len()));
            }
            memory.copy_from_slice(&bytes);
        }
        if dtype == DType::Bool {
            for byte in memory {
                *byte = u8::from(*byte != 0);
            }
        }
        Ok(values)
    }

    /// What `zarrs` makes of a chunk, in the byte order of this machine.
    pub(super) fn decode<'a>(&self, encoded: &'a [u8]) -> Result<ArrayBytes<'a>, String> {
        // Chunks are decoded side by side by the scheduler, not here.
        let options = CodecOptions::default().with_concurrent_target(1);
        (self.chain)
            .decode(Cow::Borrowed(encoded), &self.shape, &self.data_type, &self.fill, &options)
            .map_err(|error| error.to_string())
    }
}

impl Fast {
    fn of(chain: &CodecChain) -> Option<Fast> {
        if !chain.array_to_array_codecs().is_empty() || chain.bytes_to_bytes_codecs().len() > 1 {
            return None;
        }
        let metadatas = chain.create_metadatas(&CodecMetadataOptions::default());
        let json = |i: usize| metadatas.get(i).map(serde_json::to_value)?.ok();
        let bytes = json(0)?;
        let (name, endian) = match bytes.as_str() {
            Some(name) => (name, None),
            None => (bytes["name"].as_str()?, bytes["configuration"]["endian"].as_str()),
        };
        if name != "bytes" || endian.is_some_and(|endian| endian != "little") {
            return None;
        }
        match metadatas.get(1).map(|metadata| metadata.name()) {
            None => Some(Fast::Plain),
            Some("zstd" | "numcodecs.zstd") => Some(Fast::Zstd),
            Some("gzip" | "numcodecs.gzip") => Some(Fast::Gzip),
            Some("zlib" | "numcodecs.zlib") => Some(Fast::Zlib),
            Some(_) => None,
        }
    }

    /// Fills `memory`; gives the length of what was decoded, or of what would not fit.
    fn decode(self, encoded: &[u8], memory: &mut [u8]) -> Result<usize, String> {
        match self {
            Fast::Plain => {
                if encoded.len() == memory.len() {
                    memory.copy_from_slice(encoded);
                }
                Ok(encoded.len())
            }
            Fast::Zstd => ZSTD.with_borrow_mut(|decoder| {
                let decoder = match decoder {
                    Some(decoder) => decoder,
                    None => decoder.insert(
                        zstd::bulk::Decompressor::new().map_err(|error| error.to_string())?,
                    ),
                };
                decoder
                    .decompress_to_buffer(encoded, memory)
                    .map_err(|error| format!("Zstandard data: {error}"))
            }),
            Fast::Gzip => {
                let decoded = DEFLATE.with_borrow_mut(|d| d.gzip_decompress(encoded, memory));
                // It knows neither several members in a row nor what follows them.
                decoded.or_else(|_| read(flate2::read::MultiGzDecoder::new(encoded), memory))
            }
            Fast::Zlib => {
                let decoded = DEFLATE.with_borrow_mut(|d| d.zlib_decompress(encoded, memory));
                decoded.or_else(|_| read(flate2::read::ZlibDecoder::new(encoded), memory))
            }
        }
    }
}

thread_local! {
    static ZSTD: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
    static DEFLATE: RefCell<libdeflater::Decompressor> =
        RefCell::new(libdeflater::Decompressor::new());
}

/// Fills `memory` from a reader that must end with it.
fn read(mut reader: impl Read, memory: &mut [u8]) -> Result<usize, String> {
    let mut length = 0;
    while length < memory.len() {
        match reader.read(&mut memory[length..]).map_err(|error| error.to_string())? {
            0 => return Ok(length),
            n => length += n,
        }
    }
    let more = reader.read(&mut [0]).map_err(|error| error.to_string())?;
    Ok(length + more)
}

fn size(found: usize, wanted: usize) -> String {
    format!("a chunk has {found} bytes instead of {wanted}")
}
