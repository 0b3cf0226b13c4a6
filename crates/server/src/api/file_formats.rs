//! `GET /file_formats`: what results can be written as, and what files process graphs can load.

use axum::Json;
use eolith_engine::sink::SinkFormat;
use eolith_engine::sink::format::{FormatDescription, ParameterDescription};
use eolith_engine::source::InputFormat;
use serde_json::{Map, Value, json};

use crate::error::ApiError;

/// The schema of openEO 1.2 for these parameters is satisfied only by one that states some subtype.
const SUBTYPE: &str = "output-format-option";

pub(crate) async fn list() -> Result<Json<Value>, ApiError> {
    let mut output = Map::new();
    for format in SinkFormat::ALL {
        let description = format.description();
        output.insert(description.name.to_owned(), described(description)?);
    }
    let input: Map<String, Value> = InputFormat::ALL
        .map(|format| (format.name().to_owned(), input(format)))
        .into_iter()
        .collect();
    Ok(Json(json!({"input": input, "output": output})))
}

/// What `load_url` and `load_uploaded_files` read.
fn input(format: InputFormat) -> Value {
    let (title, description) = match format {
        InputFormat::GeoJson => {
            ("GeoJSON", "Features with their properties, by RFC 7946 or with a named `crs`.")
        }
        InputFormat::Parquet => {
            ("GeoParquet", "Tables of version 1.0 or 1.1 whose geometries are well-known binary.")
        }
        InputFormat::FlatGeobuf => {
            ("FlatGeobuf", "Features of version 3; they come in the order of the file.")
        }
        InputFormat::GeoPackage => ("GeoPackage", "The features of a file with one table of them."),
        InputFormat::GTiff => ("GeoTIFF", "Bands of one pixel grid, cloud-optimised or not."),
        InputFormat::NetCdf => {
            ("netCDF", "netCDF 4 after the CF conventions: the first data cube of the file.")
        }
        InputFormat::Zarr => {
            ("Zarr", "Zarr 2 and 3 after the CF conventions: the first data cube of the store.")
        }
    };
    let data = if format.is_vector() { "vector" } else { "raster" };
    json!({
        "title": title,
        "description": description,
        "gis_data_types": [data],
        "parameters": {},
    })
}

fn described(format: &FormatDescription) -> Result<Value, ApiError> {
    Ok(json!({
        "title": format.title,
        "description": format.description,
        "gis_data_types": format.gis_data_types,
        "parameters": parameters(format.name, format.parameters)?,
    }))
}

/// The options of `of`, by name.
pub(crate) fn parameters(
    of: &str,
    described: &[ParameterDescription],
) -> Result<Map<String, Value>, ApiError> {
    let mut parameters = Map::new();
    for parameter in described {
        let value = schema(parameter).map_err(|error| {
            let name = parameter.name;
            ApiError::internal(format!("option `{name}` of {of}: {error}"))
        })?;
        parameters.insert(parameter.name.to_owned(), value);
    }
    Ok(parameters)
}

fn schema(parameter: &ParameterDescription) -> Result<Value, serde_json::Error> {
    let mut schema: Map<String, Value> = serde_json::from_str(parameter.schema_json)?;
    schema.entry("subtype").or_insert_with(|| SUBTYPE.into());
    schema.insert("description".to_owned(), parameter.description.into());
    schema.insert("required".to_owned(), false.into());
    if let Some(default) = parameter.default_json {
        schema.insert("default".to_owned(), serde_json::from_str(default)?);
    }
    Ok(Value::Object(schema))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_formats_can_be_described() {
        for format in SinkFormat::ALL {
            let value = described(format.description()).unwrap();
            assert!(!value["gis_data_types"].as_array().unwrap().is_empty());
            for parameter in value["parameters"].as_object().unwrap().values() {
                assert!(parameter["description"].is_string() && parameter["subtype"].is_string());
            }
        }
    }
}
