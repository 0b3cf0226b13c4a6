"""`eolith eval`: process calls on standard input, one answer a line, in order, nothing else."""

import json

import pytest

from binary import eolith

CUBE = {
    "@": "datacube",
    "dims": ["t", "x"],
    "dimensions": {
        "t": {
            "type": "temporal",
            "labels": [
                {"@": "datetime", "value": "2020-01-01T00:00:00Z"},
                {"@": "datetime", "value": "2020-01-11T00:00:00Z"},
            ],
        },
        "x": {"type": "spatial", "axis": "x", "reference_system": "EPSG:32633", "labels": [5.0, 15.0]},
    },
    "shape": [2, 2],
    "values": [1, 2, 255, 7],
    "nodata": 255,
}
MEAN = {
    "@": "process",
    "process_graph": {
        "mean": {
            "process_id": "mean",
            "arguments": {"data": {"from_parameter": "data"}},
            "result": True,
        }
    },
}


def ask(requests, *options):
    text = "".join(request if isinstance(request, str) else json.dumps(request) + "\n" for request in requests)
    done = eolith("eval", *options, stdin=text)
    assert done.code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("way", ["reference", "whole", "chunks"])
def test_answers_come_in_order(way):
    answers = ask(
        [
            {"id": 0, "op": "list_processes"},
            {"id": 7, "process_id": "add", "arguments": {"x": 1, "y": 2.5}},
            {"id": 8, "process_id": "sum", "arguments": {"data": [5, 1]}},
            {"id": "nine", "process_id": "divide", "arguments": {"x": 1, "y": 0}},
            {"id": 10, "process_id": "max", "arguments": {"data": [{"@": "nodata"}, None]}},
            {
                "id": 11,
                "process_id": "reduce_dimension",
                "arguments": {"data": CUBE, "reducer": MEAN, "dimension": "t"},
            },
        ],
        "--way",
        way,
    )
    assert "reduce_dimension" in answers[0]["result"]
    assert answers[1] == {"id": 7, "result": 3.5}
    assert answers[2]["result"] == 6 and isinstance(answers[2]["result"], int)
    assert answers[3] == {"id": "nine", "result": {"@": "number", "value": "Infinity"}}
    assert answers[4]["result"] in (None, {"@": "nodata"})
    reduced = answers[5]["result"]
    assert (reduced["dims"], reduced["shape"]) == (["x"], [2])
    assert reduced["values"] == [1.0, 4.5]


def test_errors_are_answers():
    answers = ask(
        [
            {"id": 1, "process_id": "nothing", "arguments": {}},
            {"id": 2, "process_id": "drop_dimension", "arguments": {"data": CUBE, "name": "t"}},
            "this is no JSON\n",
            {"id": 4, "process_id": "absolute", "arguments": {"x": -3}},
        ]
    )
    assert answers[0]["error"]["code"] == "ProcessUnsupported"
    assert answers[1]["error"]["code"] == "DimensionLabelCountMismatch"
    assert "error" in answers[2]
    assert answers[3] == {"id": 4, "result": 3}
