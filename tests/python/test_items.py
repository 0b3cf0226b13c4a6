"""Items of collections and the search among them, asked with real clients; expectations are made with shapely and plain Python."""

import copy
import itertools
import json
import random
from datetime import datetime
from importlib import resources
from pathlib import Path

import openeo
import pystac
import pystac_client
import pytest
import requests
import shapely
import shapely.geometry
from stac_validator.stac_validator import StacValidate

import cubes
import stac_api
from binary import Server

COUNT = 57
PUBLIC = "https://example.org/data/{}.tif"


def make(folder):
    """A collection of items with odd shapes, whose pixels are never asked for."""
    folder.mkdir()
    chance = random.Random(11)
    links = []
    for i in range(COUNT):
        west, south = chance.uniform(-178, 160), chance.uniform(-80, 70)
        points = [(west + chance.uniform(0, 15), south + chance.uniform(0, 10)) for _ in range(8)]
        shape = shapely.MultiPoint(points).convex_hull
        day = f"20{chance.randrange(18, 24)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
        properties = {"eo:cloud_cover": chance.randrange(0, 101), "platform": chance.choice(["a", "b", "it's"])}
        if i % 5:
            properties["datetime"] = f"{day}T{i % 24:02}:00:00Z"
        else:
            properties |= {"datetime": None, "start_datetime": f"{day}T00:00:00Z", "end_datetime": f"{day}T23:00:00Z"}
        if i % 7 == 0:
            del properties["platform"]
        projection = {"proj:code": "EPSG:4326", "proj:shape": [10, 10], "proj:transform": [0.1, 0, west, 0, -0.1, south + 1]}
        band = {"bands": [{"name": "B1", "data_type": "uint8"}], "type": "image/tiff; application=geotiff", "roles": ["data"]}
        item = {
            "type": "Feature", "stac_version": "1.1.0", "id": f"item-{i}", "collection": "shapes", "stac_extensions": [],
            "geometry": shapely.geometry.mapping(shape), "bbox": list(shape.bounds), "properties": {**properties, **projection},
            "assets": {
                "data": {"href": f"./item-{i}.tif", **band},
                "copy": {"href": PUBLIC.format(i), "type": band["type"], "roles": ["overview"]},
                "bucket": {"href": f"s3://hidden/{i}.tif", "type": band["type"], "roles": ["overview"]},
                "inside": {"href": f"https://10.0.0.1/{i}.tif", "type": band["type"], "roles": ["overview"]},
            },
            "links": [
                {"rel": "collection", "href": "./collection.json"}, {"rel": "self", "href": f"./item-{i}.json"},
                {"rel": "license", "href": "https://example.org/licence"},
            ],
        }
        (folder / f"item-{i}.json").write_text(json.dumps(item))
        (folder / f"item-{i}.tif").touch()
        links.append({"rel": "item", "href": f"./item-{i}.json", "type": "application/geo+json"})
    collection = {
        "type": "Collection", "stac_version": "1.1.0", "id": "shapes", "description": "shapes", "license": "CC0-1.0", "links": links,
        "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [["2018-01-01T00:00:00Z", None]]}},
    }
    path = folder / "collection.json"
    path.write_text(json.dumps(collection))
    return path


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return make(tmp_path_factory.mktemp("items") / "shapes")


@pytest.fixture(scope="module")
def items(shapes):
    found = [json.loads(path.read_text()) for path in sorted(shapes.parent.glob("item-*.json"))]
    assert len(found) == COUNT
    return found


@pytest.fixture(scope="module")
def server(shapes, tmp_path_factory):
    """The same items as documents, and behind services that know more and less."""
    cube = cubes.generated(tmp_path_factory.mktemp("cube"))
    with (
        stac_api.Api(shapes, page=9) as post,
        stac_api.Api(shapes, page=9, post=False, filter=False) as get,
        stac_api.Api(shapes, page=9, refuse_filter=True, merge=False) as stubborn,
        Server(
            f"static={shapes}", f"post={post.url}", f"get={get.url}", f"stubborn={stubborn.url}",
            f"scenes={cube.paths['cog-stac-1.1']}", f"store={cube.paths['zarr-3']}", f"file={cube.paths['netcdf']}",
            state=tmp_path_factory.mktemp("state"),
        ) as server,
    ):
        server.data = shapes.parent.parent.parent
        yield server


