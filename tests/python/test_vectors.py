"""Vector cubes as GeoJSON and GeoParquet, read by geopandas and pyarrow."""

import json

import geopandas
import numpy as np
import pyarrow.parquet
import pyproj
import pytest
import shapely
import xarray as xr

import graphs
from binary import eolith, run

LEFT, TOP, STEP, SIDE = 600_000.0, 5_200_000.0, 10.0, 20
DATES = ["2020-01-01", "2020-01-02"]


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """Two dates of one band, row by row 0, 1, 2, … and 1000 more on the second; 5 is no-data."""
    values = np.arange(SIDE * SIDE).reshape(1, SIDE, SIDE) + np.array([0, 1000]).reshape(2, 1, 1)
    data = xr.DataArray(
        values.astype("i2"),
        dims=("time", "y", "x"),
        coords={
            "time": np.array(DATES, dtype="M8[ns]"),
            "y": TOP - STEP * (np.arange(SIDE) + 0.5),
            "x": LEFT + STEP * (np.arange(SIDE) + 0.5),
        },
        name="B04",
    )
    data.attrs["_FillValue"] = np.int16(5)
    path = tmp_path_factory.mktemp("vectors") / "cube.zarr"
    data.to_dataset().rio.write_crs(32632).to_zarr(path, zarr_format=2)
    return path, values


def square(column, row, width, height):
    west, north = LEFT + STEP * column, TOP - STEP * row
    return shapely.box(west, north - STEP * height, west + STEP * width, north)


ZONES = {
    "a": (square(0, 0, 4, 3), {"crop": "rye", "area": 12, "share": 0.5, "tags": [1, 2], "B04": True}),
    "b": (shapely.MultiPolygon([square(5, 0, 1, 1), square(9, 9, 2, 2)]), {"crop": None, "area": 5, "share": 2}),
    "far": (square(500, 0, 2, 2), {"crop": "oat", "area": 0, "share": 1, "B04": False}),
    "none": (None, {}),
}


def zones(crs=32632, ids=True):
    """The collection in metres, or in degrees."""
    to = pyproj.Transformer.from_crs(32632, crs, always_xy=True).transform
    features = []
    for name, (geometry, properties) in ZONES.items():
        moved = geometry and shapely.transform(geometry, to, interleaved=False)
        shape = moved and json.loads(shapely.to_geojson(moved))
        feature = {"type": "Feature", "geometry": shape, "properties": properties}
        features.append({**feature, "id": name} if ids else feature)
    collection = {"type": "FeatureCollection", "features": features}
    if crs != 4326:
        collection["crs"] = {"type": "name", "properties": {"name": f"EPSG:{crs}"}}
    return collection


def written(cube, tmp_path, format, geometries, reducer="max", **options):
    aggregated = graphs.node(
        "aggregate_spatial",
        data=graphs.of("load"),
        geometries=geometries,
        reducer=graphs.reducer(reducer),
        **options,
    )
    output = tmp_path / f"zones.{format.lower()}"
    graph = graphs.graph(load=graphs.load("cube"), zones=aggregated, save=graphs.save("zones", format))
    run(graph, f"cube={cube[0]}", output=output)
    return output


def expected(values, date):
    """The largest pixel of each zone, by the slices that the squares are."""
    plane = values[date]
    return [plane[0:3, 0:4].max(), max(plane[9:11, 9:11].max(), plane[0, 5]), np.nan, np.nan]


