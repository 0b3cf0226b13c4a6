//! A generated cube that looks like a year of Sentinel-2: fields, woods, a lake, seasons, clouds and their shadows.
//!
//! It stands in for real data where there is none: in the demo, in tests, in first steps. Every pixel is a function
//! of its date and place alone, computed with integers and basic floating-point operations, so that the same options
//! give the same bytes on any machine. It is no model of vegetation or of reflectance.

use std::ops::Range;

use eolith_cube::time::{Instant, TimeLabel};
use eolith_cube::{
    Block, Crs, CrsError, DType, Dimension, Element, Grid, Kind, Label, Labels, Number, Region,
    Schema, SpatialAxis, Variable,
};

use crate::sink::{ResultView, SinkError};

/// Bands: name, common name, centre wavelength in micrometres.
const BANDS: [(&str, Option<&str>, Option<f64>); 5] = [
    ("B02", Some("blue"), Some(0.49)),
    ("B03", Some("green"), Some(0.56)),
    ("B04", Some("red"), Some(0.665)),
    ("B08", Some("nir"), Some(0.842)),
    ("SCL", None, None),
];

/// Upper left corner, EPSG:32632, metres.
const CORNER: (f64, f64) = (600_000.0, 5_100_000.0);
/// Metres.
const PIXEL: f64 = 10.0;
/// 2024-01-04T10:20:00Z, microseconds since 1970.
const FIRST: i64 = 1_704_363_600_000_000;
const DAY: i64 = 86_400_000_000;
const YEAR: i64 = 366;

/// Classes of the scene classification, as Sentinel-2 numbers them.
mod class {
    pub(super) const SHADOW: u16 = 3;
    pub(super) const VEGETATION: u16 = 4;
    pub(super) const BARE: u16 = 5;
    pub(super) const WATER: u16 = 6;
    pub(super) const THIN_CLOUD: u16 = 8;
    pub(super) const CLOUD: u16 = 9;
}

/// The cube: t, bands, y, x.
#[derive(Clone, Debug)]
pub struct Sample {
    schema: Schema,
    dates: usize,
    size: usize,
}

/// What one place is made of; all from 0 to 1.
#[derive(Clone, Copy, Debug)]
struct Ground {
    water: bool,
    wood: bool,
    /// Of a field, or of a part of a wood.
    fertility: f64,
    /// The part of the year in which a field is green.
    season: f64,
    grain: f64,
}

impl Sample {
    /// `dates` scenes spread over the year 2024, `size` x `size` pixels of 10 m.
    ///
    /// # Errors
    /// The reference system of the cube is not in the table of this build.
    pub fn new(dates: usize, size: usize) -> Result<Sample, CrsError> {
        let crs = Crs::epsg(32632)?;
        let grid = Grid::from_corner(crs.clone(), CORNER, (PIXEL, -PIXEL), (size, size));
        let days = (0..dates).map(|t| FIRST + t as i64 * YEAR / dates.max(1) as i64 * DAY);
        let times = days.map(|time| Label::Time(TimeLabel::of(Instant(time))));
        let spatial = |name, axis, labels| {
            let kind = Kind::Spatial { axis, crs: Some(crs.clone()) };
            Dimension::new(name, kind, Labels::Regular(labels))
        };
        let dims = vec![
            Dimension::new("t", Kind::Temporal, Labels::list(times)),
            Dimension::new("bands", Kind::Bands, Labels::texts(BANDS.map(|(name, ..)| name))),
            spatial("y", SpatialAxis::Y, grid.y),
            spatial("x", SpatialAxis::X, grid.x),
        ];
        let variable =
            |(_, common_name, center_wavelength): (&str, Option<&str>, Option<f64>)| Variable {
                nodata: Some(Number::Int(0)),
                common_name: common_name.map(str::to_owned),
                center_wavelength,
                ..Variable::new(DType::U16)
            };
        let variables = BANDS.map(variable).to_vec();
        Ok(Sample { schema: Schema { dims, variables }, dates, size })
    }

