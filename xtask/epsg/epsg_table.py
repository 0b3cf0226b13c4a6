"""Generates the EPSG table and the CRS texts that Eolith carries.

Run by hand from the top of the repository, when a new EPSG or PROJ release is wanted:

    python3 -m venv epsg-env && epsg-env/bin/pip install pyproj==3.7.2 numpy zstandard
    cargo build --release -p eolith-cube --example crs_points
    epsg-env/bin/python xtask/epsg/epsg_table.py target/release/examples/crs_points

It writes
    crates/cube/src/crs/epsg.tsv                 what `Crs::epsg` knows, and what it refuses
    crates/engine/data/crs_texts.bin.zst         WKT and PROJJSON of the accepted codes
    epsg_report.tsv in the temporary directory   error of each candidate, for reading a change

How a code is judged. For every geographic-2D and projected CRS that EPSG does not call deprecated, PROJ
(through pyproj, no grids installed) transforms points all over the area of use from WGS 84 longitude and
latitude to the CRS and back. The example `crs_points` does the same with the PROJ strings made here: one for
each datum shift that PROJ lists for the pair, because PROJ's choice depends on the place. The string with the
smallest maximum error, both directions, wins; above 1 cm the code is listed as refused.
"""

import json
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import pyproj
import zstandard
from pyproj import CRS, Transformer
from pyproj.database import query_crs_info
from pyproj.enums import PJType, WktVersion
from pyproj.transformer import TransformerGroup

warnings.filterwarnings("ignore")

LIMIT = 0.01
# Points a side: more where PROJ has several shifts to choose from, as the choice goes by place.
SIDE, SIDE_OF_MANY, RANDOM = 11, 21, 500
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TABLE = os.path.join(ROOT, "crates/cube/src/crs/epsg.tsv")
TEXTS = os.path.join(ROOT, "crates/engine/data/crs_texts.bin.zst")

# Reasons of refusal, spelled out in crates/cube/src/crs/table.rs.
AXES, METHOD, ANGLE, DATUM, VERSIONS = "axes", "method", "angle", "datum", "versions"

DATUM_KEYS = {"datum", "towgs84", "nadgrids", "no_defs", "type", "wktext"}
NAMED = {"NAD83": "ellps=GRS80", "NAD27": "ellps=clrk66", "OSGB36": "ellps=airy", "potsdam": "ellps=bessel",
         "carthage": "ellps=clrk80ign", "hermannskogel": "ellps=bessel", "ire65": "ellps=mod_airy",
         "nzgd49": "ellps=intl", "GGRS87": "ellps=GRS80"}


def words(text):
    return [w.lstrip("+") for w in text.split()]


def points(row, group):
    """Longitudes and latitudes to compare at: a lattice, and where PROJ may change from one shift to another."""
    area = row["area"] or (-180.0, -90.0, 180.0, 90.0)
    if group is None or len(group.transformers) + len(group.unavailable_operations) < 2:
        return lattice(area, SIDE)
    parts = [lattice(area, SIDE_OF_MANY)]
    west, south, east, north = area
    east += 360.0 if east < west else 0.0
    for operation in list(group.transformers) + list(group.unavailable_operations):
        bounds = operation.area_of_use and operation.area_of_use.bounds
        if bounds:
            near = [v + d for v in (bounds[0], bounds[2]) for d in (-360, -359.99, -0.01, 0, 0.01, 359.99, 360)]
            lons = [v for v in near if west <= v <= east] + list(np.linspace(west, east, 7))
            near = [v + d for v in (bounds[1], bounds[3]) for d in (-0.01, 0, 0.01)]
            lats = [v for v in near if south <= v <= north] + list(np.linspace(south, north, 7))
            lon, lat = np.meshgrid(lons, np.clip(lats, -90, 90))
            parts.append(((lon.ravel() + 180.0) % 360.0 - 180.0, lat.ravel()))
    random = np.random.default_rng(row["code"])
    lon = random.uniform(west, east, RANDOM)
    parts.append(((lon + 180.0) % 360.0 - 180.0, random.uniform(max(south, -90), min(north, 90), RANDOM)))
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def lattice(area, side):
    west, south, east, north = area
    if east < west:
        east += 360.0
    south, north = max(south, -90.0), min(north, 90.0)
    lon, lat = np.meshgrid(np.linspace(west, east, side), np.linspace(south, north, side))
    lon = (lon.ravel() + 180.0) % 360.0 - 180.0
    return lon, lat.ravel()


