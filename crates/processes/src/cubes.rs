//! Processes on data cubes: an operator or a few each.

mod aggregate_spatial;
mod aggregate_spatial_window;
mod aggregate_temporal;
mod aggregate_temporal_period;
mod anomaly;
mod apply;
mod apply_dimension;
mod apply_kernel;
mod apply_neighborhood;
mod apply_polygon;
pub(crate) mod arguments;
mod climatological_normal;
mod cloud_detection;
mod dimensions;
mod filter_bands;
mod filter_bbox;
mod filter_labels;
mod filter_spatial;
mod filter_temporal;
mod flatten;
mod load_collection;
mod load_result;
mod load_stac;
mod mask;
mod mask_polygon;
mod merge_cubes;
mod ndvi;
mod periods;
mod predict_curve;
mod properties;
mod reduce_dimension;
mod reduce_spatial;
mod rename_labels;
mod resample_cube_spatial;
mod resample_cube_temporal;
mod resample_spatial;
mod run_udf;
mod save_result;
#[cfg(test)]
pub(crate) mod testing;
mod trim_cube;

use eolith_plan::process::Process;

pub(crate) static ALL: &[&Process] = &[
    &aggregate_spatial::AGGREGATE_SPATIAL,
    &aggregate_spatial_window::AGGREGATE_SPATIAL_WINDOW,
    &aggregate_temporal::AGGREGATE_TEMPORAL,
    &aggregate_temporal_period::AGGREGATE_TEMPORAL_PERIOD,
    &anomaly::ANOMALY,
    &apply::APPLY,
    &apply_dimension::APPLY_DIMENSION,
    &apply_kernel::APPLY_KERNEL,
    &apply_neighborhood::APPLY_NEIGHBORHOOD,
    &apply_polygon::APPLY_POLYGON,
    &climatological_normal::CLIMATOLOGICAL_NORMAL,
    &cloud_detection::CLOUD_DETECTION,
    &dimensions::ADD_DIMENSION,
    &dimensions::CREATE_DATA_CUBE,
    &dimensions::DIMENSION_LABELS,
    &dimensions::DROP_DIMENSION,
    &dimensions::RENAME_DIMENSION,
    &filter_bands::FILTER_BANDS,
    &filter_bbox::FILTER_BBOX,
    &filter_labels::FILTER_LABELS,
    &filter_spatial::FILTER_SPATIAL,
    &filter_temporal::FILTER_TEMPORAL,
    &flatten::FLATTEN_DIMENSIONS,
    &flatten::UNFLATTEN_DIMENSION,
    &load_collection::LOAD_COLLECTION,
    &load_result::LOAD_RESULT,
    &load_stac::LOAD_STAC,
    &mask::MASK,
    &mask_polygon::MASK_POLYGON,
    &merge_cubes::MERGE_CUBES,
    &ndvi::NDVI,
    &predict_curve::PREDICT_CURVE,
    &reduce_dimension::REDUCE_DIMENSION,
    &reduce_spatial::REDUCE_SPATIAL,
    &rename_labels::RENAME_LABELS,
    &resample_cube_spatial::RESAMPLE_CUBE_SPATIAL,
    &resample_cube_temporal::RESAMPLE_CUBE_TEMPORAL,
    &resample_spatial::RESAMPLE_SPATIAL,
    &run_udf::RUN_UDF,
    &save_result::SAVE_RESULT,
    &trim_cube::TRIM_CUBE,
];