    /// All bands of a pixel; `None` outside of the swath.
    fn pixel(&self, t: usize, y: usize, x: usize) -> Option<[u16; BANDS.len()]> {
        // Every fourth scene is of the neighbouring orbit and does not cover the lower right corner.
        if t % 4 == 2 && x + y / 4 > self.size {
            return None;
        }
        let ground = Ground::at(y, x);
        // 0 in winter, 1 at the middle of the year.
        let year = t as f64 / self.dates as f64;
        let summer = smooth(1.0 - (2.0 * year - 1.0).abs());
        let (mut bands, mut class) = ground.reflectance(summer, year);
        let noise = hash(0x5eed ^ t as u64, y as u64, x as u64);
        for (i, band) in bands.iter_mut().enumerate() {
            *band += ((noise >> (8 * i)) & 31) as f64 - 16.0;
        }
        let cloud = cloud(t, y as f64, x as f64);
        if cloud > 0.0 {
            let share = (cloud * 5.0).min(1.0);
            for (band, white) in bands.iter_mut().zip([7200.0, 7000.0, 6900.0, 7300.0]) {
                *band += share * (white + 1500.0 * cloud - *band);
            }
            class = if share < 0.6 { class::THIN_CLOUD } else { class::CLOUD };
        } else if self::cloud(t, y as f64 + 14.0, x as f64 + 22.0) > 0.06 {
            for band in &mut bands {
                *band *= 0.45;
            }
            class = class::SHADOW;
        }
        let [blue, green, red, nir] = bands.map(|band| band.clamp(1.0, 10_000.0) as u16);
        Some([blue, green, red, nir, class])
    }
}

impl ResultView for Sample {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn read(&self, region: &Region) -> Result<Block, SinkError> {
        let [ts, bands, ys, xs] =
            <[Range<usize>; 4]>::try_from(region.0.clone()).map_err(|ranges| {
                SinkError::Read(format!("the sample has no {} axes", ranges.len()))
            })?;
        let plane = ys.len() * xs.len();
        let mut values = vec![0_u16; region.len()];
        let mut valid = vec![true; region.len()];
        for (i, t) in ts.enumerate() {
            for (j, (y, x)) in ys.clone().flat_map(|y| xs.clone().map(move |x| (y, x))).enumerate()
            {
                let pixel = self.pixel(t, y, x);
                for (k, band) in bands.clone().enumerate() {
                    let at = (i * bands.len() + k) * plane + j;
                    match pixel {
                        Some(pixel) => values[at] = pixel[band],
                        None => valid[at] = false,
                    }
                }
            }
        }
        let mut block = Block::new(region.shape(), u16::wrap(values));
        block.validity = Some(valid);
        Ok(block.canonical())
    }
}

impl Ground {
    fn at(y: usize, x: usize) -> Ground {
        let (fy, fx) = (y as f64, x as f64);
        let height = noise(1, fy / 160.0, fx / 160.0) * 0.7 + noise(2, fy / 45.0, fx / 45.0) * 0.3;
        // Borders of fields waver a little; two lattices of different size look less like a chess board.
        let (wy, wx) =
            (fy + 9.0 * noise(3, fy / 30.0, fx / 30.0), fx + 9.0 * noise(4, fy / 30.0, fx / 30.0));
        let wide = noise(5, fy / 210.0, fx / 210.0) > 0.5;
        let (row, column) = if wide { (wy / 34.0, wx / 52.0) } else { (wy / 22.0, wx / 18.0) };
        let field = hash(6 + u64::from(wide), row as u64, column as u64);
        Ground {
            water: height < 0.3,
            wood: height > 0.6,
            fertility: (field & 0xff) as f64 / 255.0,
            season: ((field >> 8) & 0xff) as f64 / 255.0,
            grain: noise(8, fy / 6.0, fx / 6.0),
        }
    }

    /// Blue, green, red and near infrared times 10,000, and the class.
    fn reflectance(self, summer: f64, year: f64) -> ([f64; 4], u16) {
        if self.water {
            let silt = 60.0 * self.grain;
            return ([520.0 + silt, 430.0 + silt, 260.0 + silt, 130.0 + 0.4 * silt], class::WATER);
        }
        let green = if self.wood {
            0.35 + 0.45 * summer + 0.12 * self.grain
        } else {
            // A crop grows for about a third of the year, around a date of its own.
            let distance = (year - (0.3 + 0.35 * self.season)).abs();
            let crop = smooth((1.0 - distance / 0.28).max(0.0));
            0.08 + 0.12 * self.grain + (0.35 + 0.4 * self.fertility) * crop
        };
        let green = green.clamp(0.0, 1.0);
        let soil = [780.0, 1050.0, 1450.0, 2100.0].map(|v| v * (0.75 + 0.4 * self.fertility));
        let leaf = [280.0, 560.0, 310.0, 4300.0];
        let mut bands = [0.0; 4];
        for (band, (soil, leaf)) in bands.iter_mut().zip(soil.into_iter().zip(leaf)) {
            *band = soil + green * (leaf - soil);
        }
        (bands, if green > 0.35 { class::VEGETATION } else { class::BARE })
    }
}

