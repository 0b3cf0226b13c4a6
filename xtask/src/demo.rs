//! `cargo xtask demo`: what Eolith does, shown on sample data through its own HTTP API.
//!
//! Builds in release, makes the generated cube, serves it together with the Landsat scene of `samples/`, posts the
//! process graphs of `samples/graphs/` and writes the results to `target/demo/`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::http;
use crate::served::{API, Served};
use crate::shell::{self, Profile, say};

/// A file, and what it is. The process graph has the same name in `samples/graphs`.
const MAPS: [(&str, &str); 4] = [
    ("ndvi-maximum.tif", "largest cloud-free NDVI of a year, cloud-optimised GeoTIFF"),
    ("ndvi-maximum.png", "the same as a picture"),
    ("ndvi-landsat.tif", "NDVI of a Landsat 7 scene (Olinda, Brazil), cloud-optimised GeoTIFF"),
    ("ndvi-landsat.png", "the same as a picture"),
];

/// What the graphs save, and what they shall save for a picture.
const GEOTIFF: &str = r#""format": "GTiff""#;
const PICTURE: &str =
    r#""format": "PNG", "options": {"colormap": "RdYlGn", "min": -0.4, "max": 0.8}"#;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// End after the maps instead of serving on.
    exit: bool,
    port: u16,
}

impl Options {
    pub(crate) fn parse(args: &[&str]) -> Result<Options> {
        let mut options = Options { exit: false, port: 8080 };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match *arg {
                "--exit" => options.exit = true,
                "--port" => {
                    let port = args.next().context("--port needs a number")?;
                    options.port = port.parse().with_context(|| format!("`{port}` is no port"))?;
                }
                other => bail!("unknown option `{other}`: demo [--exit] [--port P]"),
            }
        }
        Ok(options)
    }
}

pub(crate) fn run(options: Options) -> Result<()> {
    let binary = shell::build(Profile::Release)?;
    let folder = shell::target()?.join("demo");
    fs::create_dir_all(&folder)?;
    let sample = folder.join("sentinel2-sample.zarr");
    let started = Instant::now();
    shell::check(Command::new(&binary).arg("sample").arg(&sample))?;
    say(&format!(
        "{} ({:.1} s): a year of generated scenes",
        sample.display(),
        started.elapsed().as_secs_f64()
    ));

    let samples = shell::root().join("samples");
    let data =
        [prefixed("sentinel2-sample=", &sample), prefixed("", &samples.join("landsat7-olinda"))];
    let served = Served::start(&binary, &data, options.port, &folder.join("state"))?;
    let address = served.address;
    say(&format!(
        "serving http://{address}{API}/ (first answer after {:.0} ms)",
        served.first_answer.as_secs_f64() * 1e3
    ));
    for (file, what) in MAPS {
        let (stem, kind) = file.split_once('.').context("a map has no extension")?;
        let path = samples.join("graphs").join(format!("{stem}.json"));
        let graph = fs::read_to_string(&path)
            .with_context(|| format!("cannot read `{}`", path.display()))?;
        let graph = if kind == "png" { graph.replace(GEOTIFF, PICTURE) } else { graph };
        let body = format!(r#"{{"process":{graph}}}"#);
        let started = Instant::now();
        let answer = http::post_json(address, &format!("{API}/result"), &body)?;
        let seconds = started.elapsed().as_secs_f64();
        if answer.status != 200 {
            bail!("{file}: HTTP {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        let target = folder.join(file);
        fs::write(&target, &answer.body)?;
        say(&format!(
            "{} ({} kB, {seconds:.2} s): {what}",
            target.display(),
            answer.body.len().div_ceil(1000)
        ));
    }
    if options.exit {
        return Ok(());
    }
    say(&format!("still serving at http://{address}{API}/ until Ctrl-C"));
    served.become_it()
}

fn prefixed(prefix: &str, path: &Path) -> std::ffi::OsString {
    let mut text = std::ffi::OsString::from(prefix);
    text.push(path);
    text
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn options() {
        assert_eq!(Options::parse(&[]).unwrap(), Options { exit: false, port: 8080 });
        assert_eq!(
            Options::parse(&["--port", "81", "--exit"]).unwrap(),
            Options { exit: true, port: 81 }
        );
        assert!(Options::parse(&["--port"]).is_err() && Options::parse(&["--quiet"]).is_err());
    }
}
