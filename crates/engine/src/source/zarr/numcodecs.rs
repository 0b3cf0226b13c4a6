//! Codecs of numcodecs that `zarrs` lacks, for reading: version 2 names them, version 3 with `numcodecs.` before.
//!
//! They are known to `zarrs` from the start of the program ([`bytes`] and [`numbers`] say so with `inventory`). Where
//! `zarrs` has a codec under another name, or computes it in single precision, the metadata is rewritten before it
//! gets to see it ([`version_2`], [`version_3`]).

use serde_json::{Map, Value, json};

/// What all codecs tell `zarrs`, by their field `configuration` and their function `codec`, which makes one of it.
macro_rules! registered {
    ($name:ident, $v3:expr, $v2:expr) => {
        zarrs::plugin::impl_extension_aliases!($name, v3: $v3, v2: $v2);

        inventory::submit! { zarrs::array::codec::api::CodecPluginV3::new::<$name>() }
        inventory::submit! { zarrs::array::codec::api::CodecPluginV2::new::<$name>() }

        impl zarrs::array::CodecTraitsV3 for $name {
            fn create(metadata: &zarrs::metadata::v3::MetadataV3) -> Result<zarrs::array::Codec, zarrs::plugin::PluginCreateError> {
                $name::codec(metadata.configuration().cloned().unwrap_or_default())
            }
        }

        impl zarrs::array::CodecTraitsV2 for $name {
            fn create(metadata: &zarrs::metadata::v2::MetadataV2) -> Result<zarrs::array::Codec, zarrs::plugin::PluginCreateError> {
                $name::codec(metadata.configuration().clone())
            }
        }

        impl zarrs::array::CodecTraits for $name {
            fn as_any(&self) -> &dyn std::any::Any {
                self
            }

            fn configuration(
                &self,
                _version: zarrs::plugin::ZarrVersion,
                _options: &zarrs::array::CodecMetadataOptions,
            ) -> Option<zarrs::metadata::Configuration> {
                Some(self.configuration.clone())
            }

            fn partial_decoder_capability(&self) -> zarrs::array::codec::api::PartialDecoderCapability {
                zarrs::array::codec::api::PartialDecoderCapability { partial_read: false, partial_decode: false }
            }

            fn partial_encoder_capability(&self) -> zarrs::array::codec::api::PartialEncoderCapability {
                zarrs::array::codec::api::PartialEncoderCapability { partial_encode: false }
            }
        }
    };
}

mod bytes;
mod numbers;

/// Rewrites the filters of an array of version 2.
pub(super) fn version_2(document: &mut Value) {
    let Some(filters) = document.get_mut("filters").and_then(Value::as_array_mut) else { return };
    // Rounding happened when it was written: there is nothing to decode.
    filters.retain(|filter| filter["id"] != "bitround");
    for filter in filters {
        if filter["id"] == "fixedscaleoffset" {
            filter["id"] = numbers::SCALE.into();
        }
    }
}

/// Rewrites the codecs of an array of version 3.
pub(super) fn version_3(document: &mut Value) {
    // Shards have codecs inside, as deep as JSON nests.
    let mut open: Vec<&mut Value> = document.get_mut("codecs").into_iter().collect();
    while let Some(codecs) = open.pop() {
        for codec in codecs.as_array_mut().into_iter().flatten() {
            if let Some(name) = codec.get("name").and_then(Value::as_str) {
                let given = codec.get("configuration").and_then(Value::as_object);
                if let Some(known) = known(name, given.unwrap_or(&Map::new())) {
                    *codec = known;
                }
            }
            let inside = codec.get_mut("configuration").and_then(Value::as_object_mut);
            let nested = inside.into_iter().flat_map(|own| own.iter_mut());
            open.extend(
                nested.filter(|(key, _)| key.ends_with("codecs")).map(|(_, codecs)| codecs),
            );
        }
    }
}

/// What a codec is called here, if it has another name. What only an encoder has to know is made up.
fn known(name: &str, given: &Map<String, Value>) -> Option<Value> {
    let with = |name: &str, configuration: Value| {
        Some(json!({ "name": name, "configuration": configuration }))
    };
    match name {
        "numcodecs.gzip" => with("gzip", json!({ "level": 1 })),
        "numcodecs.zstd" => {
            let checksum = given.get("checksum").and_then(Value::as_bool).unwrap_or(false);
            with("zstd", json!({ "level": 1, "checksum": checksum }))
        }
        // The header of the data says how it was shuffled.
        "numcodecs.blosc" => with(
            "blosc",
            json!({"cname": "lz4", "clevel": 1, "shuffle": "noshuffle", "blocksize": 0}),
        ),
        "numcodecs.fixedscaleoffset" => with(numbers::SCALE, Value::Object(given.clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_rewritten_at_every_depth() {
        let gzip = || json!({"name": "numcodecs.gzip", "configuration": {"level": 5}});
        let mut document = json!({"codecs": [{"name": "sharding_indexed", "configuration": {
            "chunk_shape": [2], "codecs": [{"name": "bytes"}, gzip()], "index_codecs": ["bytes"],
        }}, gzip(), {"name": "numcodecs.lz4", "configuration": {}}]});
        version_3(&mut document);
        let plain = json!({"name": "gzip", "configuration": {"level": 1}});
        assert_eq!(document["codecs"][0]["configuration"]["codecs"][1], plain);
        assert_eq!(document["codecs"][1], plain);
        assert_eq!(document["codecs"][2]["name"], "numcodecs.lz4");
    }
}
