"""Texts of one system in several notations, written by PROJ, for the parse tests of `eolith_cube::crs`.

Run by hand from the top of the repository (needs pyproj, see epsg_table.py):

    python xtask/epsg/known_forms.py > crates/cube/src/crs/known_forms.tsv

Columns: system as PROJ or EPSG knows it, notation, longitude, latitude (WGS 84), x, y, text.
"""

from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

SYSTEMS = {
    "EPSG:32633": (15.3, 52.0),
    "EPSG:4326": (10.0, 50.0),
    "EPSG:3857": (10.0, 50.0),
    "EPSG:3035": (10.5, 50.0),
    "EPSG:3413": (-40.0, 75.0),
    "EPSG:5070": (-100.0, 40.0),
    "EPSG:6933": (20.0, -33.0),
    "EPSG:2263": (-73.98, 40.75),
    "+proj=sinu +R=6371007.181": (10.0, 50.0),
    "+proj=geos +h=35786023 +lon_0=-75 +sweep=x +ellps=GRS80": (-95.0, 30.0),
    "+proj=geos +h=35785831 +lon_0=0 +ellps=WGS84": (5.0, 30.0),
    "+proj=longlat +ellps=bessel +towgs84=598.1,73.7,418.2,0.202,0.045,-2.455,6.7": (10.0, 50.0),
    "+proj=tmerc +lon_0=12 +k=1 +x_0=4500000 +ellps=bessel +towgs84=598.1,73.7,418.2": (12.5, 52.0),
    "+proj=laea +lat_0=10 +lon_0=20 +datum=WGS84": (22.0, 5.0),
    "+proj=aea +lat_1=20 +lat_2=-23 +lat_0=0 +lon_0=25 +datum=WGS84": (30.0, -10.0),
    "+proj=lcc +lat_1=48 +lat_2=52 +lat_0=50 +lon_0=10 +x_0=1000 +datum=WGS84 +units=km": (12.0, 49.0),
    "+proj=lcc +lat_1=48 +lat_0=48 +k_0=0.9998 +lon_0=10 +ellps=GRS80": (12.0, 49.0),
    "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=10 +R=6371229": (12.0, 70.0),
    "+proj=stere +lat_0=-90 +k=0.97 +lon_0=10 +datum=WGS84": (12.0, -70.0),
    "+proj=aeqd +lat_0=53 +lon_0=24 +x_0=5837287.81977 +y_0=2121415.69617 +datum=WGS84": (16.37, 48.21),
    "+proj=merc +lat_ts=20 +lon_0=5 +datum=WGS84": (12.0, -30.0),
    "+proj=merc +k=0.9 +lon_0=5 +datum=WGS84": (12.0, -30.0),
    "+proj=cea +lat_ts=30 +datum=WGS84": (12.0, -30.0),
    "+proj=eqc +lat_ts=30 +R=6371000": (12.0, -30.0),
    "+proj=utm +zone=33 +south +datum=WGS84": (15.1, -12.0),
}

for system, (lon, lat) in SYSTEMS.items():
    crs = CRS(system)
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    for notation in ("WKT1_GDAL", "WKT1_ESRI", "WKT2_2015", "WKT2_2019", "PROJJSON"):
        try:
            text = crs.to_json() if notation == "PROJJSON" else crs.to_wkt(notation)
        except CRSError:
            continue
        # ESRI's WKT has no word for these: a shift, a sweep.
        if notation == "WKT1_ESRI" and ("towgs84" in system or "geos" in system or "EPSG" in system):
            continue
        print(system, notation, lon, lat, repr(x), repr(y), text, sep="\t")