@pytest.fixture(scope="module")
def client(server):
    client = pystac_client.Client.open(server.url)
    for name in ("ITEM_SEARCH", "FEATURES", "COLLECTIONS", "FILTER", "SORT", "FIELDS"):
        assert client.conforms_to(pystac_client.ConformanceClasses.get_by_name(name)), name
    return client


def when(item):
    said = item["properties"]
    ends = [said["datetime"]] * 2 if said["datetime"] else [said["start_datetime"], said["end_datetime"]]
    return [datetime.fromisoformat(end) for end in ends]


def touches(area):
    return lambda item: shapely.geometry.shape(item["geometry"]).intersects(area)


def between(start, end):
    start, end = (datetime.fromisoformat(text + "+00:00") if text else None for text in (start, end))
    return lambda item: (end is None or when(item)[0] <= end) and (start is None or when(item)[1] >= start)


def has(name, test):
    return lambda item: name in item["properties"] and test(item["properties"][name])


def op(op, *args):
    return {"op": op, "args": list(args)}


def of(name):
    return {"property": name}


TRIANGLE = {"type": "Polygon", "coordinates": [[[-100, -60], [120, -30], [20, 65], [-100, -60]]]}
SEARCHES = {
    "all": ({}, lambda item: True),
    "box": ({"bbox": [-60, -20, 70, 50]}, touches(shapely.box(-60, -20, 70, 50))),
    "antimeridian": ({"bbox": [100, -80, -100, 80]}, touches(shapely.box(100, -80, 180, 80) | shapely.box(-180, -80, -100, 80))),
    "triangle": ({"intersects": TRIANGLE}, touches(shapely.geometry.shape(TRIANGLE))),
    "ids": ({"ids": ["item-3", "item-40", "nothing"]}, lambda item: item["id"] in ("item-3", "item-40")),
    "time": ({"datetime": "2019-05-01T00:00:00Z/2021-03-31T23:59:59Z"}, between("2019-05-01T00:00:00", "2021-03-31T23:59:59")),
    "since": ({"datetime": "2021-01-01T00:00:00Z/.."}, between("2021-01-01T00:00:00", None)),
    "year": ({"datetime": "2020"}, between("2020-01-01T00:00:00", "2020-12-31T23:59:59")),
    "text": ({"filter": '"eo:cloud_cover" <= 30', "filter_lang": "cql2-text"}, has("eo:cloud_cover", lambda value: value <= 30)),
    "json": (
        {"filter": op("and", op(">", of("eo:cloud_cover"), 20), op("=", of("platform"), "it's"))},
        lambda item: has("eo:cloud_cover", lambda v: v > 20)(item) and has("platform", lambda v: v == "it's")(item),
    ),
    "own": ({"filter": op("<>", of("collection"), "nothing")}, lambda item: True),
    "everything": (
        {"bbox": [-120, -60, 130, 60], "datetime": "2019/2022", "filter": op("in", of("platform"), ["a", "b"])},
        lambda item: touches(shapely.box(-120, -60, 130, 60))(item) and has("platform", lambda v: v in "ab")(item)
        and between("2019-01-01T00:00:00", "2022-12-31T23:59:59")(item),
    ),
}
HERE = {
    "not": ({"filter": "NOT (platform = 'a' OR \"eo:cloud_cover\" > 50)", "filter_lang": "cql2-text"},
            lambda item: has("platform", lambda v: v != "a")(item) and has("eo:cloud_cover", lambda v: v <= 50)(item)),
    "null": ({"filter": "platform IS NULL AND eo:cloud_cover BETWEEN 10 AND 90", "filter_lang": "cql2-text"},
             lambda item: "platform" not in item["properties"] and has("eo:cloud_cover", lambda v: 10 <= v <= 90)(item)),
    "within": ({"filter": op("s_within", of("geometry"), TRIANGLE)},
               lambda item: shapely.geometry.shape(item["geometry"]).within(shapely.geometry.shape(TRIANGLE))),
    "instant": ({"filter": "datetime >= TIMESTAMP('2021-01-01T00:00:00Z')", "filter_lang": "cql2-text"},
                has("datetime", lambda v: v is not None and v >= "2021")),
}
CASES = [(name, where) for name in SEARCHES for where in ("static", "post", "get", "stubborn")]


