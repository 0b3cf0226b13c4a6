"""Files of geometries by `load_url`, changed and written again, read by geopandas and pandas, compared with shapely."""

import contextlib
import http.server
import json
import shutil
import sqlite3
import threading
from functools import partial

import geopandas
import numpy as np
import pandas
import pytest
import shapely

import graphs
from binary import ROOT, eolith, run

FIXTURES = ROOT / "crates/engine/tests/fixtures"
FORMATS = {"GeoJSON": "zones.geojson", "Parquet": "zones.parquet", "FlatGeobuf": "zones.fgb", "GPKG": "zones.gpkg"}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serving(folder):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def server():
    with serving(FIXTURES) as address:
        yield address


@pytest.fixture
def zones():
    return geopandas.read_parquet(FIXTURES / "zones.parquet")


def result(server, tmp_path, format, output, **nodes):
    """The file made of a loaded one by `nodes`, the last of which is saved."""
    load = graphs.node("load_url", url=f"{server}/{FORMATS[format]}", format=format)
    last = list(nodes)[-1] if nodes else "load"
    path = tmp_path / f"out.{output.lower()}"
    run(graphs.graph(load=load, **nodes, save=graphs.save(last, output)), output=path)
    return path


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_loaded_is_what_the_file_has(server, tmp_path, zones, format):
    found = geopandas.read_parquet(result(server, tmp_path, format, "Parquet"))
    assert found.crs == zones.crs
    found = found.set_index("crop").loc[zones["crop"]].reset_index()
    assert shapely.equals_exact(found.geometry.values, zones.geometry.values, 1e-9).all()
    assert found["n"].tolist() == zones["n"].tolist()
    np.testing.assert_array_equal(found["area"].astype(float), zones["area"])


def test_buffers_are_those_of_shapely(server, tmp_path, zones):
    for distance in (0.7, 5.0, 33.0, -3.0, -30.0, -60.0):
        grown = graphs.node("vector_buffer", geometries=graphs.of("load"), distance=distance)
        path = result(server, tmp_path, "Parquet", "Parquet", grown=grown)
        found = geopandas.read_parquet(path).geometry.values
        expected = zones.buffer(distance, quad_segs=16).values
        for own, other in zip(found, expected, strict=True):
            assert own.is_empty == other.is_empty, distance
            if other.is_empty:
                continue
            assert own.is_valid, distance
            # Chords stand elsewhere where arcs begin elsewhere: half of one's sagitta on either side.
            sagitta = abs(distance) * (1 - np.cos(np.pi / 64))
            assert own.hausdorff_distance(other) <= 2 * sagitta + 1e-6, distance
            assert abs(own.area - other.area) <= sagitta * other.length, distance


def test_samples_lie_in_their_geometries(server, tmp_path, zones):
    arguments = {"data": graphs.of("load"), "geometry_count": 200, "seed": 3}
    points = graphs.node("vector_to_random_points", **arguments)
    found = geopandas.read_parquet(result(server, tmp_path, "Parquet", "Parquet", points=points))
    for own, zone in zip(found.geometry, zones.geometry, strict=True):
        assert all(zone.distance(point) < 1e-6 for point in own.geoms)
        assert len(own.geoms) == (1 if zone.geom_type == "Point" else 200)


def test_tables(server, tmp_path, zones):
    table = pandas.read_csv(result(server, tmp_path, "GeoJSON", "CSV"), keep_default_na=False)
    assert table["geometry"].tolist() == [0, 1, 2]
    assert table["crop"].tolist() == zones["crop"].tolist()
    assert table["area"].tolist() == ["9984.5", "", "0.001"]


@pytest.fixture
def package(tmp_path):
    """What a GeoPackage gives after statements have changed it: features, or the text of the error."""
    with serving(tmp_path) as address:

        def changed(*statements):
            shutil.copy(FIXTURES / "zones.gpkg", tmp_path / "own.gpkg")
            database = sqlite3.connect(tmp_path / "own.gpkg", isolation_level=None)
            for statement in statements:
                database.execute(statement)
            database.close()
            load = graphs.node("load_url", url=f"{address}/own.gpkg", format="GPKG")
            graph = tmp_path / "graph.json"
            graph.write_text(json.dumps(graphs.graph(load=load, save=graphs.save("load", "GeoJSON"))))
            out = tmp_path / "out.geojson"
            ran = eolith("run", graph, "-o", out)
            return json.loads(out.read_text())["features"] if ran.code == 0 else ran.stderr

        yield changed


def test_properties_of_a_geopackage_have_its_types(package):
    features = package(
        "PRAGMA journal_mode = WAL",
        "ALTER TABLE zones ADD COLUMN dry BOOLEAN",
        "ALTER TABLE zones ADD COLUMN sown DATE",
        "ALTER TABLE zones ADD COLUMN picture BLOB",
        "ALTER TABLE zones ADD COLUMN twice INTEGER GENERATED ALWAYS AS (2 * n) VIRTUAL",
        "UPDATE zones SET dry = n > 0, sown = '2023-05-01', picture = x'00ff' WHERE crop = 'rye'",
        "UPDATE zones SET geom = NULL WHERE crop = ''",
    )
    rye = {"crop": "rye", "n": 3, "area": 9984.5, "dry": True, "sown": "2023-05-01", "value": None}
    assert features[0]["properties"] == rye
    assert features[0]["id"] == 1
    assert features[2]["geometry"] is None and features[2]["properties"]["dry"] is None


ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x AS fid, NULL AS geom FROM c"
STRANGE = {
    "a view as the table of features": ("it has no table `zones`", ["DROP TABLE zones", f"CREATE VIEW zones AS {ENDLESS}"]),
    "a view as the contents": (
        "it has no table `gpkg_contents`",
        ["ALTER TABLE gpkg_contents RENAME TO c", "CREATE VIEW gpkg_contents AS SELECT * FROM c"],
    ),
    "a virtual table": (
        "it has no table `zones`",
        ["DROP TABLE zones", "CREATE VIRTUAL TABLE zones USING rtree(fid, a, b)"],
    ),
    "no features": ("it has no table of features", ["DELETE FROM gpkg_geometry_columns"]),
    "several tables": (
        "several tables of features, one is read: `more`, `zones`",
        [
            "PRAGMA foreign_keys = OFF",
            "INSERT INTO gpkg_contents SELECT 'more', data_type, 'more', description, last_change, min_x, min_y, max_x, max_y, srs_id"
            " FROM gpkg_contents",
            "INSERT INTO gpkg_geometry_columns SELECT 'more', column_name, geometry_type_name, srs_id, z, m FROM gpkg_geometry_columns",
        ],
    ),
    "an unknown system": ("undefined", ["UPDATE gpkg_geometry_columns SET srs_id = -1"]),
    "another system": ("not 4326", ["UPDATE gpkg_geometry_columns SET srs_id = 4326"]),
    "texts without end": (
        "bytes of texts",
        [
            # The default of a column that is added later stands in the file once.
            "WITH RECURSIVE c(x) AS (SELECT 10 UNION ALL SELECT x + 1 FROM c WHERE x < 500) INSERT INTO zones (fid) SELECT x FROM c",
            f"ALTER TABLE zones ADD COLUMN long TEXT DEFAULT '{'x' * 900_000}'",
        ],
    ),
    "a geometry that is none": ("no header", ["UPDATE zones SET geom = 'POINT (1 2)' WHERE fid = 2"]),
}


@pytest.mark.parametrize("case", STRANGE)
def test_strange_geopackages_are_refused(package, case):
    message, statements = STRANGE[case]
    answer = package(*statements)
    assert "FormatUnsuitable" in answer and message in answer
