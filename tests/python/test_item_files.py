"""Files of items on the server's disk, opened by clients of STAC where they lie, with and without a token."""

import json

import numpy as np
import odc.stac
import pystac_client
import pytest
import rasterio
import requests
import rioxarray
from affine import Affine
from odc.geo.geobox import GeoBox

import cubes
from binary import Server

TIFF = "cog-stac-1.1"


@pytest.fixture(scope="module")
def token(server):
    answer = requests.get(server.url + "credentials/basic", auth=server.credentials())
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture(scope="module")
def found(server, token):
    client = pystac_client.Client.open(server.url, headers=token)
    return sorted(client.search(collections=[TIFF]).items(), key=lambda item: item.datetime)


def test_pixels_of_items_are_read_where_they_lie(found, cube):
    assert len(found) == len(cube.dates)
    bands = list(cube.bands)
    for at, item in enumerate(found):
        for asset in item.assets.values():
            # No token is sent: the link is enough. GDAL asks for ranges.
            with rasterio.open(asset.href) as file:
                for band in range(file.count):
                    name = bands[band] if file.count == len(bands) else file.descriptions[band]
                    if name in cube.bands:
                        np.testing.assert_array_equal(file.read(band + 1), cube.bands[name].data[at])


def test_rioxarray_and_odc_open_them(tmp_path):
    cube = cubes.generated(tmp_path)
    _, height, width = cube.bands["B04"].shape
    left, top, step, _ = cube.origin
    grid = GeoBox((height, width), Affine(step, 0, left, 0, -step, top), f"EPSG:{cube.epsg}")
    with Server(f"scenes={cube.paths[TIFF]}", state=tmp_path / "state") as server:
        found = sorted(pystac_client.Client.open(server.url).search().items(), key=lambda item: item.datetime)
        with rioxarray.open_rasterio(found[0].assets["data"].href) as pixels:
            assert pixels.rio.crs.to_epsg() == cube.epsg
            np.testing.assert_array_equal(pixels.values, [band.data[0] for band in cube.bands.values()])
        # Bands of an asset have numbers there.
        name = f"data.{list(cube.bands).index('B04') + 1}"
        loaded = odc.stac.load(found, bands=[name], geobox=grid)
        np.testing.assert_array_equal(np.nan_to_num(loaded[name].values), cube.bands["B04"].data)


def test_files_have_heads_ranges_and_types(found):
    asset = next(iter(found[0].assets.values()))
    head, whole = requests.head(asset.href), requests.get(asset.href)
    assert head.status_code == 200 and head.headers["accept-ranges"] == "bytes"
    assert int(head.headers["content-length"]) == len(whole.content)
    assert head.headers["content-type"] == whole.headers["content-type"] == asset.media_type
    part = requests.get(asset.href, headers={"Range": "bytes=2-5"})
    assert part.status_code == 206 and part.content == whole.content[2:6]
    assert part.headers["access-control-allow-origin"] == "*"


def test_only_what_is_listed_is_served_and_only_by_links(server, token, found):
    plain = requests.get(f"{server.url}collections/{TIFF}/items").json()
    assert plain["features"] and all(item["assets"] == {} for item in plain["features"])
    asset = next(iter(found[0].assets.values()))
    before, signed, name = asset.href.rsplit("/", 2)
    kind, said, mac = signed.split(".")
    other = json.loads(bytes.fromhex(said))
    other[1][2] = "secret"
    forged = json.dumps(other).encode().hex()
    refused = [f"{before}/{kind}.{forged}.{mac}/{name}", f"{before}/{kind}.{said}.{'0' * len(mac)}/{name}", f"{before}/x/{name}"]
    for address in refused:
        assert requests.get(address).json()["code"] == "PermissionsInsufficient"
    for path in ("collection.json", "..%2fcollection.json", "scene_1.json"):
        assert requests.get(f"{before}/{signed}/{path}").status_code == 404
    assert requests.get(f"{before}/{signed}").status_code == 404
