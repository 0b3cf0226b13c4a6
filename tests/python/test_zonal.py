"""Values of zones and what polygons cut out, beside rasterio's and numpy's, on generated pixels."""

import json

import numpy as np
import pytest
import rasterio.features
import xarray as xr
from pyproj import Transformer
from rasterio.transform import from_origin

import graphs
from binary import run

LEFT, TOP, STEP, SIDE, DATES = 600_000.0, 5_200_000.0, 10.0, 180, 3
TRANSFORM = from_origin(LEFT, TOP, STEP, STEP)


@pytest.fixture(scope="module")
def pixels(tmp_path_factory):
    """A Zarr store and its pixels over t, y, x; 0 is no-data."""
    dice = np.random.default_rng(8)
    values = dice.integers(0, 4000, (DATES, SIDE, SIDE)).astype("u2")
    values[dice.random(values.shape) < 0.1] = 0
    data = xr.DataArray(
        values,
        dims=("time", "y", "x"),
        coords={
            "time": np.arange("2020-01-01", "2020-01-04", dtype="M8[D]").astype("M8[ns]"),
            "y": TOP - STEP * (np.arange(SIDE) + 0.5),
            "x": LEFT + STEP * (np.arange(SIDE) + 0.5),
        },
        name="B04",
    )
    data.attrs["_FillValue"] = np.uint16(0)
    path = tmp_path_factory.mktemp("zonal") / "cube.zarr"
    made = data.to_dataset().rio.write_crs(32632)
    made["B04"].encoding["chunks"] = (1, 64, 64)
    made.to_zarr(path, zarr_format=2)
    return path, np.ma.masked_equal(values, 0)


def polygons(dice, count):
    """Star-shaped polygons in the units of the grid, some over its edge."""
    for _ in range(count):
        corners = dice.integers(3, 12)
        angle = np.sort(dice.random(corners)) * 2 * np.pi
        radius = dice.uniform(30, 400, corners)
        x, y = LEFT + dice.uniform(-100, SIDE * STEP + 100), TOP - dice.uniform(-100, SIDE * STEP + 100)
        ring = np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)
        yield np.concatenate([ring, ring[:1]])


def aggregated(path, features, crs, reducer, tmp_path, **options):
    geometries = {"type": "FeatureCollection", "features": features}
    if crs:
        geometries["crs"] = {"type": "name", "properties": {"name": crs}}
    zones = graphs.node(
        "aggregate_spatial",
        data=graphs.of("load"),
        geometries=geometries,
        reducer=graphs.reducer(reducer),
        **options,
    )
    graph = graphs.graph(load=graphs.load("cube"), zones=zones, save=graphs.save("zones", "JSON"))
    output = tmp_path / "zones.json"
    run(graph, f"cube={path}", output=output)
    result = json.loads(output.read_text())
    values = np.array(result["values"], dtype="f8")
    return values.reshape([n for d, n in zip(result["dims"], result["shape"]) if d != "bands"]), result


def feature(number, ring, kind="Polygon"):
    return {"type": "Feature", "id": f"zone {number}", "properties": {}, "geometry": {"type": kind, "coordinates": ring}}


@pytest.mark.parametrize("reducer", ["mean", "median", "max", "count"])
@pytest.mark.parametrize("degrees", [False, True])
def test_polygons(pixels, tmp_path, reducer, degrees):
    path, values = pixels
    rings = list(polygons(np.random.default_rng(3), 60))
    shapes = rings
    if degrees:
        to = Transformer.from_crs(32632, 4326, always_xy=True)
        rings = [np.stack(to.transform(*ring.T), axis=1) for ring in rings]
        # What the other system has for these positions.
        back = Transformer.from_crs(4326, 32632, always_xy=True)
        shapes = [np.stack(back.transform(*ring.T), axis=1) for ring in rings]
    features = [feature(i, [ring.tolist()]) for i, ring in enumerate(rings)]
    found, result = aggregated(path, features, None if degrees else "EPSG:32632", reducer, tmp_path)
    assert found.shape == (DATES, len(rings)) and "geometry" in result["dims"]
    assert result["dimensions"]["geometry"] == [f"zone {i}" for i in range(len(rings))]
    functions = {"mean": np.ma.mean, "median": np.ma.median, "max": np.ma.max, "count": np.ma.count}
    for i, shape in enumerate(shapes):
        polygon = {"type": "Polygon", "coordinates": [shape.tolist()]}
        inside = rasterio.features.rasterize([polygon], (SIDE, SIDE), transform=TRANSFORM).astype(bool)
        for t in range(DATES):
            expected = functions[reducer](values[t][inside]) if inside.any() else np.nan
            np.testing.assert_allclose(found[t, i], np.ma.filled(expected, np.nan), rtol=1e-12, err_msg=f"zone {i}")


