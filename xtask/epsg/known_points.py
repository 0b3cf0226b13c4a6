"""Coordinates computed by PROJ, for the tests of `eolith_cube::crs`.

Run by hand from the top of the repository (needs pyproj, see epsg_table.py):

    python xtask/epsg/known_points.py > crates/cube/src/crs/known_points.tsv

Columns: system, longitude, latitude (WGS 84, degrees), x, y, largest difference allowed in metres.
"""

from pyproj import Transformer

SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m"
PLACES = {
    "EPSG:4326": [(10.5, 59.9), (-179.99, -16.5)],
    "EPSG:32601": [(-177.0, 0.0), (-179.5, 65.2)],
    "EPSG:32631": [(3.0, 0.0), (0.1, 83.9), (5.99, 51.3)],
    "EPSG:32633": [(15.0, 52.0), (12.0001, 47.5), (19.5, 69.0)],
    "EPSG:32660": [(177.0, 10.0), (179.99, 45.0)],
    "EPSG:32705": [(-153.0, -17.5)],
    "EPSG:32755": [(147.3, -42.9), (144.01, -10.0)],
    "EPSG:3857": [(0.0, 0.0), (16.37, 48.21), (-179.9, -84.9)],
    "EPSG:3035": [(10.0, 52.0), (-8.9, 38.7), (31.2, 69.9)],
    "EPSG:25832": [(9.0, 48.0), (6.2, 54.9)],
    "EPSG:2056": [(7.43958333, 46.95240556), (9.84, 46.5), (6.1, 46.2)],
    "EPSG:3413": [(-45.0, 70.0), (135.0, 89.99), (12.3, 78.9)],
    "EPSG:3031": [(0.0, -71.0), (166.67, -77.85), (-58.9, -62.2)],
    "EPSG:6933": [(0.0, 0.0), (120.5, -33.3), (-75.0, 80.1)],
    "EPSG:5070": [(-96.0, 23.0), (-122.4, 37.8), (-71.06, 42.36)],
    "EPSG:2154": [(3.0, 46.5), (-4.49, 48.39), (7.75, 48.58)],
    "EPSG:3006": [(15.0, 60.0), (18.07, 59.33), (20.22, 67.86)],
    "EPSG:28992": [(5.38763889, 52.15616056), (4.9, 52.37)],
    "EPSG:3577": [(134.0, -25.0)],
    "EPSG:2193": [(174.78, -41.29)],
    "EPSG:3395": [(12.5, 41.9)],
    "EPSG:3410": [(45.0, 45.0)],
    "EPSG:3411": [(-45.0, 75.0)],
    "EPSG:2263": [(-73.98, 40.75)],
    "EPSG:27704": [(16.37, 48.21), (-9.0, 38.7)],
    "EPSG:8857": [(120.0, 30.0)],
    SINUSOIDAL: [(10.0, 50.0), (-120.3, 33.4), (147.0, -42.0)],
    "+proj=geos +h=35785831 +lon_0=0 +sweep=y +ellps=WGS84": [(10.0, 50.0), (-20.0, -33.0)],
    "+proj=geos +h=35786023 +lon_0=-75 +sweep=x +ellps=GRS80": [(-95.0, 30.0)],
    "+proj=laea +lat_0=-90 +lon_0=0 +ellps=WGS84": [(30.0, -75.0)],
    "+proj=moll +ellps=WGS84": [(30.0, -45.0)],
    "+proj=robin +ellps=WGS84": [(30.0, -45.0)],
    "+proj=eqc +R=6371007.181": [(30.0, -45.0)],
    "+proj=utm +zone=33 +south +ellps=intl +towgs84=-87,-98,-121": [(15.5, -12.0)],
    "+proj=longlat +ellps=bessel +towgs84=598.1,73.7,418.2,0.202,0.045,-2.455,6.7": [(10.0, 50.0)],
}

for system, points in PLACES.items():
    transformer = Transformer.from_crs("EPSG:4326", system, always_xy=True)
    for lon, lat in points:
        x, y = transformer.transform(lon, lat)
        print(system, lon, lat, repr(x), repr(y), 0.01 if system == "EPSG:28992" else 0.001, sep="\t")
