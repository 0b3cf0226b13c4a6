//! Random callbacks.

use serde_json::{Map, Value as Json, json};

use super::chance::Chance;

/// A callback of one process.
pub(super) fn callback(id: &str, arguments: Json) -> Json {
    json!({ "process_graph": { "only": { "process_id": id, "arguments": arguments, "result": true } } })
}

fn x() -> Json {
    json!({ "from_parameter": "x" })
}

/// A callback for single values: a tree of arithmetic, comparisons and choices over the parameters.
pub(super) fn element(chance: &mut Chance, parameters: &[&str], numeric: bool) -> Json {
    if !numeric {
        return match chance.below(3) {
            0 => callback("not", json!({ "x": x() })),
            1 => callback("is_nodata", json!({ "x": x() })),
            _ => callback("and", json!({ "x": x(), "y": true })),
        };
    }
    let mut nodes: Map<String, Json> = Map::new();
    let steps = 1 + chance.below(4);
    for i in 0..steps {
        let operand = |chance: &mut Chance| match chance.below(4) {
            0 => chance
                .pick(&[json!(2), json!(0), json!(-1.5), json!(1000), json!(0.1), json!(null)])
                .clone(),
            1 if i > 0 => json!({ "from_node": format!("e{}", chance.below(i)) }),
            _ => json!({ "from_parameter": chance.pick(parameters) }),
        };
        let (a, b) = (operand(chance), operand(chance));
        // The last step is a number or a boolean that uses a number; comparisons in the middle stand in `if`.
        let node = match chance.below(11) {
            0 => json!({ "process_id": "add", "arguments": { "x": a, "y": b } }),
            1 => json!({ "process_id": "subtract", "arguments": { "x": a, "y": b } }),
            2 => json!({ "process_id": "multiply", "arguments": { "x": a, "y": b } }),
            3 => json!({ "process_id": "divide", "arguments": { "x": a, "y": b } }),
            4 => json!({ "process_id": "absolute", "arguments": { "x": a } }),
            5 => json!({ "process_id": "normalized_difference", "arguments": { "x": a, "y": b } }),
            6 => {
                json!({ "process_id": "linear_scale_range", "arguments": { "x": a, "inputMin": 0, "inputMax": 50 } })
            }
            7 => json!({ "process_id": "floor", "arguments": { "x": a } }),
            8 => json!({ "process_id": "sqrt", "arguments": { "x": a } }),
            9 => {
                nodes.insert(
                    format!("c{i}"),
                    json!({ "process_id": chance.pick(&["gt", "lte", "eq", "neq"]), "arguments": { "x": a, "y": b } }),
                );
                let (accept, reject) = (operand(chance), operand(chance));
                json!({ "process_id": "if", "arguments": {
                    "value": { "from_node": format!("c{i}") }, "accept": accept, "reject": reject,
                } })
            }
            _ => json!({ "process_id": "clip", "arguments": { "x": a, "min": -5, "max": 20 } }),
        };
        nodes.insert(format!("e{i}"), node);
    }
    if chance.one_in(5) {
        let last = json!({ "from_node": format!("e{}", steps - 1) });
        nodes.insert(
            format!("e{steps}"),
            json!({ "process_id": "gt", "arguments": { "x": last, "y": 3 } }),
        );
        nodes[&format!("e{steps}")]["result"] = json!(true);
    } else {
        nodes[&format!("e{}", steps - 1)]["result"] = json!(true);
    }
    json!({ "process_graph": nodes })
}

