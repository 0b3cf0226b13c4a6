"""Services through real clients: the openEO client makes them, tiles are compared pixel by pixel, OWSLib reads the WMTS."""

import math

import numpy as np
import openeo
import pytest
import rasterio
import requests
from openeo.rest import OpenEoApiError
from owslib.wmts import WebMapTileService
from rasterio.enums import Resampling
from rasterio.transform import from_origin
from rasterio.warp import reproject, transform_bounds

from binary import Server

HALF = 20_037_508.342789244
# Where the map of the exact tests is: four whole tiles of this level.
LEVEL, COLUMN, ROW = 14, 8700, 5700


def create(cube, **settings):
    """A service of a data cube."""
    return cube.connection.create_service(cube.flat_graph(), **settings)


@pytest.fixture(scope="module")
def connection(server):
    connection = openeo.connect(server.root + "/openeo/1.2")
    connection.authenticate_basic(*server.credentials())
    return connection


@pytest.fixture(scope="module")
def blocks():
    """512 x 512 bytes that differ from their neighbours; 0 is no data."""
    return np.random.default_rng(3).integers(0, 256, (512, 512), dtype="uint8")


@pytest.fixture(scope="module")
def web(blocks, tmp_path_factory):
    """A server over one GeoTIFF on the grid of tiles."""
    folder = tmp_path_factory.mktemp("web")
    left, top, side = corner(LEVEL, COLUMN, ROW)
    grid = from_origin(left, top, side / 256, side / 256)
    profile = {"driver": "GTiff", "width": 512, "height": 512, "count": 1, "dtype": "uint8", "nodata": 0}
    with rasterio.open(folder / "blocks.tif", "w", crs=3857, transform=grid, tiled=True, **profile) as file:
        file.write(blocks, 1)
    with Server(f"blocks={folder / 'blocks.tif'}", state=folder / "state") as server:
        yield server


def corner(z, x, y):
    """Left, top and side of a tile in metres."""
    side = 2 * HALF / 2**z
    return x * side - HALF, HALF - y * side, side


def tile_of(z, longitude, latitude):
    """Column and row of the tile around a place."""
    x = (longitude + 180) / 360
    y = (1 - math.asinh(math.tan(math.radians(latitude))) / math.pi) / 2
    return int(x * 2**z), int(y * 2**z)