def shift_of(definition):
    """The +towgs84 value that says what the pipeline `definition` does, or None."""
    steps, step = [], []
    for word in definition.split():
        if word == "step":
            steps.append(step)
            step = []
        else:
            step.append(word)
    steps.append(step)
    total = [0.0] * 7
    seven = 0
    for step in steps:
        keys = dict(w.split("=", 1) for w in step if "=" in w)
        if keys.get("proj") in ("hgridshift", "molobadekas", "deformation", "gridshift"):
            return None
        if keys.get("proj") != "helmert":
            continue
        if "t_epoch" in keys or "dx" in keys:
            return None
        values = [float(keys.get(k, 0)) for k in ("x", "y", "z", "rx", "ry", "rz", "s")]
        if keys.get("convention") == "coordinate_frame":
            values[3:6] = [-v for v in values[3:6]]
        if "inv" not in step:
            values = [-v for v in values]
        seven += any(values[3:])
        total = [a + b for a, b in zip(total, values)]
    if seven > 1:
        return None
    return total


def spelled(values):
    values = values if any(values[3:]) else values[:3]
    return "towgs84=" + ",".join(f"{v:.12g}" for v in values)


def candidates(crs, proj):
    """PROJ strings to try (best guess first), or a reason to refuse; PROJ's operations if they decide."""
    keys = dict(w.split("=", 1) if "=" in w else (w, "") for w in words(proj))
    if "axis" in keys:
        return None, AXES, None
    if crs.is_geographic and abs(crs.axis_info[0].unit_conversion_factor - 0.017453292519943295) > 1e-15:
        return None, ANGLE, None
    if keys.get("proj") == "eqc" and "R" not in keys:
        return None, VERSIONS, None
    base = [w for w in words(proj) if w.split("=")[0] not in DATUM_KEYS]
    base = [w for w in base if w not in ("units=m", "lon_0=0", "lat_0=0", "x_0=0", "y_0=0", "k=1", "k_0=1")
            or (w == "lat_0=0" and keys["proj"] not in ("tmerc", "laea", "longlat", "aea", "lcc", "merc"))]
    ellipsoid = crs.ellipsoid
    modern = abs(ellipsoid.semi_major_metre - 6378137) < 1e-6 and abs(ellipsoid.inverse_flattening - 298.2572) < 1e-3
    if keys.get("datum") == "WGS84":
        return [" ".join(base + ["datum=WGS84"])], "", None
    if "datum" in keys:
        base.append(NAMED[keys["datum"]])
    if keys.get("nadgrids") == "@null":
        return [" ".join(base)], "", None
    shifts = ["towgs84=0,0,0"] if modern else []
    group = TransformerGroup("EPSG:4326", crs, always_xy=True)
    ballpark = bool(group.transformers) and "Ballpark" in group.transformers[0].description
    datum = crs.geodetic_crs.datum.name if crs.geodetic_crs.datum else ""
    if ballpark and not modern:
        if not datum.lower().startswith(("not specified", "unknown", "undefined")) \
                and "uthalic" not in datum and "Hughes" not in datum:
            return None, DATUM, None
        return [" ".join(base)], "", None
    for transformer in group.transformers:
        shift = shift_of(transformer.definition)
        if shift is not None and "Ballpark" not in transformer.description:
            text = spelled(shift)
            if text not in shifts:
                shifts.append(text)
    if not shifts:
        return None, DATUM, None
    return [" ".join(base + [s]) for s in shifts[:8]], "", group


def metres(dlon, dlat, lat):
    dlon = (dlon + 180.0) % 360.0 - 180.0
    return np.hypot(dlon * 111320.0 * np.cos(np.radians(lat)), dlat * 110574.0)


def worst(values):
    values = values[~np.isnan(values)]
    return float(values.max()) if len(values) else 0.0