@pytest.mark.parametrize("name, where", [*CASES, *((name, "static") for name in HERE)])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_searches_find_what_shapely_finds(client, items, name, where, method):
    asked, meets = {**SEARCHES, **HERE}[name]
    expected = sorted(item["id"] for item in items if meets(item))
    assert expected
    language = {"filter_lang": "cql2-json"} if isinstance(asked.get("filter"), dict) else {}
    search = client.search(collections=[where], limit=8, method=method, **language, **copy.deepcopy(asked))
    found = list(search.items_as_dicts())
    assert sorted(item["id"] for item in found) == expected
    assert {item["collection"] for item in found} == {where}


def test_what_is_local_is_counted_and_sorted(client, items):
    search = client.search(collections=["static"], max_items=20, limit=7, sortby=["-properties.eo:cloud_cover", "+id"])
    assert search.matched() == COUNT
    order = sorted(items, key=lambda item: (-item["properties"]["eo:cloud_cover"], item["id"]))
    assert [item["id"] for item in search.items_as_dicts()] == [item["id"] for item in order][:20]
    newest = sorted(items, key=lambda item: when(item)[0], reverse=True)
    found = list(client.search(collections=["static"], limit=COUNT).items_as_dicts())
    assert [when(item)[0] for item in found] == [when(item)[0] for item in newest]
    # What an item lacks is last, whatever the others have.
    ranges = {item["id"] for item in items if item["properties"]["datetime"] is None}
    for way in "+-":
        found = [item["id"] for item in client.search(collections=["static"], sortby=f"{way}properties.datetime").items_as_dicts()]
        order = sorted((i for i in items if i["id"] not in ranges), key=lambda i: when(i)[0], reverse=way == "-")
        assert found[: len(order)] == [item["id"] for item in order] and set(found[len(order) :]) == ranges
    with pytest.raises(pystac_client.exceptions.APIError, match="FeatureUnsupported"):
        list(client.search(collections=["post"], sortby="id").items())


def test_a_search_over_everything_goes_through_all_collections(client, items):
    found = [(item["collection"], item["id"]) for item in client.search(limit=10).items_as_dicts()]
    assert len(found) == len(set(found)) == 4 * COUNT + 4 + 2
    assert {collection for collection, _ in found} == {"static", "post", "get", "stubborn", "scenes", "store", "file"}


def test_parts_of_items(client):
    search = client.search(collections=["static"], ids=["item-3"], fields=["id", "properties.platform", "geometry"])
    (item,) = search.items_as_dicts()
    assert set(item) == {"type", "id", "collection", "links", "properties", "geometry"}
    assert set(item["properties"]) == {"platform"}


def valid(item):
    """Whether the validator of STAC finds the item right; its extensions have their schemas elsewhere."""
    folder = resources.files("pystac.validation.jsonschemas")
    core = "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/"
    known = {f"https://geojson.org/schema/{path.stem}.json": str(path) for path in (folder / "geojson").iterdir()}
    known |= {core + path.name: str(path) for path in (folder / "stac-spec/v1.1.0").iterdir()}
    known = {address: path for address, path in known.items() if path.endswith(".json")}
    validator = StacValidate(core=True, schema_map=known)
    outcome = validator.validate_dict(item)
    assert outcome, validator.message
    return outcome


