"""`eolith processes --missing`: what a process graph would lack here."""

import json
import sys

import graphs
from binary import eolith


def missing(tmp_path, graph, python=sys.executable):
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(graph))
    return eolith("processes", "--missing", path, "--udf-python", python)


def test_nothing_is_missing(tmp_path):
    told = missing(tmp_path, graphs.ndvi_maximum("cube"))
    assert (told.code, told.stdout) == (0, ""), told.stderr
    assert "nothing is missing" in told.stderr


def test_all_that_is_missing_is_listed_with_its_nodes(tmp_path):
    inner = graphs.graph(deep=graphs.node("no_such_reducer", result=True, data=graphs.parameter("data")))
    graph = graphs.graph(
        load=graphs.load("cube"),
        strange=graphs.node("no_such_process", data=graphs.of("load")),
        again=graphs.node("no_such_process", data=graphs.of("strange")),
        reduced=graphs.node("reduce_dimension", data=graphs.of("again"), dimension="t", reducer=inner),
        save=graphs.save("reduced", "clay tablet"),
    )
    told = missing(tmp_path, graph)
    assert told.code == 1
    assert told.stdout.splitlines() == [
        "process `no_such_process` at node `strange`, node `again`",
        "process `no_such_reducer` at node `reduced` → callback `reducer` → node `deep`",
        "output format `clay tablet` at node `save`",
    ], told.stdout
    assert "3 of what" in told.stderr


def test_languages_and_input_formats_are_known(tmp_path):
    def graph(runtime, format):
        url = graphs.node("load_url", url="https://example.com/a", format=format)
        made = graphs.node("run_udf", data=graphs.of("load"), udf="a\nb", runtime=runtime)
        return graphs.graph(load=url, made=made, save=graphs.save("made", "GTiff"))

    told = missing(tmp_path, graph("Python", "geojson"))
    assert (told.code, told.stdout) == (0, ""), told.stderr
    told = missing(tmp_path, graph("R", "Papyrus"))
    assert told.stdout.splitlines() == [
        "input format `Papyrus` at node `load`",
        "runtime of functions `R` at node `made`",
    ]
    told = missing(tmp_path, graph("python", "GTiff"), "/nowhere/python3")
    assert told.stdout.splitlines() == [
        "process `run_udf` at node `made`",
        "runtime of functions `python` at node `made`",
    ]


def test_what_is_no_process_graph_is_an_error(tmp_path):
    path = tmp_path / "graph.json"
    path.write_text("[")
    told = eolith("processes", "--missing", path)
    assert told.code == 1 and "error" in told.stderr and told.stdout == ""
