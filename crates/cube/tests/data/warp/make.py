"""Writes cases.txt: what GDAL makes of small grids, through rasterio (1.4.4 with GDAL 3.10.3).

    pip install rasterio==1.4.4 && python make.py

Grids are `epsg left top dx dy width height`. Source pixels follow the formula in `source`, so they are not stored.
`gap` says whether some of them are no-data. The transformation is exact (tolerance 0). XSCALE and YSCALE fix the
factor by which GDAL widens kernels; left alone it depends on how GDAL cuts up the work.
"""

import numpy as np
import rasterio
from rasterio.transform import Affine
from rasterio.warp import Resampling, reproject

METHODS = {
    "near": "nearest", "bilinear": "bilinear", "cubic": "cubic", "cubicspline": "cubic_spline",
    "lanczos": "lanczos", "average": "average", "mode": "mode", "max": "max", "min": "min", "med": "med",
    "q1": "q1", "q3": "q3", "sum": "sum", "rms": "rms",
}
NODATA = -1.0
UTM = (32633, 500000.0, 5300200.0, 10.0, -10.0, 20, 20)
UTM_SOUTH_UP = (32633, 500000.0, 5300000.0, 10.0, 10.0, 20, 20)
EAST = (32633, 650000.0, 5300200.0, 10.0, -10.0, 20, 20)
MERCATOR = (3857, 1669800.0, 6071000.0, 10.0, -10.0, 24, 24)
# name, source, target (without left and top: the middle of the source), source pixels per target pixel (rows, columns)
CASES = [
    ("up 2", UTM, (32633, 500040.0, 5300160.0, 5.0, -5.0, 5, 4), 1, 1),
    ("down 2", UTM, (32633, 500040.0, 5300140.0, 20.0, -20.0, 5, 4), 2, 2),
    ("down 2.5", UTM, (32633, 500075.0, 5300125.0, 25.0, -25.0, 3, 3), 2.5, 2.5),
    ("down 3, beyond the edges", UTM, (32633, 499975.0, 5300215.0, 30.0, -30.0, 5, 5), 3, 3),
    ("shifted", UTM, (32633, 500033.0, 5300147.5, 10.0, -10.0, 5, 4), 1, 1),
    ("shifted, beyond the edges", UTM, (32633, 499973.0, 5300217.5, 10.0, -10.0, 5, 4), 1, 1),
    ("from south-up", UTM_SOUTH_UP, (32633, 500042.7, 5300156.7, 8.0, -8.0, 5, 4), 1, 1),
    ("to south-up", UTM, (32633, 500042.7, 5300056.7, 8.0, 8.0, 5, 4), 1, 1),
    ("UTM to degrees", EAST, (4326, 0.0001, -0.00008, 5, 4), 1, 1),
    ("UTM to degrees, down 3", EAST, (4326, 0.0004, -0.00027, 3, 3), 3, 3),
    ("Mercator to UTM", MERCATOR, (32633, 7.0, -7.0, 4, 4), 1, 1),
]


def source(width, height, gap):
    r, c = np.mgrid[0:height, 0:width]
    values = ((r * r * 7 + c * 31 + r * c * 5) % 97).astype("float64")
    if gap:
        values[(r * 13 + c * 7) % 19 == 0] = NODATA
    return values


def affine(grid):
    _, left, top, dx, dy, _, _ = grid
    return Affine(dx, 0, left, 0, dy, top)


def around_centre(grid, epsg, dx, dy, width, height):
    """The middle of `grid` in another system, at round coordinates."""
    xs, ys = rasterio.warp.transform(
        f"EPSG:{grid[0]}", f"EPSG:{epsg}",
        [grid[1] + grid[3] * grid[5] / 2], [grid[2] + grid[4] * grid[6] / 2],
    )
    digits = 5 if epsg == 4326 else 0
    left, top = xs[0] - dx * width / 2, ys[0] - dy * height / 2
    return (epsg, round(left, digits), round(top, digits), dx, dy, width, height)


def main():
    with open("cases.txt", "w") as out:
        for name, src, dst, tall, wide in CASES:
            if len(dst) == 5:
                dst = around_centre(src, *dst)
            for gap in (False, True):
                out.write(f"case {name}{', gaps' if gap else ''}\n")
                for key, grid in (("from", src), ("to", dst)):
                    out.write(f"{key} {' '.join(str(v) for v in grid)}\n")
                out.write(f"gap {str(gap).lower()}\n")
                for method, gdal in METHODS.items():
                    values = np.full((dst[6], dst[5]), NODATA)
                    reproject(
                        source(src[5], src[6], gap), values,
                        src_transform=affine(src), dst_transform=affine(dst),
                        src_crs=f"EPSG:{src[0]}", dst_crs=f"EPSG:{dst[0]}",
                        src_nodata=NODATA if gap else None, dst_nodata=NODATA,
                        resampling=Resampling[gdal], tolerance=0, init_dest_nodata=True,
                        XSCALE=1 / wide, YSCALE=1 / tall,
                    )
                    cells = ("-" if v == NODATA else f"{v:.7g}" for v in values.ravel())
                    out.write(f"{method} {' '.join(cells)}\n")


main()
