//! Prints what this crate makes of points, for `xtask/epsg/epsg_table.py` to compare with PROJ.
//!
//! Input: a line `PROJ string<tab>n`, then n lines `lon lat x y`; again and again. Output: a line `ok` and n
//! lines `x y lon lat` (the image of `lon lat` in the system, and of `x y` in WGS 84), or one line with the
//! error.

use std::io::{BufRead, BufWriter, Write};

use eolith_cube::crs::{Crs, transformer};

fn main() -> std::io::Result<()> {
    let wgs84 = Crs::parse("+proj=longlat +datum=WGS84").map_err(std::io::Error::other)?;
    let mut input = std::io::stdin().lock().lines();
    let mut output = BufWriter::new(std::io::stdout().lock());
    while let Some(head) = input.next().transpose()? {
        let Some((text, count)) = head.split_once('\t') else { continue };
        let mut columns = [const { Vec::new() }; 4];
        for _ in 0..count.parse().unwrap_or(0) {
            let line = input.next().transpose()?.unwrap_or_default();
            for (column, word) in columns.iter_mut().zip(line.split(' ')) {
                column.push(word.parse::<f64>().unwrap_or(f64::NAN));
            }
        }
        let pair = Crs::parse(text)
            .and_then(|crs| Ok((transformer(&wgs84, &crs)?, transformer(&crs, &wgs84)?)));
        match pair {
            Err(error) => writeln!(output, "{error}")?,
            Ok((forward, inverse)) => {
                let [mut lon, mut lat, mut x, mut y] = columns;
                forward.transform(&mut lon, &mut lat);
                inverse.transform(&mut x, &mut y);
                writeln!(output, "ok")?;
                for i in 0..lon.len() {
                    writeln!(output, "{:?} {:?} {:?} {:?}", lon[i], lat[i], x[i], y[i])?;
                }
            }
        }
    }
    output.flush()
}