@pytest.mark.parametrize("collection", ["static", "post", "scenes", "store", "file"])
def test_items_are_valid_and_say_nothing_of_this_machine(server, client, collection):
    found = list(itertools.islice(client.get_collection(collection).get_items(), 12))
    assert found
    for item in found:
        answer = requests.get(item.get_self_href())
        assert answer.headers["content-type"] == "application/geo+json"
        assert valid(answer.json())
        own = pystac.Item.from_dict(answer.json())
        assert own.id == item.id and own.get_parent().id == collection
        for hidden in (str(server.data), "/tmp/", "file:", "s3:", "10.0.0.1", "127.0.0.1:1/"):
            assert hidden not in answer.text
        assert all(asset.href.startswith("http") for asset in own.assets.values())
    assert requests.get(f"{server.url}collections/{collection}/items/no-such-item").status_code == 404


def test_items_are_what_is_published(server, items):
    for where in ("static", "post"):
        shown = requests.get(f"{server.url}collections/{where}/items/item-8").json()
        (own,) = [item for item in items if item["id"] == "item-8"]
        for field in ("geometry", "bbox", "properties", "stac_version"):
            assert shown[field] == own[field]
        if where == "static":
            assert shown["assets"]["copy"]["href"] == PUBLIC.format(8)
            assert set(shown["assets"]) == {"data", "copy"} and shown["assets"]["data"]["href"].endswith("/item-8.tif")
            assert {"rel": "license", "href": "https://example.org/licence"} in shown["links"]


def test_a_cube_is_one_item(server):
    (item,) = requests.get(f"{server.url}collections/store/items").json()["features"]
    said = item["properties"]
    assert said["datetime"] is None and said["start_datetime"] == "2021-03-01T10:10:10Z" and said["end_datetime"] == "2021-11-11T10:10:10Z"
    assert said["proj:code"] == "EPSG:32633" and said["proj:shape"] == [53, 61] and item["assets"] == {}
    assert said["proj:transform"] == [10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_000.0]
    assert said["cube:dimensions"]["t"]["values"][1] == "2021-05-05T10:10:10Z"


def test_a_series_of_images_has_an_item_a_date(tmp_path):
    cube = cubes.generated(tmp_path)
    folder = tmp_path / "series"
    folder.mkdir()
    for i, date in enumerate(["20210301", "20210505", "20210808"]):
        (folder / f"s2_{date}.tif").write_bytes((Path(cube.paths["cog-stac-1.1"]).parent / f"scene_{i}.tif").read_bytes())
    with Server(f"series={folder}", state=tmp_path / "state") as server:
        client = pystac_client.Client.open(server.url)
        found = {item.id: item for item in client.search(datetime="2021-04/2021-12").items()}
        assert {id: item.datetime.date().isoformat() for id, item in found.items()} == {
            "s2_20210505": "2021-05-05", "s2_20210808": "2021-08-08"
        }
        assert all(valid(item.to_dict()) for item in found.values())


def test_tokens_lead_nowhere_else(server):
    first = requests.get(f"{server.url}search", {"collections": "post", "limit": 2}).json()
    (next,) = [link["href"] for link in first["links"] if link["rel"] == "next"]
    assert requests.get(next).status_code == 200
    token = json.loads(requests.utils.unquote(next.split("token=")[1]))
    for href in ("http://127.0.0.1:1/search", token["Service"][1]["href"].replace("/search", "/collections"), "file:///etc/passwd"):
        token["Service"][1]["href"] = href
        answer = requests.get(f"{server.url}search", {"collections": "post", "token": json.dumps(token)})
        assert answer.status_code == 400 and "passwd" not in answer.text, answer.text


def test_the_clients_of_openeo_list_items(server, items):
    connection = openeo.connect(server.url)
    pages = list(connection.collection_items("static", spatial_extent=[-60, -20, 70, 50], temporal_extent=["2018-01-01", None], limit=5))
    found = [item["id"] for page in pages for item in page["features"]]
    expected = [item["id"] for item in items if SEARCHES["box"][1](item)]
    assert len(pages) > 1 and sorted(found) == sorted(expected)
