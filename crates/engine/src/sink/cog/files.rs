//! All files of a result in one pipeline of tiles.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::path::Path;

use eolith_cube::{Block, DType, Number};

use super::layout::{self, Container, Tag};
use super::pyramid::{Pyramid, halve};
use super::{Header, Settings};
use crate::sink::file::{self, Staged};
use crate::sink::nodata::{Guess, Seen};
use crate::sink::raster::Raster;
use crate::sink::{ResultView, SinkError, pipeline};

/// The files of a result.
pub(super) struct Files<'a> {
    pub(super) result: &'a dyn ResultView,
    pub(super) rasters: &'a [Raster],
    pub(super) settings: Settings,
    pub(super) georeference: &'a [Tag],
    pub(super) dtype: DType,
    /// Of the first or only file.
    pub(super) path: &'a Path,
    /// Tiles under way.
    pub(super) ahead: usize,
}

/// What can be done on its own; `image` counts the files.
enum Job {
    /// A tile of the full image.
    Window { image: usize, rows: Range<usize>, columns: Range<usize> },
    /// A tile of an overview.
    Tile { image: usize, level: usize, block: Block },
    /// A file of which all tiles are stored.
    File { image: usize, pyramid: Pyramid },
}

enum Done {
    Tile { image: usize, level: usize, bytes: Vec<u8>, half: Option<Block>, seen: Seen },
    File(Staged),
}

impl Files<'_> {
    /// Writes all files beside their places, `null` where a pixel is invalid. What was seen is empty without a
    /// guess.
    pub(super) fn write(
        &self,
        null: Option<Number>,
        guess: Option<&Guess>,
    ) -> Result<(Vec<Staged>, Seen), SinkError> {
        let tile = self.settings.tile;
        let windows = self.rasters.iter().enumerate().flat_map(|(image, raster)| {
            let windows = raster.windows(tile, tile);
            windows.map(move |(rows, columns)| Job::Window { image, rows, columns })
        });
        let (mut begun, mut staged, mut seen_in_all) =
            (BTreeMap::new(), Vec::new(), Seen::default());
        pipeline::run(
            windows,
            self.ahead,
            |job| self.work(job, null, guess),
            |done, more: &mut VecDeque<Job>| {
                let (image, level, bytes, half) = match done {
                    Done::File(file) => {
                        staged.push(file);
                        return Ok(());
                    }
                    Done::Tile { image, level, bytes, half, seen } => {
                        seen_in_all = seen_in_all.and(seen);
                        (image, level, bytes, half)
                    }
                };
                let mut pyramid = match begun.remove(&image) {
                    Some(pyramid) => pyramid,
                    None => self.begin(image, null)?,
                };
                let tiles =
                    pyramid.push(level, &bytes, half).map_err(|e| self.failed(image, &e))?;
                let level = level + 1;
                more.extend(tiles.into_iter().map(|block| Job::Tile { image, level, block }));
                if pyramid.is_complete() {
                    more.push_back(Job::File { image, pyramid });
                } else {
                    begun.insert(image, pyramid);
                }
                Ok(())
            },
        )?;
        Ok((staged, seen_in_all))
    }

    fn begin(&self, image: usize, null: Option<Number>) -> Result<Pyramid, SinkError> {
        let raster = &self.rasters[image];
        let encoder = self.settings.encoder(raster.bands, self.dtype, null);
        let size = (raster.height, raster.width);
        Pyramid::new(encoder, self.settings.overviews, size, file::folder(self.path))
            .map_err(|error| self.failed(image, &error))
    }

    fn work(
        &self,
        job: Job,
        null: Option<Number>,
        guess: Option<&Guess>,
    ) -> Result<Done, SinkError> {
        let (image, level, block, seen) = match job {
            Job::Window { image, rows, columns } => {
                let block = self.rasters[image].read(self.result, &rows, &columns)?;
                let seen = guess.map(|guess| guess.look(&block)).unwrap_or_default();
                (image, 0, block.cast(self.dtype), seen)
            }
            Job::Tile { image, level, block } => (image, level, block, Seen::default()),
            Job::File { image, pyramid } => return self.file(image, pyramid, null).map(Done::File),
        };
        let Raster { bands, height, width, .. } = self.rasters[image];
        let Settings { tile, overviews, resampling, .. } = self.settings;
        let below = level + 1 < Pyramid::count(tile, overviews, height, width);
        let half = below.then(|| halve(&block, resampling));
        let encoder = self.settings.encoder(bands, self.dtype, null);
        let bytes = encoder.encode(block).map_err(|error| self.failed(image, &error))?;
        Ok(Done::Tile { image, level, bytes, half, seen })
    }

    fn file(
        &self,
        image: usize,
        pyramid: Pyramid,
        null: Option<Number>,
    ) -> Result<Staged, SinkError> {
        let raster = &self.rasters[image];
        let metadata = layout::metadata(self.result.schema(), self.result.remark(), raster);
        let header = Header { georeference: self.georeference, metadata, dtype: self.dtype, null };
        let encoder = self.settings.encoder(raster.bands, self.dtype, null);
        let mut container = Container::new(&encoder, &header, pyramid.finish());
        file::stage(&raster.path(self.path), |out| {
            container.write(out).map_err(|error| self.failed(image, &error))
        })
    }

    fn failed(&self, image: usize, error: &std::io::Error) -> SinkError {
        file::error_at(&self.rasters[image].path(self.path), error)
    }
}
