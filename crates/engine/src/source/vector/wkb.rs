//! Geometries from well-known binary: of OGC and ISO, and with the flags of PostGIS. Only x and y are kept.

use eolith_cube::Geometry;
use eolith_cube::geometry::{Position, Ring};

use super::{Count, VectorError, checked};

/// The geometry in these bytes; a point whose coordinates are NaN is empty.
pub(super) fn read(bytes: &[u8], count: &mut Count) -> Result<Geometry, VectorError> {
    let mut reader = Reader { bytes, count };
    let geometry = reader.geometry(true)?;
    if !reader.bytes.is_empty() {
        return Err(invalid("there are bytes after a geometry"));
    }
    checked(geometry).map_err(|reason| invalid(&reason))
}

struct Reader<'a, 'c> {
    bytes: &'a [u8],
    count: &'c mut Count,
}

/// What the head of a geometry says.
#[derive(Clone, Copy)]
struct Head {
    little: bool,
    kind: u32,
    /// Numbers of a position.
    numbers: usize,
}

fn invalid(reason: &str) -> VectorError {
    VectorError::Invalid { format: "WKB", reason: reason.to_owned() }
}

impl Reader<'_, '_> {
    fn geometry(&mut self, collections: bool) -> Result<Geometry, VectorError> {
        let head = self.head()?;
        Ok(match head.kind {
            1 => match self.position(head)? {
                [x, y] if x.is_nan() && y.is_nan() => Geometry::MultiPoint(Vec::new()),
                position => Geometry::Point(finite(position)?),
            },
            2 => Geometry::LineString(self.positions(head)?),
            3 => Geometry::Polygon(self.rings(head)?),
            4 => Geometry::MultiPoint(self.members(head, |reader| {
                let head = reader.member(1)?;
                finite(reader.position(head)?)
            })?),
            5 => Geometry::MultiLineString(self.members(head, |reader| {
                let head = reader.member(2)?;
                reader.positions(head)
            })?),
            6 => Geometry::MultiPolygon(self.members(head, |reader| {
                let head = reader.member(3)?;
                reader.rings(head)
            })?),
            7 if collections => {
                Geometry::Collection(self.members(head, |reader| reader.geometry(false))?)
            }
            7 => return Err(invalid("a collection stands in a collection")),
            other => {
                let what = format!(
                    "geometries of the kind {other} of WKB (curves, surfaces) are not read"
                );
                return Err(VectorError::Unsupported(what));
            }
        })
    }

    fn head(&mut self) -> Result<Head, VectorError> {
        let little = match self.take::<1>()? {
            [0] => false,
            [1] => true,
            _ => return Err(invalid("the byte order is neither 0 nor 1")),
        };
        let code = self.number(little)?;
        // PostGIS sets the upper bits; ISO adds thousands.
        let (flags, code) = (code >> 29, code & 0x1fff_ffff);
        if flags & 1 != 0 {
            self.number(little)?;
        }
        let thousands = code / 1000;
        if thousands > 3 {
            return Err(invalid("the kind of a geometry is unknown"));
        }
        let z = flags & 4 != 0 || thousands == 1 || thousands == 3;
        let m = flags & 2 != 0 || thousands >= 2;
        Ok(Head { little, kind: code % 1000, numbers: 2 + usize::from(z) + usize::from(m) })
    }

    /// The head of a member, which has to be of this kind.
    fn member(&mut self, kind: u32) -> Result<Head, VectorError> {
        let head = self.head()?;
        if head.kind == kind { Ok(head) } else { Err(invalid("a member is of another kind")) }
    }

    fn members<T>(
        &mut self,
        head: Head,
        mut read: impl FnMut(&mut Self) -> Result<T, VectorError>,
    ) -> Result<Vec<T>, VectorError> {
        let count = self.counted(head, 4)?;
        (0..count).map(|_| read(self)).collect()
    }

    fn rings(&mut self, head: Head) -> Result<Vec<Ring>, VectorError> {
        let count = self.counted(head, 4)?;
        (0..count).map(|_| self.positions(head)).collect()
    }

    fn positions(&mut self, head: Head) -> Result<Vec<Position>, VectorError> {
        let count = self.counted(head, 8 * head.numbers)?;
        (0..count).map(|_| finite(self.position(head)?)).collect()
    }

    /// A number of things of at least so many bytes each, for which there are bytes left.
    fn counted(&mut self, head: Head, least: usize) -> Result<usize, VectorError> {
        let count = self.number(head.little)? as usize;
        if count > self.bytes.len() / least {
            return Err(invalid("it ends too early"));
        }
        Ok(count)
    }

    fn position(&mut self, head: Head) -> Result<Position, VectorError> {
        self.count.positions(1)?;
        let mut position = [0.0; 2];
        for i in 0..head.numbers {
            let bytes = self.take::<8>()?;
            let number =
                if head.little { f64::from_le_bytes(bytes) } else { f64::from_be_bytes(bytes) };
            if let Some(own) = position.get_mut(i) {
                *own = number;
            }
        }
        Ok(position)
    }

    fn number(&mut self, little: bool) -> Result<u32, VectorError> {
        let bytes = self.take::<4>()?;
        Ok(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], VectorError> {
        let (head, rest) =
            self.bytes.split_first_chunk::<N>().ok_or_else(|| invalid("it ends too early"))?;
        self.bytes = rest;
        Ok(*head)
    }
}

fn finite(position: Position) -> Result<Position, VectorError> {
    if position.iter().all(|v| v.is_finite()) {
        return Ok(position);
    }
    Err(invalid("a position is not finite"))
}
