"""Wrong process graphs: an openEO code, a non-zero exit, no panic, little memory, no hang."""

import json

import pytest

import graphs
from binary import eolith
from graphs import graph, node, of, parameter, reducer

NUMBERS = node("array_create", data=[1, 2, 3])
LOAD = graphs.load("sample")


def add(result=True, **arguments):
    return node("add", result=result, **arguments)


def resampled(resolution, **more):
    warp = node("resample_spatial", data=of("load"), resolution=resolution, projection=None, **more)
    return graph(load=LOAD, warp=warp, save=graphs.save("warp", "GTiff"))


def callback_cycle():
    inner = graph(first=node("add", x=of("second"), y=1), second=node("add", result=True, x=of("first"), y=1))
    return graph(load=LOAD, apply=node("apply", result=True, data=of("load"), process=inner))


def cycle_through_parent():
    inner = graph(one=node("add", result=True, x=parameter("x"), y=of("apply")))
    return graph(load=LOAD, apply=node("apply", result=True, data=of("load"), process=inner))


def deep(depth, opening="[", closing="]"):
    return opening * depth + closing * depth


# Name: (graph as JSON text or as object, one of the codes to be named).
INVALID = "ProcessGraphInvalid ProcessGraphMissing ProcessInvalid RequestBodyInvalid"
COMPLEX = "ProcessGraphComplexity ProcessParameterInvalid"
CASES = {
    "json/empty": ("", INVALID),
    "json/cut off": ('{"process_graph": {"a": {"process_id": "add"', INVALID),
    "json/number": ("42", INVALID),
    "json/array": ("[]", INVALID),
    "json/not text": ("\x00\x01\x02", INVALID),
    "json/two documents": ('{"process_graph":{}} {"process_graph":{}}', INVALID),
    "json/bare NaN": ('{"process_graph":{"a":{"process_id":"absolute","arguments":{"x":NaN},"result":true}}}', INVALID),
    "json/no nodes": (graph(), INVALID),
    "json/node is a text": ({"process_graph": {"a": "add"}}, INVALID),
    "json/no process id": ({"process_graph": {"a": {"arguments": {}, "result": True}}}, INVALID),
    "process/unknown": (graph(a=node("does_not_exist", result=True)), "ProcessUnsupported"),
    "process/misspelt": (graph(a=node("load_colection", result=True)), "ProcessUnsupported"),
    "process/in a callback": (
        graph(l=LOAD, r=node("reduce_dimension", result=True, data=of("l"), dimension="t", reducer=reducer("maxx"))),
        "ProcessUnsupported",
    ),
    "process/namespace": (graph(a={**add(x=1, y=2), "namespace": "nobody"}), "ProcessUnsupported ProcessNamespaceInvalid"),
    "argument/unknown": (graph(a=add(x=1, y=2, z=3)), "ProcessArgumentUnsupported ProcessParameterUnsupported"),
    "argument/missing": (graph(a=add(x=1)), "ProcessParameterRequired"),
    "argument/all missing": (graph(a=node("load_collection", result=True)), "ProcessParameterRequired"),
    "argument/unknown in a callback": (
        graph(l=LOAD, r=node("reduce_dimension", result=True, data=of("l"), dimension="t", reducer=reducer("max", mode=1))),
        "ProcessArgumentUnsupported ProcessParameterUnsupported",
    ),
    "type/text for number": (graph(a=add(x="one", y=2)), "ProcessParameterInvalid"),
    "type/object for number": (graph(a=add(x={"a": 1}, y=2)), "ProcessParameterInvalid"),
    "type/number for bands": (graph(a=graphs.whole("sample", bands=4)["process_graph"]["load"] | {"result": True}),
                              "ProcessParameterInvalid"),
    "type/array for format": (graph(l=LOAD, s=node("save_result", result=True, data=of("l"), format=["GTiff"])),
                              "ProcessParameterInvalid"),
    "type/no callback": (graph(l=LOAD, a=node("apply", result=True, data=of("l"), process="absolute")),
                         "ProcessParameterInvalid"),
    "type/cube for number": (graph(l=LOAD, a=add(x=of("l"), y=1)), "ProcessParameterInvalid"),
    "from_node/missing": (graph(a=add(x=of("b"), y=2)), INVALID),
    "from_node/misspelt": (graph(load=LOAD, s=node("save_result", result=True, data=of("laod"), format="GTiff")), INVALID),
    "from_node/of another level": (
        graph(l=LOAD, n=NUMBERS, a=node("apply", result=True, data=of("l"),
                                        process=graph(x=add(x=parameter("x"), y=of("n"))))),
        INVALID,
    ),
    "from_node/not a text": (graph(a=add(x={"from_node": 1}, y=2)), INVALID),
    "from_parameter/none": (graph(a=add(x=parameter("x"), y=2)), "ProcessParameterMissing ProcessGraphInvalid"),
    "from_parameter/wrong name": (
        graph(l=LOAD, a=node("apply", result=True, data=of("l"), process=graph(x=add(x=parameter("value"), y=1)))),
        "ProcessParameterMissing ProcessGraphInvalid",
    ),
    "from_parameter/of a sibling": (
        graph(
            l=LOAD,
            r=node("reduce_dimension", data=of("l"), dimension="t", reducer=reducer("max")),
            a=node("apply", result=True, data=of("r"), process=graph(x=add(x=parameter("data"), y=1))),
        ),
        "ProcessParameterMissing ProcessGraphInvalid",
    ),
    "result/two": (graph(a=add(x=1, y=2), b=add(x=3, y=4)), INVALID),
    "result/two in a callback": (
        graph(l=LOAD, a=node("apply", result=True, data=of("l"),
                             process=graph(x=add(x=parameter("x"), y=1), y=add(x=parameter("x"), y=2)))),
        INVALID,
    ),
    "result/three": (graph(a=add(x=1, y=2), b=add(x=3, y=4), c=NUMBERS | {"result": True}), INVALID),
    "result/none": (graph(a=add(False, x=1, y=2), b=add(False, x=3, y=4)), INVALID),
    "result/none in a callback": (
        graph(l=LOAD, a=node("apply", result=True, data=of("l"),
                             process=graph(x=add(False, x=parameter("x"), y=1), y=add(False, x=of("x"), y=1)))),
        INVALID,
    ),
    "result/not a boolean": (graph(a={**add(False, x=1, y=2), "result": "yes"}, b=add(False, x=1, y=2)), INVALID),
    "cycle/itself": (graph(a=add(x=of("a"), y=1)), INVALID),
    "cycle/two nodes": (graph(a=add(x=of("b"), y=1), b=add(False, x=of("a"), y=1)), INVALID),
    "cycle/in a callback": (callback_cycle(), INVALID),
    "cycle/through a callback": (cycle_through_parent(), INVALID),
    "size/array of 10^9": (graph(a=node("array_create", result=True, data=[1], repeat=10**9)), COMPLEX),
    "size/array of 10^18": (graph(a=node("array_create", result=True, data=[1, 2], repeat=10**18)), COMPLEX),
    "size/10^12 pixels": (resampled(0.001), COMPLEX),
    "size/10^30 pixels": (resampled(1e-12), COMPLEX),
    "size/no resolution": (resampled(-1), "ProcessParameterInvalid"),
    "size/huge number": (graph(a=node("array_create", result=True, data=[1], repeat=1e300)), COMPLEX),
    "deep/arrays": (deep(100_000), INVALID),
    "deep/objects": (deep(100_000, '{"a":', "}"), INVALID),
    "deep/argument": (
        '{"process_graph":{"a":{"process_id":"array_create","result":true,"arguments":{"data":' + deep(100_000) + "}}}}",
        INVALID + " ProcessGraphComplexity",
    ),
    "deep/callbacks": (
        '{"process_graph":{"a":{"process_id":"apply","arguments":{"process":' * 50_000 + "1" + "}}}}" * 50_000,
        INVALID + " ProcessGraphComplexity",
    ),
    "collection/unknown": (graphs.whole("nothing"), "CollectionNotFound"),
    "collection/unknown band": (graphs.whole("sample", bands=["B99"]), "ProcessParameterInvalid BandNotAvailable"),
    "collection/empty time": (
        graphs.whole("sample", temporal_extent=["2024-02-01", "2024-02-01"]), "TemporalExtentEmpty ProcessParameterInvalid"
    ),
    "dimension/unknown": (
        graph(l=LOAD, r=node("reduce_dimension", result=True, data=of("l"), dimension="time", reducer=reducer("max"))),
        "DimensionNotAvailable",
    ),
    "format/unknown": (graphs.whole("sample", "GIF"), "FormatUnsuitable ProcessParameterInvalid"),
}

