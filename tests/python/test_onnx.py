"""Models from ONNX files beside ONNX Runtime: the same numbers, whoever made the file."""

import json

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import InferenceSession
from skl2onnx import to_onnx
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from binary import eolith

FEATURES = 5
CLASSES = make_classification(300, FEATURES, n_informative=4, n_redundant=1, n_classes=3, random_state=1)
TWO = make_classification(300, FEATURES, n_informative=4, n_redundant=1, n_classes=2, random_state=2)
NUMBERS = make_regression(300, FEATURES, noise=2.0, random_state=3)
SEVERAL = make_regression(300, FEATURES, n_targets=3, noise=2.0, random_state=4)

LEARNED = {
    "forest of classes": (RandomForestClassifier(20, max_depth=6, random_state=1), CLASSES),
    "forest of two classes": (RandomForestClassifier(20, random_state=1), TWO),
    "forest of numbers": (RandomForestRegressor(20, random_state=1), NUMBERS),
    "forest of several numbers": (ExtraTreesRegressor(10, random_state=1), SEVERAL),
    "tree": (DecisionTreeClassifier(random_state=1), CLASSES),
    "boosted classes": (GradientBoostingClassifier(n_estimators=10, random_state=1), CLASSES),
    "two boosted classes": (GradientBoostingClassifier(n_estimators=10, random_state=1), TWO),
    "boosted numbers": (GradientBoostingRegressor(n_estimators=10, random_state=1), NUMBERS),
    "logistic": (LogisticRegression(), CLASSES),
    "logistic of two": (LogisticRegression(), TWO),
    "linear": (LinearRegression(), NUMBERS),
    "linear of several": (LinearRegression(), SEVERAL),
    "network of classes": (MLPClassifier((16, 8), max_iter=50, random_state=1), CLASSES),
    "network of two classes": (MLPClassifier((8,), activation="tanh", max_iter=50, random_state=1), TWO),
    "network of numbers": (MLPRegressor(hidden_layer_sizes=(16,), activation="logistic", max_iter=50, random_state=1), NUMBERS),
    "scaled": (make_pipeline(StandardScaler(), MinMaxScaler(), LogisticRegression()), CLASSES),
    "normalised": (make_pipeline(Normalizer(), LinearRegression()), NUMBERS),
    "imputed": (make_pipeline(SimpleImputer(), RandomForestRegressor(5, random_state=1)), NUMBERS),
}

pytestmark = pytest.mark.filterwarnings("ignore")


def float_input(width=FEATURES):
    return helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", width])


def made(nodes, weights=(), outputs=("y",), inputs=None, opset=18):
    """A model of nodes `(operator, inputs, outputs, attributes)`."""
    nodes = [helper.make_node(op, list(given), list(gives), **more) for op, given, gives, more in nodes]
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in dict(weights).items()]
    results = [helper.make_empty_tensor_value_info(name) for name in outputs]
    graph = helper.make_graph(nodes, "graph", inputs or [float_input()], results, weights)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def random(*shape, seed=7):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def chain(*ops, **weights):
    """Operators one after the other, from `x` to `y`; further inputs are weights."""
    nodes, last = [], "x"
    for i, (op, more, settings) in enumerate(ops):
        gives = "y" if i == len(ops) - 1 else f"v{i}"
        nodes.append((op, [last, *more], [gives], settings))
        last = gives
    return made(nodes, weights)


def plain(op, **settings):
    return (op, [], settings)


ACTIVATIONS = [
    "Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Exp", "Abs", "Neg", "Floor", "Ceil", "Round", "Sign", "Erf",
    "LeakyRelu", "Elu", "Selu", "HardSigmoid", "HardSwish", "ThresholdedRelu", "Identity",
]  # fmt: skip