/// A callback that makes one value of an array.
pub(super) fn reducer(chance: &mut Chance, numeric: bool) -> Json {
    let data = json!({ "from_parameter": "data" });
    if !numeric {
        return callback(
            chance.pick::<&str>(&["any", "all", "count", "first", "last"]),
            json!({ "data": data }),
        );
    }
    let element = |index: usize| json!({ "process_id": "array_element", "arguments": { "data": data, "index": index, "return_nodata": true } });
    let element_of = |name: &str| json!({ "from_parameter": name });
    match chance.below(9) {
        5 => {
            // Of the values a callback keeps; which lanes have which, or the same in all.
            let kept = if chance.one_in(2) {
                callback("gt", json!({ "x": element_of("x"), "y": 3 }))
            } else {
                callback("neq", json!({ "x": element_of("index"), "y": 1 }))
            };
            let id = *chance.pick(&["mean", "max", "count", "first", "sum"]);
            let mut arguments = json!({ "data": { "from_node": "a" } });
            if id == "count" && chance.one_in(2) {
                arguments["condition"] = json!(true);
            }
            json!({ "process_graph": {
                "a": { "process_id": "array_filter", "arguments": { "data": data, "condition": kept } },
                "b": { "process_id": id, "arguments": arguments, "result": true },
            } })
        }
        7 => {
            let id = *chance.pick(&["gt", "eq", "lte"]);
            let condition = callback(id, json!({ "x": element_of("x"), "y": 3 }));
            callback("count", json!({ "data": data, "condition": condition }))
        }
        8 => {
            let value = chance.pick(&[json!(3), json!(7.0), json!(0.5), json!(-1)]).clone();
            match chance.below(3) {
                0 => callback("array_contains", json!({ "data": data, "value": value })),
                1 => callback("array_find", json!({ "data": data, "value": value })),
                _ => {
                    callback("array_find", json!({ "data": data, "value": value, "reverse": true }))
                }
            }
        }
        6 => {
            let above = callback("gt", json!({ "x": element_of("x"), "y": 3 }));
            let id = *chance.pick(&["all", "any", "count"]);
            json!({ "process_graph": {
                "a": { "process_id": "array_apply", "arguments": { "data": data, "process": above } },
                "b": { "process_id": id, "arguments": { "data": { "from_node": "a" } }, "result": true },
            } })
        }
        0 => json!({ "process_graph": {
            "a": element(0),
            "b": element(1),
            "c": { "process_id": "subtract", "arguments": { "x": { "from_node": "a" }, "y": { "from_node": "b" } }, "result": true },
        } }),
        1 => json!({ "process_graph": {
            "a": { "process_id": "max", "arguments": { "data": data } },
            "b": { "process_id": "min", "arguments": { "data": data } },
            "c": { "process_id": "divide", "arguments": { "x": { "from_node": "a" }, "y": { "from_node": "b" } }, "result": true },
        } }),
        _ => {
            let ids = [
                "mean", "sum", "min", "max", "median", "first", "last", "count", "sd", "variance",
                "product",
            ];
            let id = *chance.pick(&ids);
            let mut arguments = json!({ "data": data });
            if id != "count" && chance.one_in(3) {
                arguments["ignore_nodata"] = json!(false);
            }
            callback(id, arguments)
        }
    }
}

/// A callback that makes an array of an array.
pub(super) fn array(chance: &mut Chance, numeric: bool) -> Json {
    let data = json!({ "from_parameter": "data" });
    if !numeric {
        return callback("array_concat", json!({ "array1": data, "array2": [true] }));
    }
    let given = |name: &str| json!({ "from_parameter": name });
    match chance.below(12) {
        6 => {
            let id = *chance.pick(&["cumsum", "cumproduct", "cummin", "cummax"]);
            callback(id, json!({ "data": data, "ignore_nodata": chance.one_in(2) }))
        }
        7 => callback(
            chance.pick::<&str>(&["sort", "order"]),
            json!({ "data": data, "asc": chance.one_in(2), "nodata": chance.one_in(2) }),
        ),
        8 => json!({ "process_graph": {
            "a": { "process_id": "order", "arguments": { "data": data, "nodata": true } },
            "b": { "process_id": "rearrange", "arguments": { "data": data, "order": { "from_node": "a" } }, "result": true },
        } }),
        9 => callback("array_interpolate_linear", json!({ "data": data })),
        10 => json!({ "process_graph": {
            // Values of the callback around it, and the index.
            "a": { "process_id": "mean", "arguments": { "data": data } },
            "b": { "process_id": "array_apply", "result": true, "arguments": { "data": data, "process": { "process_graph": {
                "c": { "process_id": "multiply", "arguments": { "x": given("x"), "y": given("index") } },
                "d": { "process_id": "subtract", "arguments": { "x": { "from_node": "c" }, "y": given("context") }, "result": true },
            } }, "context": { "from_node": "a" } } },
        } }),
        11 => {
            let inner = element(chance, &["x", "index"], true);
            callback("array_apply", json!({ "data": data, "process": inner }))
        }
        0 => callback("quantiles", json!({ "data": data, "probabilities": [0.1, 0.5, 0.9] })),
        1 => callback("extrema", json!({ "data": data })),
        2 => callback("array_concat", json!({ "array1": data, "array2": [1, 2] })),
        3 => callback("mean", json!({ "data": data })),
        4 => json!({ "process_graph": {
            "a": { "process_id": "mean", "arguments": { "data": data } },
            "b": { "process_id": "max", "arguments": { "data": data } },
            "c": { "process_id": "array_create", "arguments": { "data": [{ "from_node": "a" }, { "from_node": "b" }, 7] }, "result": true },
        } }),
        _ => callback(
            "array_apply",
            json!({
                "data": data,
                "process": callback("add", json!({ "x": { "from_parameter": "x" }, "y": 1 })),
            }),
        ),
    }
}
