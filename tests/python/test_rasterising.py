"""Pixels to polygons and back beside GDAL, on cubes of several tasks; files of a workspace."""

import json

import geopandas
import numpy as np
import pytest
import rasterio
import rasterio.features
import requests
import shapely
import xarray as xr
from shapely.geometry import shape

import graphs
from binary import Server, run

ROWS, COLUMNS = 310, 270
LEFT, TOP, STEP = 600_000.0, 5_200_000.0, 10.0
TRANSFORM = rasterio.Affine(STEP, 0, LEFT, 0, -STEP, TOP)
DATES = ["2020-01-01", "2020-01-02"]


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """Classes 1 to 4 on two dates, in clumps; 0 is no-data."""
    import rioxarray  # noqa: F401

    random = np.random.default_rng(3)
    coarse = random.integers(0, 5, (2, ROWS // 2 + 1, COLUMNS // 2 + 1), dtype="i2")
    classes = coarse.repeat(2, 1).repeat(2, 2)[:, :ROWS, :COLUMNS].copy()
    noisy = random.random(classes.shape) < 0.2
    classes[noisy] = random.integers(0, 5, noisy.sum())
    places = {"y": TOP - STEP * (np.arange(ROWS) + 0.5), "x": LEFT + STEP * (np.arange(COLUMNS) + 0.5)}
    attributes = {"_FillValue": np.int16(0)}
    data = xr.Dataset({"class": (("t", "y", "x"), classes, attributes)}, {"t": np.array(DATES, "M8[ns]"), **places})
    path = tmp_path_factory.mktemp("rasterising") / "cube.zarr"
    data.rio.write_crs(32632).to_zarr(path, zarr_format=3, encoding={"class": {"chunks": (1, 100, 100)}})
    return path, classes


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Zones that overlap, with numbers and a text."""
    random = np.random.default_rng(4)
    corners = random.uniform([LEFT, TOP - STEP * ROWS], [LEFT + STEP * COLUMNS, TOP], (40, 5, 2))
    zones = geopandas.GeoDataFrame(
        {"n": np.arange(40), "share": random.random(40), "crop": ["rye"] * 40},
        geometry=[shapely.convex_hull(shapely.MultiPoint(own)) for own in corners],
        crs=32632,
    )
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "files").mkdir()
    zones.to_parquet(folder / "files/zones.parquet")
    zones.to_file(folder / "files/zones.fgb", driver="FlatGeobuf", SPATIAL_INDEX="NO")
    (folder / "secret.geojson").write_text(json.dumps({"type": "Point", "coordinates": [1, 2]}))
    return folder, zones


def polygons(date=0):
    """The polygons of one date."""
    interval = [DATES[date], "2020-01-02" if date == 0 else None]
    return {
        "load": graphs.load("cube", temporal_extent=interval),
        "made": graphs.node("raster_to_vector", data=graphs.of("load")),
    }


def test_polygons_are_those_of_gdal(cube, tmp_path):
    path, classes = cube
    for date in range(2):
        output = tmp_path / f"{date}.parquet"
        graph = graphs.graph(**polygons(date), save=graphs.save("made", "Parquet"))
        run(graph, f"cube={path}", output=output)
        found = geopandas.read_parquet(output)
        assert found.crs.to_epsg() == 32632 and found.is_valid.all()
        assert {str(t)[:10] for t in found["t"]} == {DATES[date]}
        pixels = classes[date]
        expected = [(shape(own), value) for own, value in rasterio.features.shapes(pixels, pixels > 0, 4, TRANSFORM)]
        expected = {(int(value), shapely.normalize(shapely.make_valid(own, method="structure").simplify(0)).wkb) for own, value in expected}
        own = {(int(value), shapely.normalize(own).wkb) for own, value in zip(found.geometry, found["value"])}
        assert len(found) == len(own) and own == expected


def test_pixels_come_back(cube, tmp_path):
    """Drawing the polygons of a cube on its grid gives the cube."""
    path, classes = cube
    output = tmp_path / "back.nc"
    nodes = polygons()
    nodes["back"] = graphs.node("vector_to_raster", data=graphs.of("made"), target=graphs.of("load"))
    run(graphs.graph(**nodes, save=graphs.save("back", "netCDF")), f"cube={path}", output=output)
    with xr.open_dataset(output) as data:
        [name] = [name for name in data.data_vars if data[name].ndim == 2]
        np.testing.assert_array_equal(np.nan_to_num(data[name].values), classes[0])


def test_the_same_for_any_memory_and_threads(cube, workspace):
    nodes = polygons()
    nodes["zones"] = graphs.node("load_uploaded_files", paths=["zones.parquet"], format="Parquet")
    nodes["drawn"] = graphs.node("vector_to_raster", data=graphs.of("zones"), target=graphs.of("load"))
    for made in ("made", "drawn"):
        told = set()
        for options in (["--threads", "1", "--memory", "200M"], ["--threads", "3"]):
            graph = graphs.graph(**nodes, save=graphs.save(made, "GeoJSON" if made == "made" else "netCDF"))
            done = run(graph, f"cube={cube[0]}", "--workspace", workspace[0], options=options)
            told.add(done.figures["checksum"])
        assert len(told) == 1


@pytest.mark.parametrize("format", ["Parquet", "FlatGeobuf"])
def test_properties_are_drawn_as_by_gdal(format, cube, workspace, tmp_path):
    path, _ = cube
    folder, zones = workspace
    file = {"Parquet": "zones.parquet", "FlatGeobuf": "/zones.fgb"}[format]
    graph = graphs.graph(
        load=graphs.load("cube"),
        zones=graphs.node("load_uploaded_files", paths=[file], format=format),
        drawn=graphs.node("vector_to_raster", data=graphs.of("zones"), target=graphs.of("load")),
        save=graphs.save("drawn", "netCDF"),
    )
    output = tmp_path / "drawn.nc"
    run(graph, f"cube={path}", "--workspace", folder, output=output)
    with xr.open_dataset(output) as data:
        for name in ("n", "share"):
            pairs = zip(zones.geometry, zones[name])
            expected = rasterio.features.rasterize(pairs, (ROWS, COLUMNS), np.nan, transform=TRANSFORM, dtype="f8")
            np.testing.assert_array_equal(data[name].values, expected)
        assert "crop" not in data


def test_statistics_go_back_to_their_zones(cube, workspace, tmp_path):
    """The mean of each zone on the pixels of the zone."""
    path, classes = cube
    folder, zones = workspace
    mean = graphs.reducer("mean")
    graph = graphs.graph(
        load=graphs.load("cube"),
        zones=graphs.node("load_uploaded_files", paths=["zones.parquet"], format="Parquet"),
        mean=graphs.node("aggregate_spatial", data=graphs.of("load"), geometries=graphs.of("zones"), reducer=mean),
        drawn=graphs.node("vector_to_raster", data=graphs.of("mean"), target=graphs.of("load")),
        save=graphs.save("drawn", "netCDF"),
    )
    output = tmp_path / "drawn.nc"
    run(graph, f"cube={path}", "--workspace", folder, output=output)
    pixels = np.where(classes == 0, np.nan, classes)
    expected = np.full(pixels.shape, np.nan)
    for zone in zones.geometry:
        inside = rasterio.features.geometry_mask([zone], (ROWS, COLUMNS), TRANSFORM, invert=True)
        if inside.any():
            expected[:, inside] = np.nanmean(pixels[:, inside], axis=1)[:, None]
    with xr.open_dataset(output) as data:
        [name] = [name for name in data.data_vars if data[name].ndim == 3]
        np.testing.assert_allclose(data[name].values, expected, rtol=1e-6)


def test_a_server_keeps_to_the_workspace(cube, workspace, tmp_path):
    folder, _ = workspace
    with Server(f"cube={cube[0]}", "--workspace", folder, state=tmp_path / "state") as server:

        def posted(path, format):
            load = graphs.node("load_uploaded_files", paths=[path], format=format)
            process = graphs.graph(load=load, save=graphs.save("load", "GeoJSON"))
            return requests.post(server.url + "result", json={"process": process}, timeout=120)

        assert len(posted("zones.fgb", "FlatGeobuf").json()["features"]) == 40
        for path in ("../secret.geojson", str(folder / "secret.geojson"), "/etc/passwd", "files/zones.fgb", "."):
            refused = posted(path, "GeoJSON")
            assert refused.status_code in (400, 404) and refused.json()["code"] == "FileNotFound", refused.json()
        refused = posted("zones.fgb", "GeoJSON").json()
        assert refused["code"] == "FormatUnsuitable" and "`zones.fgb`" in refused["message"]
        for format in ("GeoJSON", "GTiff", "netCDF", "Zarr"):
            assert str(folder) not in json.dumps(posted("zones.fgb", format).json())
