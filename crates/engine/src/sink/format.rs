//! What a sink says of itself: the entry of `GET /file_formats` and the options it takes.
//!
//! Every sink module exposes one constant of [`FormatDescription`]. Nothing here checks options; a sink does that
//! itself, since only it knows which combinations make sense.

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
