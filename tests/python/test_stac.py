"""`load_stac` and collections of a STAC API: paging, conditions, faults, and what requests may read."""

import json
import time
from pathlib import Path

import numpy as np
import openeo
import pytest
import rasterio
import rasterio.features
import xarray as xr

import cubes
import graphs
from binary import REAL, Server, eolith, run
from stac_api import Api

CLOUDS = [10, 40, 75, 20]


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The generated cube, whose items have clouds and a platform."""
    made = cubes.generated(tmp_path_factory.mktemp("stac"))
    for version in ("1.0", "1.1"):
        folder = Path(made.paths[f"cog-stac-{version}"]).parent
        for i, cloud in enumerate(CLOUDS):
            path = folder / f"scene_{i}.json"
            item = json.loads(path.read_text())
            item["properties"].update({"eo:cloud_cover": cloud, "platform": "sentinel-2a" if i % 2 else "Sentinel-2B"})
            path.write_text(json.dumps(item))
    return made


@pytest.fixture
def collection(cube):
    return cube.paths["cog-stac-1.0"]


def condition(process_id, **arguments):
    return graphs.graph(only=graphs.node(process_id, result=True, **arguments))


VALUE = graphs.parameter("value")


def both(a, b, how="and"):
    return graphs.graph(
        a=graphs.node(a[0], **a[1]), b=graphs.node(b[0], **b[1]),
        both=graphs.node(how, result=True, x=graphs.of("a"), y=graphs.of("b")),
    )


CONDITIONS = {
    "lte": ({"eo:cloud_cover": condition("lte", x=VALUE, y=20)}, [0, 3]),
    "between": ({"eo:cloud_cover": condition("between", x=VALUE, min=20, max=75)}, [1, 2, 3]),
    "exclusive": ({"eo:cloud_cover": condition("between", x=VALUE, min=20, max=75, exclude_max=True)}, [1, 3]),
    "swapped": ({"eo:cloud_cover": condition("gt", x=40, y=VALUE)}, [0, 3]),
    "eq": ({"platform": condition("eq", x=VALUE, y="sentinel-2a")}, [1, 3]),
    "case": ({"platform": condition("eq", x=VALUE, y="SENTINEL-2B", case_sensitive=False)}, [0, 2]),
    "neq": ({"platform": condition("neq", x=VALUE, y="sentinel-2a")}, [0, 2]),
    "in": ({"eo:cloud_cover": condition("array_contains", data=[10, 75, 99], value=VALUE)}, [0, 2]),
    "begins": ({"platform": condition("text_begins", data=VALUE, pattern="Sent")}, [0, 2]),
    "ends": ({"platform": condition("text_ends", data=VALUE, pattern="2a")}, [1, 3]),
    "two": ({"platform": condition("eq", x=VALUE, y="sentinel-2a"), "eo:cloud_cover": condition("lt", x=VALUE, y=30)}, [3]),
    "or": ({"eo:cloud_cover": both(("lt", {"x": VALUE, "y": 15}), ("gt", {"x": VALUE, "y": 50}), "or")}, [0, 2]),
    "and": ({"eo:cloud_cover": both(("gt", {"x": VALUE, "y": 15}), ("neq", {"x": VALUE, "y": 40}))}, [2, 3]),
    "not": ({"eo:cloud_cover": graphs.graph(
        a=graphs.node("lt", x=VALUE, y=30), b=graphs.node("not", result=True, x=graphs.of("a")))}, [1, 2]),
}


def load_stac(url, **arguments):
    return graphs.graph(load=graphs.node("load_stac", url=str(url), **arguments), save=graphs.save("load", "netCDF"))


def check(output, cube, indices):
    """The file has these dates of the cube, pixel for pixel."""
    with xr.open_dataset(output, decode_cf=False) as file:
        for band, pixels in cube.bands.items():
            assert np.array_equal(file[band].values, pixels.data[indices]), band
    with xr.open_dataset(output) as file:
        times = file.t.values.astype("datetime64[s]").tolist()
        assert times == [np.datetime64(cube.dates[i].rstrip("Z"), "s").item() for i in indices]


@pytest.mark.parametrize("name", CONDITIONS)
def test_conditions_choose_items(cube, collection, name, tmp_path):
    properties, indices = CONDITIONS[name]
    output = tmp_path / "out.nc"
    run(graphs.whole("cube", properties=properties), f"cube={collection}", output=output)
    check(output, cube, indices)
    with Api(collection) as api:
        run(load_stac(f"{api.url}/collections/scenes", properties=properties), output=output)
        check(output, cube, indices)
        sent = ["filter" in search for search in api.searches() if isinstance(search, dict) and search.get("limit") == 250]
        # What CQL2 cannot say the same way is not sent.
        assert any(sent) == (name not in ("case", "neq", "not"))


@pytest.mark.parametrize("options", [{}, {"post": False}, {"merge": False}, {"filter": False}, {"refuse_filter": True}])
def test_pages_are_followed(cube, collection, options, tmp_path):
    output = tmp_path / "out.nc"
    properties = {"eo:cloud_cover": condition("lte", x=VALUE, y=40)}
    with Api(collection, page=1, **options) as api:
        run(load_stac(f"{api.url}/collections/scenes", properties=properties), output=output)
        check(output, cube, [0, 1, 3])


def test_a_service_is_a_collection_and_is_asked_for_what_is_needed(cube, collection, tmp_path):
    output = tmp_path / "out.nc"
    with Api(collection) as api:
        listed = eolith("collections", api.url)
        assert listed.stdout.split()[0] == "scenes", listed.stdout + listed.stderr
        api.searches()
        graph = graphs.graph(
            load=graphs.load("scenes"),
            time=graphs.node("filter_temporal", data=graphs.of("load"), extent=["2021-05-01", "2021-09-01"]),
            box=graphs.node("filter_bbox", data=graphs.of("time"), extent={"west": 14, "south": 45, "east": 16, "north": 46}),
            save=graphs.save("box", "netCDF"),
        )
        run(graph, api.url, output=output)
        check(output, cube, [1, 2])
        asked = [search for search in api.searches() if search.get("limit") == 250]
        # The load alone would ask for everything; only the narrowed one is asked, once.
        assert len(asked) == 1, asked
        assert asked[0]["datetime"] == "2021-05-01T00:00:00Z/2021-09-01T00:00:00Z"
        assert asked[0]["bbox"] == [14, 45, 16, 46] and asked[0]["collections"] == ["scenes"]


def test_a_service_that_stumbles_and_one_that_turns_in_circles(cube, collection, tmp_path):
    output = tmp_path / "out.nc"
    with Api(collection) as api:
        api.failures = 2
        run(load_stac(f"{api.url}/collections/scenes"), output=output)
        check(output, cube, [0, 1, 2, 3])
    with Api(collection, circle=True) as api:
        begun = time.monotonic()
        failed = eolith("run", "-", "--discard", stdin=json.dumps(load_stac(f"{api.url}/collections/scenes")))
        assert failed.code == 1 and "circle" in failed.stderr and time.monotonic() - begun < 30


def test_antimeridian_boxes_are_two_questions(collection):
    box = {"west": 179, "south": 40, "east": -179, "north": 50}
    with Api(collection) as api:
        failed = eolith(
            "run", "-", "--discard", stdin=json.dumps(load_stac(f"{api.url}/collections/scenes", spatial_extent=box))
        )
        assert failed.code == 1 and "NoDataAvailable" in failed.stderr, failed.stderr
        boxes = [search["bbox"] for search in api.searches() if "bbox" in search]
        assert boxes == [[179, 40, 180, 50], [-180, 40, -179, 50]]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("kind", ["collection", "item", "catalog"])
def test_static_documents_are_loaded(cube, version, kind, tmp_path):
    path = Path(cube.paths[f"cog-stac-{version}"])
    output, indices = tmp_path / "out.nc", [0, 1, 2, 3]
    if kind == "item":
        path, indices = path.parent / "scene_2.json", [2]
    if kind == "catalog":
        catalog = {"type": "Catalog", "stac_version": "1.0.0", "id": "c", "description": "", "links": [{"rel": "child", "href": str(path)}]}
        path = tmp_path / "catalog.json"
        path.write_text(json.dumps(catalog))
    run(load_stac(path), output=output)
    check(output, cube, indices)


def test_bands_and_extents(cube, collection, tmp_path):
    output = tmp_path / "out.nc"
    left, top, step, _ = cube.origin
    box = {"west": left + 100, "east": left + 200, "south": top - 250, "north": top - 50, "crs": 32633}
    run(load_stac(collection, bands=["nir", "B02"], spatial_extent=box, temporal_extent=["2021-05-05", "2021-11-11"]), output=output)
    with xr.open_dataset(output, decode_cf=False) as file:
        assert {name for name in file.data_vars if name.startswith("B")} == {"B08", "B02"}
        for band in ("B08", "B02"):
            assert np.array_equal(file[band].values, cube.bands[band].data[1:3, 5:25, 10:20])


def test_polygons_limit_scenes(cube, collection, tmp_path):
    output = tmp_path / "out.nc"
    left, top, step, _ = cube.origin
    # A triangle whose sides miss all centres; its box is columns 10 to 20 and rows 5 to 25.
    corners = np.array([[102, 52], [202, 150], [102, 252], [102, 52]])
    ring = [[left + x, top - y] for x, y in corners.tolist()]
    crs = {"type": "name", "properties": {"name": "EPSG:32633"}}
    triangle = {"type": "Polygon", "coordinates": [ring], "crs": crs}
    inside = rasterio.features.rasterize(
        [triangle], (25, 20), transform=rasterio.Affine(step, 0, left, 0, -step, top)
    ).astype(bool)[5:, 10:]
    extent = ["2021-05-05", "2021-11-11"]
    later = graphs.node("filter_temporal", data=graphs.of("load"), extent=extent)
    loads = [
        load_stac(collection, bands=["B02"], spatial_extent=triangle, temporal_extent=extent),
        graphs.graph(
            load=graphs.node("load_stac", url=str(collection), bands=["B02"], spatial_extent=triangle),
            later=later, save=graphs.save("later", "netCDF"),
        ),
    ]
    for graph in loads:
        run(graph, output=output)
        with xr.open_dataset(output, decode_cf=False) as file:
            assert np.array_equal(file["B02"].values, np.where(inside, cube.bands["B02"].data[1:3, 5:25, 10:20], 0))


def test_a_cube_is_an_asset(cube, tmp_path):
    output = tmp_path / "out.nc"
    for container, media in [("zarr-3", "application/vnd+zarr"), ("netcdf", "application/x-netcdf")]:
        item = {
            "type": "Feature", "stac_version": "1.0.0", "id": "all", "bbox": [14, 45, 16, 46], "geometry": None,
            "properties": {"datetime": cube.dates[0]}, "links": [],
            "assets": {"cube": {"href": str(cube.paths[container]), "type": media, "roles": ["data"]}},
        }
        path = tmp_path / "item.json"
        path.write_text(json.dumps(item))
        run(load_stac(path), output=output)
        check(output, cube, [0, 1, 2, 3])
        failed = eolith("run", "-", "--discard", stdin=json.dumps(load_stac(path, properties=CONDITIONS["lte"][0])))
        assert failed.code == 1 and "PropertiesUnsupported" in failed.stderr


def test_two_zones_two_resolutions_no_projection_fields(tmp_path):
    """Items without `proj:`, 10 m in zone 33 and 20 m in zone 32: one grid at 10 m, near neighbours from the other."""
    links = []
    random = np.random.default_rng(3)
    made = {}
    for name, epsg, left, step, size, dtype in [("a", 32633, 500_000, 10, 80, "uint8"), ("b", 32633, 500_400, 20, 20, "int16")]:
        pixels = random.integers(1, 120, (size, size)).astype(dtype)
        profile = {"driver": "GTiff", "dtype": dtype, "count": 1, "crs": f"EPSG:{epsg}", "width": size, "height": size, "nodata": 0}
        transform = rasterio.Affine(step, 0, left, 0, -step, 5_000_000)
        with rasterio.open(tmp_path / f"{name}.tif", "w", transform=transform, **profile) as file:
            file.write(pixels, 1)
        item = {
            "type": "Feature", "stac_version": "1.0.0", "id": name, "geometry": None, "links": [],
            "properties": {"datetime": "2021-01-01T00:00:00Z"},
            "assets": {"v": {"href": f"./{name}.tif", "roles": ["data"], "type": "image/tiff; application=geotiff"}},
        }
        (tmp_path / f"{name}.json").write_text(json.dumps(item))
        links.append({"rel": "item", "href": f"./{name}.json"})
        made[name] = pixels
    collection = {
        "type": "Collection", "stac_version": "1.0.0", "id": "mixed", "description": "", "license": "other", "links": links,
        "extent": {"spatial": {"bbox": [[14, 44, 16, 46]]}, "temporal": {"interval": [[None, None]]}},
    }
    (tmp_path / "collection.json").write_text(json.dumps(collection))
    output = tmp_path / "out.nc"
    run(load_stac(tmp_path / "collection.json"), output=output)
    with xr.open_dataset(output, decode_cf=False) as file:
        values = file["v"].values[0]
    # `a` is valid everywhere and comes first, `b` is hidden below it where they overlap.
    expected = np.zeros((80, 80), "int16")
    expected[:40, 40:80] = np.repeat(np.repeat(made["b"], 2, 0), 2, 1)
    expected = np.where(made["a"] > 0, made["a"], expected)
    assert values.shape == expected.shape and np.array_equal(values, expected)


def test_errors_name_node_and_argument(cube, collection):
    def stderr(graph, *data):
        failed = eolith("run", "-", *data, "--discard", stdin=json.dumps(graph))
        assert failed.code == 1
        return failed.stderr

    assert "`load`" in stderr(load_stac("/nowhere/item.json")) and "`url`" in stderr(load_stac("/nowhere/item.json"))
    assert "`url`" in stderr(load_stac("ftp://host/item.json"))
    assert "`bands`" in stderr(load_stac(collection, bands=["B99"]))
    assert "NoDataAvailable" in stderr(load_stac(collection, temporal_extent=["1999-01-01", "1999-02-01"]))
    nothing = load_stac(collection, properties={"eo:cloud_cover": condition("lt", x=VALUE, y=0)})
    assert "NoDataAvailable" in stderr(nothing)
    number = load_stac(collection, properties={"eo:cloud_cover": condition("add", x=VALUE, y=1)})
    assert "boolean" in stderr(number)
    failed = stderr(graphs.whole("zarr", properties=CONDITIONS["lte"][0]), f"zarr={cube.paths['zarr-3']}")
    assert "PropertiesUnsupported" in failed and "`properties`" in failed


def test_requests_may_not_read_everything(cube, collection, tmp_path):
    """Over HTTP: public `https` and the data; everything with `--allow-private`."""
    secret = tmp_path / "item.json"
    item = json.loads((Path(collection).parent / "scene_0.json").read_text())
    secret.write_text(json.dumps(item))
    served = Path(collection).parent
    with Api(collection) as api, Server(f"cube={served}", state=tmp_path / "a") as server:
        connection = openeo.connect(server.url)

        def refused(url):
            with pytest.raises(openeo.rest.OpenEoApiError) as error:
                connection.datacube_from_json(json.dumps(load_stac(url))).download(tmp_path / "no.nc", validate=False)
            return str(error.value)

        assert "may not be read" in refused(f"{api.url}/collections/scenes")
        assert "may not be read" in refused(f"file://{secret}")
        assert "may not be read" in refused("https://169.254.169.254/latest/meta-data")
        assert "may not be read" in refused("s3://bucket/item.json")
        assert api.requests == []
        connection.load_stac(f"file://{served}/collection.json").download(tmp_path / "yes.nc", validate=False)
        check(tmp_path / "yes.nc", cube, [0, 1, 2, 3])


def test_the_client_loads_from_a_service(cube, collection, tmp_path):
    with Api(collection) as api, Server("--allow-private", state=tmp_path / "b") as server:
        connection = openeo.connect(server.url)
        loaded = connection.load_stac(
            f"{api.url}/collections/scenes", temporal_extent=["2021-03-01", "2021-08-01"], bands=["B04", "B08"],
            properties={"eo:cloud_cover": lambda value: value <= 30},
        )
        loaded.download(tmp_path / "out.nc")
        with xr.open_dataset(tmp_path / "out.nc", decode_cf=False) as file:
            for band in ("B04", "B08"):
                assert np.array_equal(file[band].values, cube.bands[band].data[[0]])


@pytest.mark.reference
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_reference_catalogues_load_alike(version):
    path = REAL / f"stac-{version}/s2-l1c-slovenia/collection.json"
    room = ["--memory", "8G"]
    expected = run(graphs.ndvi_maximum("cube"), f"cube={path}", options=room).figures["checksum"]
    graph = graphs.ndvi_maximum("cube")
    graph["process_graph"]["load"] = graphs.node("load_stac", url=str(path))
    assert run(graph, options=room).figures["checksum"] == expected
    with Api(path, page=3) as api:
        graph["process_graph"]["load"] = graphs.node("load_stac", url=f"{api.url}/collections/{next(iter(api.collections))}")
        assert run(graph, options=room).figures["checksum"] == expected