@pytest.mark.parametrize("format", ["Parquet", "GeoParquet"])
def test_geoparquet(cube, tmp_path, format):
    path = written(cube, tmp_path, format, zones())
    table = geopandas.read_parquet(path)
    names = ["2020-01-01T00:00:00Z~B04", "2020-01-02T00:00:00Z~B04"]
    assert list(table.columns) == ["id", "crop", "area", "share", "tags", "B04", *names, "geometry"]
    assert list(table["id"]) == list(ZONES)
    for date, name in enumerate(names):
        np.testing.assert_array_equal(table[name].astype("f8"), expected(cube[1], date))
    assert [value if isinstance(value, str) else None for value in table["crop"]] == ["rye", None, "oat", None]
    np.testing.assert_array_equal(table["area"].astype("f8"), [12, 5, 0, np.nan])
    np.testing.assert_array_equal(table["share"].astype("f8"), [0.5, 2, 1, np.nan])
    assert table["tags"][0] == "[1,2]" and list(table["B04"])[0] is True
    assert table.crs == pyproj.CRS.from_epsg(32632)
    for found, (geometry, _) in zip(table.geometry, ZONES.values()):
        assert (found is None) if geometry is None else shapely.equals_exact(found, geometry)
    schema = pyarrow.parquet.read_schema(path)
    assert str(schema.field("area").type) == "int64" and str(schema.field(names[0]).type) == "int16"
    meta = json.loads(pyarrow.parquet.read_metadata(path).metadata[b"geo"])
    assert meta["version"] == "1.1.0" and meta["primary_column"] == "geometry"
    column = meta["columns"]["geometry"]
    assert column["encoding"] == "WKB" and column["geometry_types"] == ["MultiPolygon", "Polygon"]
    assert column["bbox"] == pytest.approx(table.total_bounds)


def test_geoparquet_of_degrees_has_the_default_system(cube, tmp_path):
    path = written(cube, tmp_path, "Parquet", zones(4326, ids=False), "mean")
    table = geopandas.read_parquet(path)
    assert "id" not in table.columns
    assert table.crs == pyproj.CRS("OGC:CRS84")
    assert "crs" not in json.loads(pyarrow.parquet.read_metadata(path).metadata[b"geo"])["columns"]["geometry"]
    assert table["2020-01-01T00:00:00Z~B04"][0] == pytest.approx(cube[1][0, 0:3, 0:4].mean())


def test_counts_are_columns(cube, tmp_path):
    path = written(cube, tmp_path, "Parquet", zones(), target_dimension="stats")
    table = geopandas.read_parquet(path)
    counts = table[[f"2020-01-01T00:00:00Z~B04~{name}" for name in ("total_count", "valid_count")]]
    np.testing.assert_array_equal(counts, [[12, 12], [5, 4], [0, 0], [0, 0]])


def test_geojson(cube, tmp_path):
    path = written(cube, tmp_path, "GeoJSON", zones())
    document = json.loads(path.read_text())
    assert [feature["id"] for feature in document["features"]] == list(ZONES)
    first = document["features"][0]["properties"]
    assert first["tags"] == [1, 2] and first["B04"] is True and first["crop"] == "rye"
    table = geopandas.read_file(path)
    assert table.crs == pyproj.CRS.from_epsg(4326)
    for date, day in enumerate(DATES):
        np.testing.assert_array_equal(table[f"{day}T00:00:00Z~B04"].astype("f8"), expected(cube[1], date))
    back = pyproj.Transformer.from_crs(4326, 32632, always_xy=True).transform
    for found, (geometry, _) in zip(table.geometry, ZONES.values()):
        if geometry is None:
            assert found is None
        else:
            placed = shapely.transform(found, back, interleaved=False)
            assert shapely.equals_exact(placed, geometry, tolerance=1e-3)


@pytest.mark.parametrize("format", ["Parquet", "GeoJSON"])
def test_rasters_are_refused(cube, tmp_path, format):
    graph = graphs.graph(load=graphs.load("cube"), save=graphs.save("load", format))
    refused = eolith("run", "-", f"cube={cube[0]}", "-o", tmp_path / "x", "--json", stdin=json.dumps(graph))
    assert refused.code != 0 and "FormatUnsuitable" in refused.stderr and "no geometries" in refused.stderr


@pytest.mark.parametrize("format", ["Parquet", "GeoJSON"])
def test_bytes_are_the_same_for_any_threads(cube, tmp_path, format):
    texts = set()
    for threads in (1, 3):
        aggregated = graphs.node(
            "aggregate_spatial", data=graphs.of("load"), geometries=zones(), reducer=graphs.reducer("mean")
        )
        graph = graphs.graph(load=graphs.load("cube"), zones=aggregated, save=graphs.save("zones", format))
        output = tmp_path / f"{threads}"
        run(graph, f"cube={cube[0]}", output=output, options=["--threads", str(threads)])
        texts.add(output.read_bytes())
    assert len(texts) == 1
