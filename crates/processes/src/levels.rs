//! The levels of conformance that the openEO profiles put processes into.
//!
//! A back-end has a level if it has all stable processes of it and of those below. Processes beyond the standard have
//! none.

/// Levels with the processes they add, lowest first.
#[rustfmt::skip]
const LEVELS: [(&str, &str); 12] = [
    ("L1", "absolute add and apply apply_dimension arccos arcsin arctan array_concat array_create array_element \
        between ceil clip constant cos divide e eq exp first floor gt gte int last ln load_collection log lt \
        lte max mean median min mod multiply neq not or pi power product quantiles reduce_dimension round \
        save_result sd sgn sin sqrt subtract sum tan variance"),
    ("L2", "add_dimension aggregate_temporal aggregate_temporal_period all any arcosh arctan2 array_find arsinh \
        artanh cosh count dimension_labels drop_dimension extrema filter_bbox filter_temporal if inspect \
        is_nan is_nodata is_valid linear_scale_range nan normalized_difference rename_dimension \
        rename_labels sinh sort tanh xor"),
    ("L2-Date", "date_between date_difference date_shift"),
    ("L2-Text", "text_begins text_concat text_contains text_ends text_find"),
    ("L2A", "aggregate_spatial apply_kernel filter_bands filter_spatial mask mask_polygon resample_spatial"),
    ("L2B", "filter_vector vector_buffer vector_reproject"),
    ("L3", "aggregate_spatial_window apply_neighborhood apply_polygon array_append array_apply array_contains \
        array_create_labeled array_filter array_find_label array_interpolate_linear array_labels \
        array_modify cloud_detection create_data_cube cummax cummin cumproduct cumsum filter_labels \
        flatten_dimensions is_infinite load_geojson load_stac load_url merge_cubes ndvi order rearrange \
        reduce_spatial resample_cube_spatial resample_cube_temporal trim_cube unflatten_dimension \
        vector_to_random_points vector_to_regular_points"),
    ("L3-ARD", "ard_normalized_radar_backscatter ard_surface_reflectance"),
    ("L3-Clim", "anomaly climatological_normal"),
    ("L3-ML", "fit_curve predict_curve"),
    ("L3-UDF", "run_udf run_udf_externally"),
    ("L4", "atmospheric_correction export_collection export_workspace load_uploaded_files run_ogcapi \
        run_ogcapi_externally sar_backscatter stac_modify"),
];

/// The level of a process of the standard.
pub fn level(id: &str) -> Option<&'static str> {
    let has = |ids: &str| ids.split_whitespace().any(|other| other == id);
    LEVELS.iter().find(|(_, ids)| has(ids)).map(|(level, _)| *level)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_process_has_one_level() {
        let all: Vec<&str> = LEVELS.iter().flat_map(|(_, ids)| ids.split_whitespace()).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert_eq!(
            (level("add"), level("fit_curve"), level("sing")),
            (Some("L1"), Some("L3-ML"), None)
        );
    }
}
