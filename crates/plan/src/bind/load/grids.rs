//! Cubes whose bands have different grids: the cube of a request has the finest grid of the bands it asks for.

use eolith_cube::{Axis, Dimension, Grid, Labels, SpatialAxis};

use crate::need::Piece;
use crate::op::ScanSource;

/// The source laid over the finest grid among the bands with these indices. A source has the finest grid of all its
/// bands, so nothing changes if one of those that are asked for has it; else the other bands have no pixels in what is
/// returned.
pub(super) fn of_bands(source: ScanSource, bands: &[usize]) -> ScanSource {
    let schema = &source.schema;
    let place = (schema.bands(), schema.spatial(SpatialAxis::Y), schema.spatial(SpatialAxis::X));
    let (Some(band), Some(y), Some(x)) = place else { return source };
    let asked: Vec<&Piece> = (source.pieces.iter())
        .filter(|piece| bands.iter().any(|index| piece.region.0[band].contains(index)))
        .collect();
    let grids: Option<Vec<&Grid>> = asked.iter().map(|piece| piece.grid.as_ref()).collect();
    let finest = |grids: Vec<&Grid>| {
        grids.into_iter().min_by(|a, b| a.x.step.abs().total_cmp(&b.x.step.abs())).cloned()
    };
    let Some(grid) = grids.and_then(finest) else { return source };
    let pieces = (asked.into_iter())
        .map(|piece| {
            let mut piece = piece.clone();
            let own = piece.grid.take().filter(|own| !own.aligned(&grid));
            let [rows, cols] = match &own {
                Some(own) => grid.pixels_inside(own.bounds()),
                None => [0..grid.y.len, 0..grid.x.len],
            };
            (piece.region.0[y], piece.region.0[x], piece.grid) = (rows, cols, own);
            piece
        })
        .collect();
    let mut schema = schema.clone();
    for (dim, labels) in [(y, grid.y), (x, grid.x)] {
        let axis = Axis::Known(Labels::Regular(labels));
        schema.dims[dim] = Dimension { axis, ..schema.dims[dim].clone() };
    }
    ScanSource { schema, pieces }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use eolith_cube::{Crs, DType, Kind, Region, Regular, Schema, Variable};

    use super::*;
    use crate::need::{ArrayDim, ArrayRef, Format};

    fn grid(step: f64, n: usize) -> Grid {
        let corner = (600_000.0, 5_000_000.0);
        Grid::from_corner(Crs::epsg(32632).unwrap(), corner, (step, -step), (n, n))
    }

    /// Three bands of 10, 20 and 60 m.
    fn source() -> ScanSource {
        let fine = grid(10.0, 12);
        let kind = |axis| Kind::Spatial { axis, crs: Some(fine.crs.clone()) };
        let dims = vec![
            Dimension::new("bands", Kind::Bands, Labels::texts(["a", "b", "c"])),
            Dimension::new("y", kind(SpatialAxis::Y), Labels::Regular(fine.y)),
            Dimension::new("x", kind(SpatialAxis::X), Labels::Regular(fine.x)),
        ];
        let own = [None, Some(grid(20.0, 6)), Some(grid(60.0, 2))];
        let pieces: Vec<Piece> = (own.into_iter().enumerate())
            .map(|(i, grid)| Piece {
                array: ArrayRef {
                    href: "f".to_owned(),
                    format: Format::Zarr,
                    array: i.to_string(),
                    version: None,
                    chunk: None,
                    requested: false,
                },
                region: Region(vec![i..i + 1, 0..12, 0..12]),
                dims: [1, 2].map(|dim| ArrayDim::Along { dim, offset: 0 }).to_vec(),
                nodata: None,
                grid,
            })
            .collect();
        let schema = Schema::uniform(dims, Variable::new(DType::U16));
        ScanSource { schema, pieces: Arc::from(pieces) }
    }

    #[test]
    fn the_finest_band_that_is_asked_for_gives_the_grid() {
        for bands in [&[0, 1, 2][..], &[2, 0]] {
            let same = of_bands(source(), bands);
            assert_eq!((same.schema, same.pieces), (source().schema, source().pieces));
        }
        let coarser = of_bands(source(), &[2, 1]);
        assert_eq!(coarser.schema.shape().unwrap(), [3, 6, 6]);
        let x = Regular { start: 600_010.0, step: 20.0, len: 6 };
        assert_eq!(coarser.schema.grid().unwrap().x, x);
        let pieces: Vec<_> = coarser
            .pieces
            .iter()
            .map(|p| (&*p.array.array, p.grid.as_ref().map(|g| g.x.step)))
            .collect();
        assert_eq!(pieces, [("1", None), ("2", Some(60.0))]);
        assert_eq!(coarser.pieces[1].region, Region(vec![2..3, 0..6, 0..6]));
        assert_eq!(of_bands(source(), &[2]).schema.shape().unwrap(), [3, 2, 2]);
    }
}