/// Thickness of the cloud over a place; 0 where there is none.
fn cloud(t: usize, y: f64, x: f64) -> f64 {
    let seed = 0x00c1_00d5 + t as u64;
    // From almost clear to almost covered.
    let cover = 0.25 + 0.55 * (hash(seed, 1, 1) & 0xff) as f64 / 255.0;
    let shape = 0.6 * noise(seed, y / 90.0, x / 90.0)
        + 0.28 * noise(seed + 977, y / 31.0, x / 31.0)
        + 0.12 * noise(seed + 1979, y / 9.0, x / 9.0);
    (shape - (1.0 - cover * 0.8)).max(0.0)
}

/// Smooth noise from 0 to 1: random numbers on the integer lattice, blended between. Not for negative places.
fn noise(seed: u64, y: f64, x: f64) -> f64 {
    let (row, column) = (y as u64, x as u64);
    let (v, u) = (smooth(y - row as f64), smooth(x - column as f64));
    let at =
        |dy: u64, dx: u64| (hash(seed, row + dy, column + dx) >> 11) as f64 / (1_u64 << 53) as f64;
    let (top, bottom) = (blend(at(0, 0), at(0, 1), u), blend(at(1, 0), at(1, 1), u));
    blend(top, bottom, v)
}

fn blend(a: f64, b: f64, share: f64) -> f64 {
    a + share * (b - a)
}

/// 0 to 0, 1 to 1, flat at both ends.
fn smooth(x: f64) -> f64 {
    x * x * (3.0 - 2.0 * x)
}

/// Random bits of a place: three rounds of multiply and shift (the finaliser of `SplitMix64`, Steele et al. 2014).
fn hash(seed: u64, y: u64, x: u64) -> u64 {
    let mut bits = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for part in [y, x] {
        bits = bits.wrapping_add(part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_is_the_same_and_clouds_are_marked() {
        let sample = Sample::new(5, 96).unwrap();
        let shape = sample.schema.shape().unwrap();
        assert_eq!(shape, [5, 5, 96, 96]);
        let whole = sample.read(&Region::whole(&shape)).unwrap();
        let part = Region(vec![2..4, 1..5, 30..96, 50..95]);
        assert_eq!(sample.read(&part).unwrap(), whole.slice(&part).canonical());
        assert!(whole.validity.as_ref().is_some_and(|valid| valid.contains(&false)));
        let scl = sample.read(&Region(vec![0..5, 4..5, 0..96, 0..96])).unwrap();
        let count = |class: u16| {
            (0..scl.len()).filter(|&i| scl.get(i) == Some(Number::Int(class.into()))).count()
        };
        for class in [class::SHADOW, class::VEGETATION, class::BARE, class::CLOUD] {
            assert!(count(class) > 200, "{} pixels of class {class}", count(class));
        }
        assert!(sample.read(&Region::whole(&[1])).is_err());
    }

    /// The same bytes on any machine: if this number changes, so does every figure measured on the sample.
    #[test]
    fn bytes_are_fixed() {
        let sample = Sample::new(3, 64).unwrap();
        let block = sample.read(&Region::whole(&[3, 5, 64, 64])).unwrap();
        let digest = xxhash_rust::xxh3::xxh3_64(&block.values.le_bytes(0..block.len()));
        assert_eq!(digest, 0x6700_4124_0f33_2843);
    }

    #[test]
    fn dates_and_bands_are_labelled() {
        let sample = Sample::new(12, 8).unwrap();
        let times = sample.schema.dims[0].labels().unwrap();
        assert_eq!(times.get(0).to_string(), "2024-01-04T10:20:00Z");
        assert_eq!(times.get(11).to_string(), "2024-12-04T10:20:00Z");
        assert_eq!(sample.schema.variables[3].common_name.as_deref(), Some("nir"));
        assert_eq!(
            sample.schema.grid().unwrap().bounds(),
            [600_000.0, 5_099_920.0, 600_080.0, 5_100_000.0]
        );
    }
}
