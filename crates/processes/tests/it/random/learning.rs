//! Arguments of processes that fit curves and ask models.

use std::sync::Arc;

use eolith_cube::{Kind, Schema};
use eolith_plan::model::network::Network;
use serde_json::{Value as Json, json};

use super::callbacks::callback;
use super::chance::Chance;

/// `a + b x`, or `a + b cos(c x)`, of the parameters of a curve.
pub(super) fn curve(chance: &mut Chance) -> (usize, Json) {
    let parameter = |index: usize| {
        json!({ "process_id": "array_element", "arguments": {
            "data": { "from_parameter": "parameters" }, "index": index,
        } })
    };
    let (count, wave) = if chance.one_in(2) { (3, true) } else { (2, false) };
    let mut nodes = json!({
        "a": parameter(0),
        "b": parameter(1),
        "x": { "process_id": "divide", "arguments": { "x": { "from_parameter": "x" }, "y": 86400 } },
        "v": { "process_id": "multiply", "arguments": { "x": { "from_node": "b" }, "y": { "from_node": "x" } } },
        "y": { "process_id": "add", "result": true,
            "arguments": { "x": { "from_node": "a" }, "y": { "from_node": "v" } } },
    });
    if wave {
        nodes["c"] = parameter(2);
        nodes["p"] = json!({ "process_id": "multiply",
            "arguments": { "x": { "from_node": "c" }, "y": { "from_node": "x" } } });
        nodes["w"] = json!({ "process_id": "cos", "arguments": { "x": { "from_node": "p" } } });
        nodes["v"]["arguments"]["y"] = json!({ "from_node": "w" });
    }
    (count, json!({ "process_graph": nodes }))
}

/// A callback that fits a curve to an array with labels.
pub(super) fn fitted(chance: &mut Chance) -> Json {
    let (count, function) = curve(chance);
    callback(
        "fit_curve",
        json!({
            "data": { "from_parameter": "data" },
            "parameters": vec![json!(0.5); count],
            "function": function,
            "ignore_nodata": chance.one_in(2),
        }),
    )
}

/// Labels to predict values for: numbers, or dates where the dimension has instants.
pub(super) fn labels(chance: &mut Chance, kind: &Kind) -> Json {
    if *kind == Kind::Temporal {
        return json!(["2020-01-01", "2020-03-05T12:00:00Z"]);
    }
    let mut labels = vec![json!(0), json!(86400), json!(-2.5), json!(1e7)];
    chance.shuffle(&mut labels);
    labels.truncate(1 + chance.below(3));
    labels.into()
}

/// The arguments of `ml_predict`: a forest for what lies along some of the dimensions.
pub(super) fn asked(chance: &mut Chance, schema: &Schema) -> Option<Json> {
    let mut dims: Vec<usize> = (0..schema.dims.len()).collect();
    chance.shuffle(&mut dims);
    dims.truncate(chance.below(3));
    let features: usize = dims
        .iter()
        .map(|dim| schema.dims[*dim].len())
        .collect::<Option<Vec<_>>>()?
        .iter()
        .product();
    if features == 0 {
        return None;
    }
    let is_class = chance.one_in(2);
    let leaf = |chance: &mut Chance| -> Json {
        let share = chance.below(9) as f64 / 8.0;
        if is_class { json!([share, 1.0 - share]) } else { json!([share * 10.0 - 3.0]) }
    };
    let trees: Vec<Json> = (0..=chance.below(4))
        .map(|_| {
            let (first, second) = (chance.below(features), chance.below(features));
            let threshold = chance.below(40) as f64 - 10.0;
            let leaves = [leaf(chance), leaf(chance), leaf(chance)];
            json!({
                "feature": [first, second, -1, -1, -1],
                "threshold": [threshold, threshold / 2.0, 0, 0, 0],
                "left": [1, 2, 0, 0, 0],
                "right": [4, 3, 0, 0, 0],
                "value": [null, null, leaves[0], leaves[1], leaves[2]],
            })
        })
        .collect();
    let names: Vec<String> = (0..features).map(|i| format!("f{i}")).collect();
    let mut model = json!({
        "format": "eolith-forest", "version": 1, "features": names, "trees": trees,
        "task": if is_class { "classification" } else { "regression" },
    });
    if is_class {
        model["classes"] = json!([3, 7]);
    }
    let dims: Vec<&str> = dims.iter().map(|dim| schema.dims[*dim].name.as_str()).collect();
    Some(json!({ "model": model, "dimensions": dims }))
}

/// Files of the networks that `predict_onnx` may name: as many weights as there are features.
pub(super) const NETWORKS: [&str; 2] = ["linear.onnx", "layers.onnx"];

/// The network of a file for so many features.
pub(super) fn network(uri: &str, features: usize) -> Arc<Network> {
    let weights = |rows: usize, columns: usize| -> Vec<f32> {
        (0..rows * columns).map(|i| ((i * 37 + 11) % 17) as f32 / 8.0 - 1.0).collect()
    };
    let mut file = File::default();
    if uri == NETWORKS[0] {
        file.weight("w", &[features, 1], &weights(features, 1));
        file.node("MatMul", &["x", "w"], "y");
    } else {
        file.weight("w", &[features, 5], &weights(features, 5));
        file.weight("v", &[5, 3], &weights(5, 3));
        file.node("MatMul", &["x", "w"], "h");
        file.node("Tanh", &["h"], "t");
        file.node("MatMul", &["t", "v"], "s");
        file.node("Softmax", &["s"], "y");
    }
    Arc::new(Network::parse(&file.bytes(), features).expect("a network"))
}

/// Writes ONNX files: messages of the fields that are needed, see `onnx.proto3`.
#[derive(Default)]
struct File {
    graph: Vec<u8>,
}

impl File {
    fn node(&mut self, op: &str, inputs: &[&str], output: &str) {
        let mut node = Vec::new();
        for name in inputs {
            field(&mut node, 1, name.as_bytes());
        }
        field(&mut node, 2, output.as_bytes());
        field(&mut node, 4, op.as_bytes());
        field(&mut self.graph, 1, &node);
    }

    fn weight(&mut self, name: &str, dims: &[usize], values: &[f32]) {
        let mut tensor = Vec::new();
        for n in dims {
            number(&mut tensor, 1, *n);
        }
        number(&mut tensor, 2, 1);
        field(&mut tensor, 8, name.as_bytes());
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        field(&mut tensor, 9, &bytes);
        field(&mut self.graph, 5, &tensor);
    }

    fn bytes(mut self) -> Vec<u8> {
        let mut input = Vec::new();
        let (mut of, mut tensor) = (Vec::new(), Vec::new());
        number(&mut tensor, 1, 1);
        field(&mut of, 1, &tensor);
        field(&mut input, 1, b"x");
        field(&mut input, 2, &of);
        field(&mut self.graph, 11, &input);
        let mut output = Vec::new();
        field(&mut output, 1, b"y");
        field(&mut self.graph, 12, &output);
        let mut file = Vec::new();
        number(&mut file, 1, 8);
        field(&mut file, 7, &self.graph);
        file
    }
}

fn field(message: &mut Vec<u8>, id: u8, bytes: &[u8]) {
    message.push(id << 3 | 2);
    varint(message, bytes.len());
    message.extend(bytes);
}

fn number(message: &mut Vec<u8>, id: u8, value: usize) {
    message.push(id << 3);
    varint(message, value);
}

fn varint(message: &mut Vec<u8>, mut value: usize) {
    while value > 0x7f {
        message.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}