def main(binary):
    infos = query_crs_info(auth_name="EPSG", pj_types=[PJType.GEOGRAPHIC_2D_CRS, PJType.PROJECTED_CRS],
                           allow_deprecated=False)
    # A code comes once for each of its areas of use.
    codes = sorted({int(info.code) for info in infos})
    rows, jobs, send = [], [], []
    for code in codes:
        crs = CRS.from_epsg(code)
        area = crs.area_of_use
        try:
            proj = crs.to_proj4()
        except pyproj.exceptions.CRSError:
            proj = ""
        row = {"code": code, "name": crs.name, "area": area and area.bounds, "reason": "",
               "error": np.inf, "proj": "", "crs": crs}
        rows.append(row)
        tries, reason, group = candidates(crs, proj) if proj else (None, METHOD, None)
        if tries is None:
            row["reason"] = reason
            continue
        lon, lat = points(row, group)
        try:
            transformer = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
        except pyproj.exceptions.ProjError as error:
            print(row["code"], row["name"], error)
            row["reason"] = METHOD
            continue
        x, y = transformer.transform(lon, lat)
        back = transformer.transform(x, y, direction="INVERSE")
        good = np.isfinite(x) & np.isfinite(y) & np.isfinite(back[0]) & np.isfinite(back[1])
        lon, lat, x, y = lon[good], lat[good], x[good], y[good]
        back = back[0][good], back[1][good]
        if len(x) == 0:
            row["reason"] = METHOD
            continue
        for text in tries:
            jobs.append((row, text, lon, lat, x, y, back))
            send.append(" ".join("+" + w for w in text.split()) + f"\t{len(x)}\n")
            send.extend(f"{a!r} {b!r} {c!r} {d!r}\n" for a, b, c, d in zip(lon.tolist(), lat.tolist(), x.tolist(), y.tolist()))
    answer = subprocess.run([binary], input="".join(send), text=True, capture_output=True, check=True).stdout
    lines = iter(answer.splitlines())
    with open(os.path.join(tempfile.gettempdir(), "epsg_report.tsv"), "w", encoding="utf-8") as report:
        for row, text, lon, lat, x, y, back in jobs:
            head = next(lines)
            if head != "ok":
                report.write(f"{row['code']}\t{head}\t{text}\n")
                continue
            ours = np.array([[float(v) for v in next(lines).split()] for _ in range(len(x))])
            ours[np.isnan(ours)] = np.inf
            if row["crs"].is_geographic:
                forward = metres(ours[:, 0] - x, ours[:, 1] - y, lat)
            else:
                unit = row["crs"].axis_info[0].unit_conversion_factor
                forward = np.hypot(ours[:, 0] - x, ours[:, 1] - y) * unit
            inverse = metres(ours[:, 2] - back[0], ours[:, 3] - back[1], lat)
            # A point that has no image here is an error without bound.
            forward[~np.isfinite(ours[:, 0])] = np.inf
            inverse[~np.isfinite(ours[:, 2])] = np.inf
            error = max(worst(forward), worst(inverse))
            report.write(f"{row['code']}\t{worst(forward):.3g}\t{worst(inverse):.3g}\t{text}\n")
            if error < row["error"] * 0.999 - 1e-7:
                row["error"], row["proj"] = error, text
    write_table(rows)
    write_texts([r for r in rows if accepted(r)])


def accepted(row):
    return not row["reason"] and row["error"] <= LIMIT


def write_table(rows):
    counts = {}
    out = []
    for row in rows:
        area = ",".join(str(round(v * 100)) for v in row["area"]) if row["area"] else ""
        if accepted(row):
            status, proj = "", row["proj"]
        elif row["reason"]:
            status, proj = row["reason"], ""
        elif np.isfinite(row["error"]):
            status, proj = f"{row['error']:.2g}" if row["error"] < 1 else f"{row['error']:.0f}", ""
        else:
            status, proj = METHOD, ""
        key = "accepted" if not status else status if status.isalpha() else "inaccurate"
        counts[key] = counts.get(key, 0) + 1
        out.append(f"{row['code']}\t{status}\t{area}\t{row['name']}\t{proj}\n")
    with open(TABLE, "w", encoding="utf-8") as file:
        file.write("".join(out))
    print(f"PROJ {pyproj.proj_version_str}, EPSG {pyproj.database.get_database_metadata('EPSG.VERSION')}")
    print(counts, os.path.getsize(TABLE), "bytes")


def bare(value):
    """PROJJSON without what is text for people: scopes and areas."""
    if isinstance(value, dict):
        dropped = ("$schema", "scope", "area", "bbox", "usages", "remarks")
        return {k: bare(v) for k, v in value.items() if k not in dropped}
    if isinstance(value, list):
        return [bare(v) for v in value]
    return value


def wkt(row):
    """WKT1 as GDAL writes it, if readers find the EPSG code in it; else WKT2:2019."""
    try:
        text = row["crs"].to_wkt(WktVersion.WKT1_GDAL)
    except pyproj.exceptions.CRSError:
        text = None
    if text and CRS.from_wkt(text).to_epsg() == row["code"]:
        return text
    text = row["crs"].to_wkt(WktVersion.WKT2_2019)
    if CRS.from_wkt(text).to_epsg() != row["code"]:
        print("WKT2 loses the code of", row["code"])
    return text


def write_texts(rows):
    """Two zstd frames of lines `code<tab>text`: WKT, then PROJJSON; the length of the first stands in front."""
    wkts = [wkt(r) for r in rows]
    jsons = []
    for row in rows:
        value = {"$schema": "https://proj.org/schemas/v0.7/projjson.schema.json"} | bare(row["crs"].to_json_dict())
        jsons.append(json.dumps(value, separators=(",", ":"), ensure_ascii=False))
    frames = []
    for texts in (wkts, jsons):
        lines = "".join(f"{r['code']}\t{t}\n" for r, t in zip(rows, texts)).encode()
        frames.append(zstandard.ZstdCompressor(level=19).compress(lines))
        print(len(lines), "bytes of text in", len(frames[-1]))
    print(sum(not t.startswith(("PROJCS", "GEOGCS")) for t in wkts), "texts are WKT2")
    with open(TEXTS, "wb") as file:
        file.write(len(frames[0]).to_bytes(4, "little") + frames[0] + frames[1])


if __name__ == "__main__":
    main(sys.argv[1])