# The largest resident size a refusal may take; the binary alone needs some tens of megabytes.
MOST = 400 << 20


@pytest.mark.parametrize("name", CASES)
def test_is_refused(name, sample):
    given, codes = CASES[name]
    text = given if isinstance(given, str) else json.dumps(given)
    refused = eolith("run", "-", f"sample={sample}", "--discard", "--json", stdin=text, timeout=30)
    assert refused.code == 1, (refused.code, refused.stdout[-500:], refused.stderr[-2000:])
    assert "panicked" not in refused.stderr
    assert any(code in refused.stderr for code in codes.split()), refused.stderr[-2000:]
    assert refused.stdout == ""
    assert refused.peak_rss < MOST
    assert len(refused.stderr) < 100_000


def test_there_are_enough_of_each():
    kinds = [name.split("/")[0] for name in CASES]
    assert len(kinds) > 30
    for kind in ("json", "process", "argument", "type", "from_node", "from_parameter", "result", "cycle", "size", "deep"):
        assert kinds.count(kind) >= 3, kind


def test_all_problems_are_named_at_once(sample):
    text = json.dumps(graph(a=add(False, x=1), b=node("nope", x=of("c")), d=add(x=of("a"), y="two")))
    for command in (["run", "-", "--discard"], ["validate", "-"], ["explain", "-"]):
        refused = eolith(command[0], "-", f"sample={sample}", *command[2:], stdin=text)
        assert refused.code == 1
        for part in ("ProcessParameterRequired", "`a`", "`y`", "ProcessUnsupported", "`nope`", "`c`"):
            assert part in refused.stderr + refused.stdout, (command, part, refused.stderr)


