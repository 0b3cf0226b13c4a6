"""STAC resources of saved results: what readers and validators of STAC make of what is exported."""

import io
import json
import tarfile

import numpy as np
import openeo
import pystac
import pystac.validation
import pytest
import rasterio
import rasterio.warp
import requests
import xarray as xr

import graphs
from binary import Server, eolith


def exported(*, format, id, data="load", process="export_workspace", **where):
    """What is loaded, or its latest image, under another id, handed on."""
    return graphs.graph(
        load=graphs.load("sample", bands=["B04", "B08"]),
        latest=graphs.node("reduce_dimension", data=graphs.of("load"), dimension="t", reducer=graphs.reducer("last")),
        save=graphs.node("save_result", data=graphs.of(data), format=format),
        change=graphs.node("stac_modify", data=graphs.of("save"), changes={"id": id}),
        export=graphs.node(process, result=True, data=graphs.of("change"), **where),
    )


@pytest.fixture
def place(tmp_path):
    place = tmp_path / "own/workspaces/mine"
    place.mkdir(parents=True)
    return place


def export(sample, place, graph):
    format = graph["process_graph"]["save"]["arguments"]["format"]
    output = place.parents[2] / {"GTiff": "result.tif", "netCDF": "result.nc", "PNG": "result.png"}[format]
    command = ["run", "-", f"sample={sample}", "--workspace", place.parents[1], "-o", output]
    done = eolith(*command, stdin=json.dumps(graph))
    assert done.code == 0, done.stderr


def valid(document):
    """By the schemas of STAC itself; those of extensions are not at hand, their fields are looked at one by one."""
    pystac.validation.validate_dict(document, extensions=[])
    assert document["stac_version"] == "1.1.0"


def is_of(item, path):
    """What an item says is what is in its file."""
    asset = item.assets["data"]
    assert asset.get_absolute_href() == str(path)
    said = item.properties
    with rasterio.open(path) as file:
        assert said["proj:code"] == str(file.crs)
        assert said["proj:shape"] == list(file.shape)
        assert said["proj:transform"] == list(file.transform)[:6]
        assert said["proj:bbox"] == list(file.bounds)
        bands = asset.to_dict()["bands"]
        assert [band["name"] for band in bands] == list(file.descriptions) == ["B04", "B08"]
        assert [band["data_type"] for band in bands] == list(file.dtypes)
        assert [band["nodata"] for band in bands] == list(file.nodatavals)
        assert [band["eo:common_name"] for band in bands] == ["red", "nir"]
        around = rasterio.warp.transform_bounds(file.crs, "EPSG:4326", *file.bounds, densify_pts=21)
    np.testing.assert_allclose(item.bbox, around, rtol=0, atol=1e-7)
    assert asset.roles == ["data"] and asset.media_type == pystac.MediaType.COG
    extensions = {url.split("/")[-3]: url.split("/")[-2] for url in item.stac_extensions}
    assert extensions == {"projection": "v2.0.0", "eo": "v2.0.0", "raster": "v2.0.0"}


def test_images_of_dates_are_a_collection(sample, place):
    export(sample, place, exported(format="GTiff", id="images", workspace="mine"))
    folder = place / "images"
    valid(json.loads((folder / "collection.json").read_text()))
    collection = pystac.Collection.from_file(str(folder / "collection.json"))
    items = list(collection.get_items())
    with xr.open_zarr(sample) as cube:
        times = [str(time.values)[:19] + "Z" for time in cube.t]
    assert [item.properties["datetime"] for item in items] == times
    assert [[str(t)[:19].replace(" ", "T") + "Z" for t in i] for i in collection.extent.temporal.intervals] == [
        [times[0], times[-1]]
    ]
    for item in items:
        valid(json.loads((folder / f"{item.id}.json").read_text()))
        assert item.get_collection().id == "images"
        is_of(item, folder / f"{item.id}.tif")
        assert collection.extent.spatial.bboxes == [item.bbox]


def test_one_image_is_an_item(sample, place):
    export(sample, place, exported(format="GTiff", id="image", data="latest", workspace="mine"))
    valid(json.loads((place / "image/image.json").read_text()))
    item = pystac.Item.from_file(str(place / "image/image.json"))
    is_of(item, place / "image/result.tif")
    # Of all dates, at none of them.
    assert item.datetime is None and item.common_metadata.start_datetime < item.common_metadata.end_datetime


