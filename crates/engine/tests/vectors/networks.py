"""Models from ONNX files: `predict_onnx`.

They lie below `workspace/files`; this script writes them with the `onnx` package. `--check` leaves them alone. Expected
values are numpy's.
"""

import sys
from pathlib import Path

import numpy as np
from encoding import axis, bands, cube, times, vector, write
from onnx import TensorProto, helper, numpy_helper

FILES = Path(__file__).parent / "workspace/files"
X = axis(500005.0, 10.0, 4, "x")
Y = axis(5000095.0, -10.0, 2, "y")
RED = np.array([[1, 4, 2, 6], [3, 8, 5, 7]], "float32")
NIR = np.array([[5, 4, 9, 2], [3, 1, 5, 16]], "float32")
DATA = np.stack([RED, NIR])
DIMS = {"bands": bands("red", "nir"), "y": Y, "x": X}


def model(name, nodes, weights, outputs, shape=("N", 2), kind=TensorProto.FLOAT):
    """Writes a model of nodes `(operator, inputs, outputs, attributes)` with the input `x`."""
    if "--check" in sys.argv:
        return
    nodes = [helper.make_node(op, given, gives, **more) for op, given, gives, more in nodes]
    weights = [numpy_helper.from_array(np.asarray(value), key) for key, value in weights.items()]
    results = [helper.make_empty_tensor_value_info(own) for own in outputs]
    given = [helper.make_tensor_value_info("x", kind, shape)]
    graph = helper.make_graph(nodes, "graph", given, results, weights)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    (FILES / f"{name}.onnx").write_bytes(made.SerializeToString())


def predict(name, data, returns=None, throws=None, **more):
    vector("predict_onnx", {"data": data, "model": name, **more}, returns, throws=throws)


# A sum with weights, which are exact in 32 bits.
WEIGHTS = np.array([[0.5], [-2.0]], "float32")
model("weighted", [("MatMul", ["x", "w"], ["sum"], {})], {"w": WEIGHTS}, ["sum"])
weighted = (0.5 * RED - 2 * NIR)[None]
predict("weighted.onnx", cube(DATA, DIMS, dtype="float32"), cube(weighted, DIMS | {"bands": bands("sum")}))
# Bands may stand anywhere, and integers are features like others.
moved = {"y": Y, "x": X, "bands": bands("red", "nir")}
found = cube(np.moveaxis(weighted, 0, 2), moved | {"bands": bands("sum")})
predict("/weighted.onnx", cube(np.moveaxis(DATA, 0, 2).astype(int), moved, dtype="int16"), found)
# No-data in one band is no-data in all results.
gone = (RED == 2) | (NIR == 16)
missing = np.stack([RED == 2, NIR == 16])
holes = cube(weighted, DIMS | {"bands": bands("sum")}, missing=gone[None])
predict("weighted.onnx", cube(DATA, DIMS, dtype="float32", missing=missing), holes)

# A network of two layers with two results: probabilities (a fraction of powers) and the best class.
HIDDEN = np.array([[1.0, -1.0, 0.5], [0.25, 0.5, -0.75]], "float32")
OUT = np.array([[0.5, -0.25, 1.0], [0.125, 0.75, -0.5], [-1.0, 0.25, 0.5]], "float32")
BIAS = np.array([0.5, -0.5, 0.25], "float32")
nodes = [
    ("Gemm", ["x", "hidden", "bias"], ["a"], {}),
    ("Relu", ["a"], ["b"], {}),
    ("MatMul", ["b", "out"], ["scores"], {}),
    ("Softmax", ["scores"], ["share"], {"axis": 1}),
    ("ArgMax", ["share"], ["class"], {"axis": 1, "keepdims": 0}),
]
model("layers", nodes, {"hidden": HIDDEN, "bias": BIAS, "out": OUT}, ["class", "share"])
samples = DATA.reshape(2, -1).T.astype(float)
scores = np.maximum(samples @ HIDDEN + BIAS, 0) @ OUT
powers = np.exp(scores - scores.max(axis=1, keepdims=True))
share = powers / powers.sum(axis=1, keepdims=True)
both = np.column_stack([share.argmax(axis=1), share]).T.reshape(4, 2, 4)
names = bands("class", "share_0", "share_1", "share_2")
data = cube(DATA, DIMS, dtype="float32")
vector("predict_onnx", {"data": data, "model": "layers.onnx"}, cube(both, DIMS | {"bands": names}), delta=1e-6)

# Each date by itself; a cube without bands has one feature.
dated = {"t": times("2021-05-05", "2021-05-15"), "y": Y, "x": X}
model("squares", [("Mul", ["x", "x"], ["square"], {})], {}, ["square"], ("N", 1))
squares = {**dated, "bands": bands("square")}
predict("squares.onnx", cube(DATA, dated, dtype="float32"), cube((DATA**2)[..., None], squares))

# Two trees: the first asks whether red is at most 3, the second whether nir is above 4.5. NaN goes right.
nodes = {
    "nodes_treeids": [0, 0, 0, 1, 1, 1],
    "nodes_nodeids": [0, 1, 2, 0, 1, 2],
    "nodes_featureids": [0, 0, 0, 1, 0, 0],
    "nodes_values": [3.0, 0.0, 0.0, 4.5, 0.0, 0.0],
    "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_GT", "LEAF", "LEAF"],
    "nodes_truenodeids": [1, 0, 0, 1, 0, 0],
    "nodes_falsenodeids": [2, 0, 0, 2, 0, 0],
    "target_treeids": [0, 0, 1, 1],
    "target_nodeids": [1, 2, 1, 2],
    "target_ids": [0, 0, 0, 0],
    "target_weights": [1.0, 10.0, 100.0, 1000.0],
}
trees = ("TreeEnsembleRegressor", ["x"], ["height"], {"domain": "ai.onnx.ml", "n_targets": 1, **nodes})
model("trees", [trees], {}, ["height"])
unknown = DATA.copy()
unknown[0, 0, 0] = np.nan
height = np.where(unknown[0] <= 3, 1, 10) + np.where(unknown[1] > 4.5, 100, 1000)
predict("trees.onnx", cube(unknown, DIMS, dtype="float32"), cube(height[None] * 1.0, DIMS | {"bands": bands("height")}))

# What is no such model, wants other features, or mixes pixels.
predict("nothing.onnx", data, throws="FileNotFound")
predict("../weighted.onnx", data, throws="FileNotFound")
predict("zones.geojson", data, throws="ModelUnsuitable")
predict("other.tif", data, throws="ModelUnsuitable")
predict("squares.onnx", data, throws="ModelUnsuitable")
model("mixed", [("Softmax", ["x"], ["share"], {"axis": 0})], {}, ["share"])
predict("mixed.onnx", data, throws="ModelUnsuitable")
model("image", [("Relu", ["x"], ["y"], {})], {}, ["y"], ("N", 2, 64, 64))
predict("image.onnx", data, throws="ModelUnsuitable")
predict(7, data, throws="ProcessParameterInvalid")
predict("weighted.onnx", 3, throws="ProcessParameterInvalid")
predict("weighted.onnx", data, throws="ProcessParameterUnsupported", band="sum")

write(__file__)