def test_wrong_command_lines_are_usage_errors(sample, tmp_path):
    assert eolith("run").code == 2
    assert eolith("unknown").code == 2
    assert eolith("run", "-", sample, "--memory", "lots").code == 2
    missing = eolith("run", tmp_path / "none.json")
    assert missing.code == 1 and "none.json" in missing.stderr


def test_ten_thousand_nodes(tmp_path):
    nodes = {"n0": add(False, x=0, y=1)}
    for i in range(1, 10_000):
        nodes[f"n{i}"] = add(i == 9_999, x=of(f"n{i - 1}"), y=1)
    output = tmp_path / "sum.json"
    result = eolith("run", "-", "-o", output, stdin=json.dumps({"process_graph": nodes}), timeout=60)
    assert result.code == 0, result.stderr
    assert json.loads(output.read_text()) == 10_000
    assert result.peak_rss < MOST


def test_ten_thousand_nodes_on_pixels(sample, tmp_path):
    nodes = {"load": graphs.load("sample", bands=["B04"]), "n0": node("filter_bands", data=of("load"), bands=["B04"])}
    for i in range(1, 10_000):
        nodes[f"n{i}"] = node("filter_bands", result=i == 9_999, data=of(f"n{i - 1}"), bands=["B04"])
    result = eolith("run", "-", f"sample={sample}", "--discard", "--json",
                    stdin=json.dumps({"process_graph": nodes}), timeout=60)
    assert result.code == 0, result.stderr[-2000:]
    plain = eolith("run", "-", f"sample={sample}", "--discard", "--json",
                   stdin=json.dumps(graph(load=graphs.load("sample", bands=["B04"]) | {"result": True})))
    assert result.figures["checksum"] == plain.figures["checksum"]