def fetched(url, size=256, **parameters):
    """Bands and opacity of a tile; nobody says who asks."""
    answer = requests.get(url, params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    return decoded(answer.content, size)


def decoded(content, size=256):
    with rasterio.MemoryFile(content) as memory, memory.open() as picture:
        pixels = picture.read()
        assert pixels.shape[1:] == (size, size)
        assert picture.crs is None
    if len(pixels) in (2, 4):
        return pixels[:-1], pixels[-1] == 255
    return pixels, np.ones(pixels.shape[1:], bool)


def address(service, z, x, y):
    url = service.describe_service()["url"]
    assert url.endswith("/{z}/{x}/{y}")
    return url.replace("{z}", str(z)).replace("{x}", str(x)).replace("{y}", str(y))


def test_tiles_on_the_grid_of_the_data_are_the_data(web, blocks):
    connection = openeo.connect(web.root)
    service = create(connection.load_collection("blocks"), type="xyz")
    for x in (0, 1):
        for y in (0, 1):
            wanted = blocks[256 * y : 256 * (y + 1), 256 * x : 256 * (x + 1)]
            (grey,), opaque = fetched(address(service, LEVEL, COLUMN + x, ROW + y))
            assert np.array_equal(opaque, wanted != 0)
            assert np.array_equal(grey[opaque], wanted[opaque])
    # One level deeper every pixel is four.
    (grey,), opaque = fetched(address(service, LEVEL + 1, 2 * COLUMN + 1, 2 * ROW))
    wanted = np.repeat(np.repeat(blocks[:128, 128:256], 2, 0), 2, 1)
    assert np.array_equal(opaque, wanted != 0) and np.array_equal(grey[opaque], wanted[opaque])
    # One level up a pixel is one of four, each as near as the others.
    (grey,), opaque = fetched(address(service, LEVEL - 1, COLUMN // 2, ROW // 2))
    shown = np.where(opaque, grey, 0)
    assert np.any([shown == blocks[i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=0).all()
    # Far away there is nothing.
    _, opaque = fetched(address(service, LEVEL, COLUMN + 100, ROW))
    assert not opaque.any()


def test_large_tiles_in_colours(web, blocks):
    connection = openeo.connect(web.root)
    settings = {"tile_size": 512, "colormap": "viridis", "min": 0, "max": 255}
    service = create(connection.load_collection("blocks"), type="XYZ", configuration=settings)
    assert service.describe_service()["configuration"] == settings
    colours, opaque = fetched(address(service, LEVEL - 1, COLUMN // 2, ROW // 2), size=512)
    assert np.array_equal(opaque, blocks != 0)
    # Equal values have one colour; the darkest and the brightest are those of viridis.
    assert (colours[:, blocks == 255].T == (0xFD, 0xE7, 0x25)).all()
    for value in (1, 100, 200):
        assert len(np.unique(colours[:, blocks == value].T, axis=0)) == 1


@pytest.mark.parametrize("collection", ["zarr-3", "netcdf"])
def test_tiles_are_near_the_pixels_that_gdal_warps(connection, cube, collection):
    """Level by level of grey, but for pixels whose centre lies on an edge between two."""
    data = connection.load_collection(collection, bands=["B04", "B08"])
    ndvi = data.ndvi(nir="nir", red="red").max_time()
    service = create(ndvi, type="XYZ", configuration={"min": -1, "max": 1})
    expected = cube.ndvi().max(axis=0)
    values = expected.astype("f8").filled(np.nan)
    left, top, dx, dy = cube.origin
    height, width = values.shape
    grid = rasterio.Affine(dx, 0, left, 0, dy, top)
    bounds = (left, top + height * dy, left + width * dx, top)
    west, south, east, north = transform_bounds(cube.epsg, 4326, *bounds)
    place = ((west + east) / 2, (south + north) / 2)
    shown = 0
    for z in (13, 16):
        x, y = tile_of(z, *place)
        (grey,), opaque = fetched(address(service, z, x, y))
        warped = np.full((256, 256), np.nan)
        tile_left, tile_top, side = corner(z, x, y)
        to = from_origin(tile_left, tile_top, side / 256, side / 256)
        reproject(
            values, warped, src_transform=grid, src_crs=cube.epsg, dst_transform=to, dst_crs=3857,
            src_nodata=np.nan, dst_nodata=np.nan, resampling=Resampling.nearest, tolerance=0,
        )  # fmt: skip
        levels = np.round((np.clip(warped, -1, 1) + 1) / 2 * 255)
        inside = ~np.isnan(warped)
        equal = np.where(inside, opaque & (np.abs(grey - levels) <= 1), ~opaque)
        assert equal.mean() > 0.99, (z, equal.mean())
        shown += inside.sum()
    assert shown > 1000


def test_a_service_has_an_owner_and_a_life(connection, server, cube):
    data = connection.load_collection("zarr-3", bands=["B04"])
    service = create(data, type="XYZ", title="Red")
    described = service.describe_service()
    assert described["title"] == "Red" and described["enabled"] is True
    assert service.service_id in [each["id"] for each in connection.list_services()]
    west, south, east, north = described["attributes"]["bounds"]
    assert west < east and south < north
    times = described["attributes"]["times"]
    assert len(times) == len(cube.dates)
    z = 14
    url = address(service, z, *tile_of(z, (west + east) / 2, (south + north) / 2))
    latest, first = requests.get(url), requests.get(url, params={"time": times[0]})
    assert latest.content != first.content
    assert requests.get(url, params={"time": times[-1][:10], "__editorSessionId": "1"}).content == latest.content
    # What was guessed is in the log.
    assert any("percentile" in entry["message"] for entry in service.logs())
    # Others see the tiles and nothing else.
    stranger = requests.get(f"{server.url}services/{service.service_id}")
    assert stranger.status_code == 401
    # The client has no method for this yet.
    own = f"/services/{service.service_id}"
    connection.patch(own, json={"enabled": False}, expected_status=204)
    assert requests.get(url).status_code == 404
    connection.patch(own, json={"enabled": True, "title": "Redder"}, expected_status=204)
    assert service.describe_service()["title"] == "Redder"
    assert requests.get(url).content == latest.content
    service.delete_service()
    gone = requests.get(url)
    assert gone.status_code == 404 and gone.json()["code"] == "ServiceNotFound"


def test_a_process_that_is_no_map_is_refused(connection):
    data = connection.load_collection("zarr-3", bands=["B04", "B08"])
    with pytest.raises(OpenEoApiError, match="FormatUnsuitable"):
        create(data, type="XYZ")
    with pytest.raises(OpenEoApiError, match="ServiceConfigInvalid"):
        create(data.filter_bands(["B04"]), type="XYZ", configuration={"colormap": "jet"})


def test_owslib_reads_the_wmts(connection, cube):
    data = connection.load_collection("zarr-3", bands=["B04"])
    settings = {"min": 0, "max": 10_000}
    service = create(data, type="WMTS", title="Red", configuration=settings)
    described = service.describe_service()
    wmts = WebMapTileService(described["url"])
    assert wmts.identification.title == "Red"
    (name,) = described["attributes"]["layers"]
    layer = wmts[name]
    assert layer.title == "Red" and layer.formats == ["image/png"]
    assert layer.boundingBoxWGS84 == pytest.approx(described["attributes"]["bounds"])
    times = layer.dimensions["TIME"]
    assert len(times["values"]) == len(cube.dates) and times["default"] == times["values"][-1]
    matrices = wmts.tilematrixsets["EPSG:3857"].tilematrix
    assert matrices["0"].scaledenominator == pytest.approx(559082264.0287178)
    assert matrices["3"].matrixwidth == 8 and matrices["3"].tilewidth == 256
    west, south, east, north = layer.boundingBoxWGS84
    z = 14
    x, y = tile_of(z, (west + east) / 2, (south + north) / 2)
    where = {"layer": name, "tilematrixset": "EPSG:3857", "tilematrix": str(z), "row": y, "column": x, "format": "image/png"}
    latest = wmts.gettile(**where).read()
    (grey,), opaque = decoded(latest)
    assert opaque.any() and grey[opaque].std() > 0
    first = wmts.gettile(**where, TIME=times["values"][0]).read()
    assert first != latest
    # The same by the template.
    template = layer.resourceURLs[0]["template"]
    for placeholder, value in {
        "Style": "default", "TIME": times["values"][0], "TileMatrixSet": "EPSG:3857",
        "TileMatrix": z, "TileRow": y, "TileCol": x,
    }.items():  # fmt: skip
        assert f"{{{placeholder}}}" in template
        template = template.replace(f"{{{placeholder}}}", str(value))
    assert requests.get(template).content == first


def test_ogc_tiles_are_found_by_their_links(web, blocks):
    connection = openeo.connect(web.root)
    service = create(connection.load_collection("blocks"), type="OGC API - Tiles")
    landing = requests.get(service.describe_service()["url"]).json()
    relations = {link["rel"].rsplit("/", 1)[-1]: link["href"] for link in landing["links"]}
    (tileset,) = requests.get(relations["tilesets-map"]).json()["tilesets"]
    links = {link["rel"].rsplit("/", 1)[-1]: link["href"] for link in tileset["links"]}
    matrices = requests.get(links["tiling-scheme"]).json()["tileMatrices"]
    matrix = next(m for m in matrices if m["cellSize"] == pytest.approx(2 * HALF / 2**LEVEL / 256))
    assert matrix["scaleDenominator"] == pytest.approx(matrix["cellSize"] / 0.00028)
    template = links["item"].replace("{tileMatrix}", matrix["id"])
    (grey,), opaque = fetched(template.replace("{tileRow}", str(ROW)).replace("{tileCol}", str(COLUMN)))
    wanted = blocks[:256, :256]
    assert np.array_equal(np.where(opaque, grey, 0), wanted)
