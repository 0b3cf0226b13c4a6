//! On which grid a result is wanted.

use clap::Args;
use eolith_cube::warp::Method;
use eolith_cube::{Crs, Grid};
use eolith_engine::session::Session;
use eolith_plan::target::{Reading, TargetGrid, tile};

/// Options of commands that plan a process graph.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Bring the result to this grid: reference system, box and size in pixels, as
    /// EPSG:3857/WEST,SOUTH,EAST,NORTH/WIDTHxHEIGHT.
    #[arg(long = "target", value_name = "GRID", value_parser = grid)]
    grid: Option<Grid>,
    /// Bring the result to the 256 x 256 pixels of a tile of a web map (EPSG:3857).
    #[arg(long, value_name = "Z/X/Y", value_parser = tile_grid, conflicts_with = "grid")]
    tile: Option<Grid>,
    /// How pixels are brought to the grid: a method of resample_spatial.
    #[arg(long, value_name = "METHOD", default_value = "near", value_parser = method)]
    resampling: Method,
    /// Read overviews where the grid is coarser than the data; pixels are then means of native ones, or what else the
    /// overviews hold.
    #[arg(long)]
    approximate: bool,
}

impl Target {
    /// The session with its results on the grid, if one is given.
    pub(crate) fn on(self, session: Session) -> Session {
        let reading = if self.approximate { Reading::Approximate } else { Reading::Exact };
        match self.grid.or(self.tile) {
            Some(grid) => session.onto(TargetGrid { grid, method: self.resampling, reading }),
            None => session,
        }
    }
}

fn method(text: &str) -> Result<Method, String> {
    Method::from_name(text).ok_or_else(|| format!("there is no resampling method `{text}`"))
}

fn grid(text: &str) -> Result<Grid, String> {
    let wrong = || format!("`{text}` is not of the form CRS/WEST,SOUTH,EAST,NORTH/WIDTHxHEIGHT");
    let [crs, bounds, size] = text.split('/').collect::<Vec<_>>()[..] else { return Err(wrong()) };
    let crs = Crs::parse(crs).map_err(|error| error.to_string())?;
    let bounds: Vec<f64> = bounds
        .split(',')
        .map(|n| n.trim().parse().map_err(|_| wrong()))
        .collect::<Result<_, _>>()?;
    let [west, south, east, north] = bounds[..] else { return Err(wrong()) };
    let (width, height) = size.split_once('x').ok_or_else(wrong)?;
    let (width, height): (usize, usize) =
        (width.parse().map_err(|_| wrong())?, height.parse().map_err(|_| wrong())?);
    let real = bounds.iter().all(|edge| edge.is_finite()) && west < east && south < north;
    if !real || width == 0 || height == 0 {
        return Err(format!("`{text}` has no pixels"));
    }
    let step = ((east - west) / width as f64, -(north - south) / height as f64);
    Ok(Grid::from_corner(crs, (west, north), step, (width, height)))
}

fn tile_grid(text: &str) -> Result<Grid, String> {
    let none = || format!("there is no tile `{text}`");
    let [z, x, y] = text.split('/').collect::<Vec<_>>()[..] else { return Err(none()) };
    let (Ok(z), Ok(x), Ok(y)) = (z.parse(), x.parse(), y.parse()) else { return Err(none()) };
    tile(z, x, y).map_err(|error| error.to_string())?.ok_or_else(none)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_are_read() {
        let own = grid("EPSG:32632/600000,5190000,610240,5200000/512x500").unwrap();
        assert_eq!(own.bounds(), [600_000.0, 5_190_000.0, 610_240.0, 5_200_000.0]);
        assert_eq!((own.x.step, own.y.step, own.x.len, own.y.len), (20.0, -20.0, 512, 500));
        for wrong in ["EPSG:3857", "EPSG:3857/0,0,1/2x2", "EPSG:3857/1,0,0,1/2x2", "x/0,0,1,1/2x2"]
        {
            assert!(grid(wrong).is_err(), "{wrong}");
        }
        assert_eq!(tile_grid("1/1/0").unwrap().x.len, 256);
        assert!(tile_grid("1/2/0").is_err() && tile_grid("1/1").is_err());
    }
}