BUILT = {op: chain(plain(op)) for op in ACTIVATIONS} | {
    "perceptron": chain(
        ("Gemm", ["a", "b"], {"transB": 1, "alpha": 0.5, "beta": 2.0}),
        plain("Relu"),
        ("BatchNormalization", ["s", "o", "m", "v"], {}),
        ("MatMul", ["c"], {}),
        plain("Softmax", axis=-1),
        a=random(40, FEATURES), b=random(40), c=random(40, 6),
        s=random(40, seed=1), o=random(40, seed=2), m=random(40, seed=3), v=abs(random(40, seed=4)),
    ),
    "layers": chain(
        ("LayerNormalization", ["s", "o"], {}), plain("LogSoftmax", axis=1), s=random(FEATURES), o=random(FEATURES, seed=1)
    ),
    "clipped": chain(("Clip", ["low", "high"], {}), low=np.float32(-0.5), high=np.float32(0.75)),
    "logarithm": chain(plain("Abs"), ("Add", ["one"], {}), plain("Log"), plain("Sqrt"), one=np.float32(1)),
    "divided": chain(("Div", ["row"], {}), ("Sub", ["one"], {}), row=random(1, FEATURES), one=random(1)),
    "powers": chain(plain("Abs"), ("Pow", ["row"], {}), plain("Reciprocal"), row=np.float32([0.5, 1, 2, 3, -1])),
    "extremes": chain(("Max", ["row"], {}), ("Min", ["one"], {}), row=random(FEATURES), one=np.float32(0.4)),
    "prelu": chain(("PRelu", ["row"], {}), row=random(FEATURES)),
    "sum": chain(("ReduceSum", ["axes"], {"keepdims": 0}), axes=np.int64([1])),
    "mean of all": chain(("ReduceMean", ["axes"], {}), axes=np.int64([-1])),
    "norm": chain(("ReduceL2", ["axes"], {}), axes=np.int64([1])),
    "picked": chain(("Gather", ["at"], {"axis": 1}), at=np.int64([3, -1, 0])),
    "best": chain(plain("ArgMax", axis=1, keepdims=0)),
    "worst": chain(plain("ArgMin", axis=-1, keepdims=1), plain("Cast", to=TensorProto.FLOAT)),
    "flat": chain(plain("Flatten"), ("MatMul", ["w"], {}), w=random(FEATURES)),
    "column": chain(("MatMul", ["w"], {}), ("Reshape", ["shape"], {}), w=random(FEATURES, 1), shape=np.int64([-1])),
    "index": made(
        [
            ("Greater", ["x", "zero"], ["positive"], {}),
            ("Mul", ["x", "two"], ["twice"], {}),
            ("Where", ["positive", "twice", "x"], ["chosen"], {}),
            ("Concat", ["chosen", "x"], ["y"], {"axis": 1}),
        ],
        {"zero": np.float32(0), "two": np.float32(2)},
    ),
    "two results": made(
        [("ReduceMean", ["x", "axes"], ["mean"], {}), ("Sub", ["x", "mean"], ["rest"], {})],
        {"axes": np.int64([1])},
        ["mean", "rest"],
    ),
    "two inputs": made(
        [("MatMul", ["a", "w"], ["c"], {}), ("Mul", ["c", "b"], ["y"], {})],
        {"w": random(3, 2)},
        inputs=[
            helper.make_tensor_value_info("a", TensorProto.FLOAT, ["N", 3]),
            helper.make_tensor_value_info("b", TensorProto.FLOAT, ["N", 2]),
        ],
    ),
    "doubles": made(
        [("MatMul", ["x", "w"], ["y"], {})],
        {"w": random(FEATURES, 2).astype(float)},
        inputs=[helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["N", FEATURES])],
    ),
    "constants": made(
        [
            ("Constant", [], ["w"], {"value": numpy_helper.from_array(random(2, FEATURES))}),
            ("Transpose", ["w"], ["t"], {}),
            ("Cast", ["t"], ["c"], {"to": TensorProto.FLOAT}),
            ("MatMul", ["x", "c"], ["y"], {}),
        ]
    ),
}


@pytest.fixture
def space(tmp_path):
    (tmp_path / "files").mkdir()
    return tmp_path


def ask(space, data, model, *more):
    arguments = {"data": data, "model": model}
    request = json.dumps({"id": 1, "process_id": "predict_onnx", "arguments": arguments})
    done = eolith("eval", "--workspace", space, *more, stdin=request + "\n")
    return json.loads(done.stdout)


def cube(samples, missing=None):
    """Samples along x, features along bands."""
    n, features = samples.shape
    dims = {
        "bands": {"type": "bands", "labels": [f"B{i}" for i in range(features)]},
        "x": {"type": "spatial", "axis": "x", "labels": [float(i) for i in range(n)]},
    }
    flat = [{"@": "number", "value": "NaN"} if np.isnan(v) else float(v) for v in samples.T.ravel()]
    if missing is not None:
        flat = [{"@": "nodata"} if gone else v for v, gone in zip(flat, missing.T.ravel())]
    return {
        "@": "datacube", "dims": list(dims), "dimensions": dims, "shape": [features, n], "values": flat, "dtype": "float32",
    }  # fmt: skip