def test_a_cube_in_one_file_is_an_item(sample, place):
    export(sample, place, exported(format="netCDF", id="cube", workspace="mine"))
    document = json.loads((place / "cube/cube.json").read_text())
    valid(document)
    dimensions = document["properties"]["cube:dimensions"]
    with xr.open_dataset(place / "cube/result.nc", decode_coords="all") as cube:
        assert dimensions["bands"] == {"type": "bands", "values": ["B04", "B08"]}
        assert set(cube.data_vars) == {"B04", "B08"}
        assert len(dimensions["t"]["values"]) == cube.sizes["t"]
        low, high = float(cube.x.min()) - 5, float(cube.x.max()) + 5
        assert dimensions["x"]["extent"] == [low, high] == document["properties"]["proj:bbox"][::2]
        assert dimensions["x"]["reference_system"] == cube.rio.crs.to_epsg()


def test_parts_of_a_collection(sample, place):
    for id, format in (("a", "GTiff"), ("b", "netCDF"), ("c", "PNG")):
        data = "latest" if format == "PNG" else "load"
        graph = exported(format=format, id=id, data=data, workspace="mine", merge="all/of/them")
        if format == "PNG":
            graph["process_graph"]["load"]["arguments"]["bands"] = ["B04"]
        export(sample, place, graph)
    path = place / "all/of/them/collection.json"
    valid(json.loads(path.read_text()))
    collection = pystac.Collection.from_file(str(path))
    items = list(collection.get_items())
    assert collection.id == "them" and len(items) == 7
    for item in items:
        assert item.get_collection().id == "them"
        valid(item.to_dict(include_self_link=False, transform_hrefs=False))
    assert items[-1].assets["data"].roles == ["visual"] and "bands" not in items[-1].assets["data"].to_dict()


def test_results_over_http(sample, tmp_path, place):
    with Server(f"sample={sample}", "--workspace", tmp_path / "own", state=tmp_path / "state") as server:
        connection = openeo.connect(server.root + "/openeo/1.2")
        cube = connection.load_collection("sample", bands=["B04", "B08"])
        cube.download(tmp_path / "whole.nc", format="netCDF")
        # A graph that ends with a save gives the files and nothing else.
        plain = graphs.graph(load=graphs.load("sample", bands=["B04", "B08"]), save=graphs.save("load", "netCDF"))
        answer = requests.post(server.url + "result", json={"process": plain}, timeout=60)
        assert answer.headers["content-type"] == "application/x-netcdf"
        # One that goes on gives the resource beside them.
        graph = exported(format="netCDF", id="n", workspace="mine")
        answer = requests.post(server.url + "result", json={"process": graph}, timeout=60)
        with tarfile.open(fileobj=io.BytesIO(answer.content)) as files:
            assert files.getnames() == ["save.nc", "result.json"]
            assert json.load(files.extractfile("result.json"))["id"] == "n"
        again = requests.post(server.url + "result", json={"process": graph}, timeout=60)
        assert (again.status_code, again.json()["code"]) == (400, "ResourceExists")

        graph = exported(format="GTiff", id="five", process="export_collection", collection="mine/own")
        answer = requests.post(server.url + "result", json={"process": graph}, timeout=60)
        assert answer.status_code == 200, answer.text
        assert connection.list_collection_ids() == ["sample", "mine/own"]
        described = connection.describe_collection("mine/own")
        assert described["cube:dimensions"]["bands"]["values"] == ["B04", "B08"]
        connection.load_collection("mine/own").download(tmp_path / "again.nc", format="netCDF")
    with xr.open_dataset(tmp_path / "whole.nc") as whole, xr.open_dataset(tmp_path / "again.nc") as again:
        for band in ("B04", "B08"):
            np.testing.assert_array_equal(whole[band].values, again[band].values)


def test_the_client_exports(sample, tmp_path, place):
    with Server(f"sample={sample}", "--workspace", tmp_path / "own", state=tmp_path / "state") as server:
        connection = openeo.connect(server.root + "/openeo/1.2")
        saved = connection.load_collection("sample", bands=["B04"]).max_time().save_result("GTiff")
        saved.export_workspace("mine", merge="maxima").download(tmp_path / "result.tar")
    item = next(pystac.Collection.from_file(str(place / "maxima/collection.json")).get_items())
    with rasterio.open(item.assets["data"].get_absolute_href()) as file:
        assert file.descriptions == ("B04",)
