//! The output formats: what each says of itself (the entry of `GET /file_formats` and its options), and how it is
//! found and called by name.
//!
//! Every sink module exposes one constant of [`FormatDescription`]. Nothing here checks options; a sink does that
//! itself, since only it knows which combinations make sense.

use std::path::Path;

use eolith_cube::Schema;

use super::{Intake, Options, OutputFile, ResultView, SinkError};

/// An output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatDescription {
    /// The id used in `save_result`, in GDAL's spelling where GDAL has one.
    pub name: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    pub media_type: &'static str,
    /// File extension without the dot.
    pub extension: &'static str,
    /// openEO `gis_data_types`: `raster`, `vector`, `table`, `pointcloud`, `other`.
    pub gis_data_types: &'static [&'static str],
    pub parameters: &'static [ParameterDescription],
}

/// An option of an output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterDescription {
    pub name: &'static str,
    pub description: &'static str,
    /// A JSON Schema, as text.
    pub schema_json: &'static str,
    /// The value that is used when the option is missing, as JSON text; `None` where it depends on the data.
    pub default_json: Option<&'static str>,
}

/// The formats results can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkFormat {
    GTiff,
    NetCdf,
    Zarr,
    Png,
    Json,
    GeoJson,
    Parquet,
    Csv,
}

impl SinkFormat {
    pub const ALL: [SinkFormat; 8] = [
        SinkFormat::GTiff,
        SinkFormat::NetCdf,
        SinkFormat::Zarr,
        SinkFormat::Png,
        SinkFormat::Json,
        SinkFormat::GeoJson,
        SinkFormat::Parquet,
        SinkFormat::Csv,
    ];

    /// By name, in any case; openEO users also write `COG`, `GeoTIFF` and `GeoParquet`.
    pub fn from_name(name: &str) -> Option<SinkFormat> {
        let also = |format: &SinkFormat| {
            let others: &[&str] = match format {
                SinkFormat::GTiff => &["COG", "GeoTIFF"],
                SinkFormat::Parquet => &["GeoParquet"],
                SinkFormat::NetCdf
                | SinkFormat::Zarr
                | SinkFormat::Png
                | SinkFormat::Json
                | SinkFormat::GeoJson
                | SinkFormat::Csv => &[],
            };
            others.iter().any(|other| other.eq_ignore_ascii_case(name))
        };
        (Self::ALL.into_iter())
            .find(|format| format.description().name.eq_ignore_ascii_case(name) || also(format))
    }

    /// By file extension.
    pub fn from_extension(extension: &str) -> Option<SinkFormat> {
        match extension.to_ascii_lowercase().as_str() {
            "tif" | "tiff" => Some(SinkFormat::GTiff),
            "nc" | "nc4" => Some(SinkFormat::NetCdf),
            "zarr" => Some(SinkFormat::Zarr),
            "png" => Some(SinkFormat::Png),
            "json" => Some(SinkFormat::Json),
            "geojson" => Some(SinkFormat::GeoJson),
            "parquet" | "geoparquet" => Some(SinkFormat::Parquet),
            "csv" => Some(SinkFormat::Csv),
            _ => None,
        }
    }

    pub fn description(self) -> &'static FormatDescription {
        match self {
            SinkFormat::GTiff => &super::cog::DESCRIPTION,
            SinkFormat::NetCdf => &super::netcdf::DESCRIPTION,
            SinkFormat::Zarr => &super::zarr::DESCRIPTION,
            SinkFormat::Png => &super::png::DESCRIPTION,
            SinkFormat::Json => &super::json::DESCRIPTION,
            SinkFormat::GeoJson => &super::geojson::DESCRIPTION,
            SinkFormat::Parquet => &super::parquet::DESCRIPTION,
            SinkFormat::Csv => &super::csv::DESCRIPTION,
        }
    }

    /// Bytes that writing a result of this schema takes, of at most `limit`: with less there is less under way.
    ///
    /// # Errors
    /// The result cannot be written in this format, not with these options, or not in so little memory.
    pub fn working_memory(
        self,
        schema: &Schema,
        options: &Options,
        threads: usize,
        limit: u64,
    ) -> Result<u64, SinkError> {
        match self {
            SinkFormat::GTiff => super::cog::working_memory(schema, options, threads, limit),
            SinkFormat::NetCdf => super::netcdf::working_memory(schema, options, threads, limit),
            SinkFormat::Zarr => super::zarr::working_memory(schema, options, threads, limit),
            SinkFormat::Png => super::png::working_memory(schema, options, limit),
            SinkFormat::Json => super::json::working_memory(schema, options, limit),
            SinkFormat::GeoJson => super::geojson::working_memory(schema, options, limit),
            SinkFormat::Parquet => super::parquet::working_memory(schema, options, limit),
            SinkFormat::Csv => super::csv::working_memory(schema, options, limit),
        }
    }

    /// The box in which a result is read, where it is not made of whole rows: its chunks lie far apart in C order.
    pub fn brick(self, schema: &Schema, options: &Options) -> Option<Vec<usize>> {
        match self {
            SinkFormat::Zarr => super::zarr::brick(schema, options),
            SinkFormat::NetCdf => super::netcdf::brick(schema, options),
            SinkFormat::GTiff
            | SinkFormat::Png
            | SinkFormat::Json
            | SinkFormat::GeoJson
            | SinkFormat::Parquet
            | SinkFormat::Csv => None,
        }
    }

    /// A file that takes boxes of a result in any order; `None` where the format needs them in its own, with these
    /// options.
    pub fn intake(
        self,
        schema: &Schema,
        options: &Options,
        path: &Path,
    ) -> Result<Option<Box<dyn Intake>>, SinkError> {
        match self {
            SinkFormat::NetCdf => super::netcdf::intake(schema, options, path),
            SinkFormat::GTiff
            | SinkFormat::Zarr
            | SinkFormat::Png
            | SinkFormat::Json
            | SinkFormat::GeoJson
            | SinkFormat::Parquet
            | SinkFormat::Csv => Ok(None),
        }
    }

    /// Writes a result; `budget` is the memory the writer may use.
    pub fn write(
        self,
        result: &dyn ResultView,
        options: &Options,
        budget: u64,
        path: &Path,
    ) -> Result<Vec<OutputFile>, SinkError> {
        match self {
            SinkFormat::GTiff => super::cog::write(result, options, budget, path),
            SinkFormat::NetCdf => super::netcdf::write(result, options, budget, path),
            SinkFormat::Zarr => super::zarr::write(result, options, budget, path),
            SinkFormat::Png => super::png::write(result, options, budget, path),
            SinkFormat::Json => super::json::write(result, options, budget, path),
            SinkFormat::GeoJson => super::geojson::write(result, options, budget, path),
            SinkFormat::Parquet => super::parquet::write(result, options, budget, path),
            SinkFormat::Csv => super::csv::write(result, options, budget, path),
        }
    }
}