def samples(n=97, seed=9):
    return (np.random.default_rng(seed).normal(size=(n, FEATURES)) * 1.5).astype("float32")


def expected(model, given):
    """What ONNX Runtime says: names of bands, a column each."""
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    inputs, rest = {}, given
    for own in session.get_inputs():
        width = own.shape[1] if isinstance(own.shape[1], int) else given.shape[1]
        part, rest = rest[:, :width], rest[:, width:]
        inputs[own.name] = part.astype("float64" if "double" in own.type else "float32")
    names, columns = [], []
    for own, value in zip(session.get_outputs(), session.run(None, inputs)):
        value = np.asarray(value)
        if value.dtype.kind in "OU":
            continue
        value = value.reshape(len(given), -1)
        width = value.shape[1]
        names += [own.name] if width == 1 else [f"{own.name}_{k}" for k in range(width)]
        columns += list(value.T)
    return names, np.array(columns, float)


def compare(space, model, given, tolerance=2e-5):
    (space / "files/model.onnx").write_bytes(model.SerializeToString())
    names, columns = expected(model, given)
    answer = ask(space, cube(given), "model.onnx")
    assert "error" not in answer, answer["error"]
    found = answer["result"]
    assert found["dimensions"]["bands"]["labels"] == names
    values = np.array([float("nan") if isinstance(v, dict) else v for v in found["values"]], float)
    np.testing.assert_allclose(values.reshape(columns.shape), columns, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", LEARNED)
def test_learned_models_say_the_same(space, name):
    estimator, (data, target) = LEARNED[name]
    estimator.fit(data.astype("float32"), target)
    options = {id(estimator): {"zipmap": False}} if hasattr(estimator, "classes_") else None
    model = to_onnx(estimator, data[:1].astype("float32"), options=options)
    compare(space, model, samples())


@pytest.mark.parametrize("name", BUILT)
def test_built_models_say_the_same(space, name):
    compare(space, BUILT[name], samples())


def test_texts_of_classes_are_left_out(space):
    data, target = CLASSES
    names = np.array(["wood", "water", "town"])[target]
    estimator = RandomForestClassifier(5, random_state=1).fit(data.astype("float32"), names)
    model = to_onnx(estimator, data[:1].astype("float32"), options={id(estimator): {"zipmap": False}})
    compare(space, model, samples())


def test_results_do_not_depend_on_the_other_pixels(space):
    given = samples(301)
    (space / "files/model.onnx").write_bytes(BUILT["perceptron"].SerializeToString())
    whole = ask(space, cube(given), "model.onnx")["result"]["values"]
    whole = np.array(whole).reshape(6, -1)
    for part in (slice(0, 1), slice(17, 31), slice(100, 301)):
        some = ask(space, cube(given[part]), "model.onnx")["result"]["values"]
        assert np.array_equal(np.array(some).reshape(6, -1), whole[:, part])
    chunks = ask(space, cube(given), "model.onnx", "--way", "chunks")["result"]["values"]
    assert np.array_equal(np.array(chunks).reshape(6, -1), whole)


def test_no_data_stays_and_nan_is_asked(space):
    given = samples(6)
    given[4, 1] = np.nan
    missing = np.zeros(given.shape, bool)
    missing[2, 3] = True
    (space / "files/model.onnx").write_bytes(BUILT["Relu"].SerializeToString())
    values = ask(space, cube(given, missing), "model.onnx")["result"]["values"]
    values = np.array(values, object).reshape(FEATURES, -1)
    assert all(value is None for value in values[:, 2])
    assert values[1, 4] == {"@": "number", "value": "NaN"}
    assert sum(not isinstance(value, float | int) for value in values.ravel()) == FEATURES + 1


def test_a_stac_item_names_the_file(space):
    (space / "files/deep").mkdir()
    (space / "files/deep/relu.onnx").write_bytes(BUILT["Relu"].SerializeToString())
    asset = {"href": "./deep/relu.onnx", "roles": ["mlm:model"], "type": "application/octet-stream"}
    item = {"type": "Feature", "stac_version": "1.1.0", "id": "relu", "geometry": None, "assets": {"model": asset}}
    (space / "files/item.json").write_text(json.dumps(item))
    given = samples(4)
    answer = ask(space, cube(given), "item.json")
    assert np.allclose(answer["result"]["values"], np.maximum(given.T, 0).ravel())


REFUSED = {
    "no model": (b"GIF89a is no model", "it is no ONNX model"),
    "nothing": (b"", "it is no ONNX model"),
    "other features": (chain(("MatMul", ["w"], {}), w=random(3, 2)), "5 columns meet weights of [3, 2]"),
    "fixed features": (made([("Relu", ["x"], ["y"], {})], inputs=[float_input(4)]), "it wants 4 features, the data cube has 5"),
    "image": (
        made(
            [("Relu", ["x"], ["y"], {})],
            inputs=[helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 5, 64, 64])],
        ),
        "has 4 dimensions",
    ),
    "unknown": (made([("Foo", ["x"], ["y"], {})]), "`Foo`: this operator is not supported"),
    "mixed": (chain(plain("Softmax", axis=0)), "does not work on each sample by itself"),
    "transposed": (chain(plain("Transpose")), "`Transpose`: it does not work on each sample by itself"),
    "large": (
        chain(("ConstantOfShape", [], {})),
        "`ConstantOfShape`: this operator is not supported",
    ),
    "branch": (
        made([("If", ["x"], ["y"], {"then_branch": BUILT["Relu"].graph, "else_branch": BUILT["Relu"].graph})]),
        "branches or loops",
    ),
    "text": (
        made([("Relu", ["x"], ["y"], {})], inputs=[helper.make_tensor_value_info("x", TensorProto.STRING, ["N", 5])]),
        "no type of numbers",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_asked_is_refused_with_its_reason(space, name):
    model, reason = REFUSED[name]
    content = model if isinstance(model, bytes) else model.SerializeToString()
    (space / "files/model.onnx").write_bytes(content)
    error = ask(space, cube(samples(3)), "model.onnx")["error"]
    assert error["code"] == "ModelUnsuitable" and reason in error["message"], error


def test_broken_files_end_in_an_error(space):
    """Bytes cut off, turned around and repeated: an answer or a reason, and never the end of the process."""
    estimator = RandomForestClassifier(3, max_depth=3, random_state=1).fit(*CLASSES)
    whole = [
        to_onnx(estimator, CLASSES[0][:1].astype("float32")).SerializeToString(),
        BUILT["perceptron"].SerializeToString(),
        BUILT["index"].SerializeToString(),
    ]
    chance = np.random.default_rng(5)
    lines, names = [], []
    for i in range(600):
        content = bytearray(whole[i % 3])
        for _ in range(1 + chance.integers(4)):
            at = int(chance.integers(len(content)))
            how = chance.integers(4)
            if how == 0:
                content[at] = int(chance.integers(256))
            elif how == 1:
                content = content[: at + 1]
            elif how == 2:
                content[at:at] = content[at : at + 40]
            else:
                content[at] ^= 1 << int(chance.integers(8))
        (space / f"files/{i}.onnx").write_bytes(content)
        arguments = {"data": cube(samples(2)), "model": f"{i}.onnx"}
        lines.append(json.dumps({"id": i, "process_id": "predict_onnx", "arguments": arguments}))
    done = eolith("eval", "--workspace", space, stdin="\n".join(lines) + "\n")
    assert done.code == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == list(range(600))
    errors = [answer["error"]["code"] for answer in answers if "error" in answer]
    assert set(errors) == {"ModelUnsuitable"} and 100 < len(errors) < 600


def test_a_small_file_takes_little_memory(space):
    """Weights that would be multiplied to billions, and rows that are put beside each other again and again."""
    wide = made(
        [("Mul", ["a", "b"], ["c"], {}), ("MatMul", ["x", "c"], ["y"], {})],
        {"a": np.ones((20000, 1), "float32"), "b": np.ones((1, 20000), "float32")},
    )
    doubled = [("Concat", [f"v{i}", f"v{i}"], [f"v{i + 1}"], {"axis": 1}) for i in range(40)]
    doubled = made([("Identity", ["x"], ["v0"], {}), *doubled], outputs=["v40"])
    for model in (wide, doubled):
        (space / "files/model.onnx").write_bytes(model.SerializeToString())
        data = json.dumps({"id": 1, "process_id": "predict_onnx", "arguments": {"data": cube(samples(3)), "model": "model.onnx"}})
        done = eolith("eval", "--workspace", space, stdin=data + "\n")
        assert json.loads(done.stdout)["error"]["code"] == "ModelUnsuitable"
        assert done.peak_rss < 200 << 20