def test_counts_and_points(pixels, tmp_path):
    path, values = pixels
    inside = [[LEFT + 123.0, TOP - 456.0], [LEFT + 5.0, TOP - 5.0], [LEFT - 50.0, TOP]]
    features = [feature(i, point, "Point") for i, point in enumerate(inside)]
    found, _ = aggregated(path, features, "EPSG:32632", "max", tmp_path, target_dimension="statistics")
    for t in range(DATES):
        for i, (row, col) in enumerate([(45, 12), (0, 0)]):
            pixel = values[t, row, col]
            expected = [np.nan if pixel is np.ma.masked else float(pixel), 1, float(pixel is not np.ma.masked)]
            np.testing.assert_array_equal(found[t, i], expected)
        np.testing.assert_array_equal(found[t, 2], [np.nan, 0, 0])


@pytest.fixture(scope="module")
def fields():
    """A collection of polygons in metres, and the pixels that any of them has."""
    rings = list(polygons(np.random.default_rng(11), 5))
    shapes = [{"type": "Polygon", "coordinates": [ring.tolist()]} for ring in rings]
    inside = rasterio.features.rasterize(shapes, (SIDE, SIDE), transform=TRANSFORM).astype(bool)
    features = [feature(i, [ring.tolist()]) for i, ring in enumerate(rings)]
    crs = {"type": "name", "properties": {"name": "EPSG:32632"}}
    return {"type": "FeatureCollection", "features": features, "crs": crs}, np.concatenate(rings), inside


def cut(path, tmp_path, **nodes):
    """The pixels of the last node over t, y, x with their coordinates."""
    last = list(nodes)[-1]
    output = tmp_path / "cut.nc"
    run(graphs.graph(**nodes, save=graphs.save(last, "netCDF")), f"cube={path}", output=output)
    with xr.open_dataset(output, mask_and_scale=False) as data:
        found = data["B04"].load()
    return np.ma.masked_equal(found.values, found.attrs.get("_FillValue", 0)), found


def test_polygons_limit_what_is_loaded(pixels, fields, tmp_path):
    path, values = pixels
    collection, corners, inside = fields
    x, y = LEFT + STEP * (np.arange(SIDE) + 0.5), TOP - STEP * (np.arange(SIDE) + 0.5)
    columns = (x >= corners[:, 0].min()) & (x <= corners[:, 0].max())
    rows = (y >= corners[:, 1].min()) & (y <= corners[:, 1].max())
    expected = np.ma.masked_where(np.broadcast_to(~inside, values.shape), values)[:, rows][:, :, columns]
    later = graphs.node("filter_temporal", data=graphs.of("load"), extent=["2020-01-02", None])
    filtered = graphs.node("filter_spatial", data=graphs.of("load"), geometries=collection)
    for nodes, kept in [
        ({"load": graphs.load("cube", spatial_extent=collection)}, expected),
        ({"load": graphs.load("cube", spatial_extent=collection), "later": later}, expected[1:]),
        ({"load": graphs.load("cube"), "filtered": filtered}, expected),
    ]:
        found, labels = cut(path, tmp_path, **nodes)
        np.testing.assert_array_equal(found.filled(0), kept.filled(0))
        np.testing.assert_array_equal(labels["x"], x[columns])
        np.testing.assert_array_equal(labels["y"], y[rows])


@pytest.mark.parametrize("where_inside", [False, True])
def test_masks_of_polygons(pixels, fields, tmp_path, where_inside):
    path, values = pixels
    collection, _, inside = fields
    gone = np.broadcast_to(inside if where_inside else ~inside, values.shape)
    for replacement in [None, 4321]:
        masked = graphs.node(
            "mask_polygon", data=graphs.of("load"), mask=collection, inside=where_inside, replacement=replacement
        )
        found, _ = cut(path, tmp_path, load=graphs.load("cube"), masked=masked)
        expected = values.filled(0)
        expected[gone & ~values.mask] = replacement or 0
        np.testing.assert_array_equal(found.filled(0), expected)


def test_a_vector_cube_limits_what_is_loaded(pixels, fields, tmp_path):
    path, values = pixels
    collection, _, inside = fields
    nodes = {
        "all": graphs.load("cube"),
        "zones": graphs.node(
            "aggregate_spatial", data=graphs.of("all"), geometries=collection, reducer=graphs.reducer("mean")
        ),
        "load": graphs.load("cube", spatial_extent=graphs.of("zones")),
    }
    found, _ = cut(path, tmp_path, **nodes)
    assert found.count() == np.ma.masked_where(np.broadcast_to(~inside, values.shape), values).count()
