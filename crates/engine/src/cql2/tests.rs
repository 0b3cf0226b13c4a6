use serde_json::json;

use super::*;

fn meets(text: &str, item: &Value) -> bool {
    let geometry = json!({"type": "Point", "coordinates": [10.0, 50.0]});
    let properties = item.as_object().unwrap();
    let item = Item { id: "one", collection: "all", geometry: Some(&geometry), properties };
    let condition = Condition::parse_text(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    // Both forms mean the same.
    let again = Condition::parse_json(&condition.to_json()).unwrap();
    assert_eq!(again.holds(&item), condition.holds(&item), "{text}");
    condition.holds(&item)
}

#[test]
fn conditions_hold_or_not() {
    let item = json!({"eo:cloud_cover": 20, "platform": "it's", "datetime": "2022-06-02T00:00:00Z",
        "gone": null, "checked": true, "list": [1]});
    for text in [
        "\"eo:cloud_cover\" = 20",
        "eo:cloud_cover<=2e1 and eo:cloud_cover >= 19.5",
        "platform = 'it''s'",
        "properties.platform LIKE 'it_s' AND platform LIKE '%s' AND platform NOT LIKE 'i%x'",
        "platform IN ('a', 'it''s') OR platform = 'b'",
        "eo:cloud_cover BETWEEN 20 AND 21 AND eo:cloud_cover NOT BETWEEN 21 AND 22",
        "gone IS NULL AND unknown IS NULL AND platform IS NOT NULL",
        "checked = TRUE AND NOT checked = false",
        "datetime = TIMESTAMP('2022-06-02T02:00:00+02:00') AND datetime > DATE('2022-06-01')",
        "datetime >= '2022-06-01T12:00:00Z'",
        "id = 'one' AND collection <> 'two'",
        "NOT (eo:cloud_cover > 20 OR platform = 'x')",
        "NOT NOT TRUE",
        "S_INTERSECTS(geometry, BBOX(9, 49, 11, 51))",
        "s_within(geometry, POLYGON((9 49, 11 49, 11 51, 9 51, 9 49)))",
        "s_intersects(geometry, BBOX(9, 49, -170, 51))",
        "S_DISJOINT(geometry, MULTIPOINT((0 0), (1 1)))",
        "S_EQUALS(geometry, POINT Z (10 50 3))",
        "s_disjoint(geometry, GEOMETRYCOLLECTION(POINT(1 2), LINESTRING(0 0, 1 1)))",
    ] {
        assert!(meets(text, &item), "{text}");
    }
    for text in [
        "eo:cloud_cover < 20",
        "eo:cloud_cover = '20'",
        "unknown = 1",
        "NOT unknown = 1",
        "unknown <> 1",
        "list = 1",
        "platform NOT IN ('it''s')",
        "FALSE OR unknown LIKE '%'",
        "platform LIKE 'it\\_s'",
        "S_INTERSECTS(geometry, POINT(0 0))",
        "s_intersects(nowhere, POINT(0 0))",
    ] {
        assert!(!meets(text, &item), "{text}");
    }
}

#[test]
fn what_is_no_condition_is_refused_with_a_reason() {
    let refused = |text: &str| Condition::parse_text(text).unwrap_err().to_string();
    for (text, reason) in [
        ("", "the filter ends where a property or a value is expected"),
        ("a", "the filter ends where a comparison is expected"),
        ("a = 1 b", "`b` stands in the filter where the end, `AND` or `OR` is expected"),
        ("a = 'x", "the filter ends where a closing quote is expected"),
        ("a = 1 AND", "the filter ends where a property or a value is expected"),
        ("a = 1e", "`1e` stands in the filter where a name, a value or a comparison is expected"),
        ("a ; 1", "`;` stands in the filter where a name, a value or a comparison is expected"),
        ("casei(a) = 'x'", "`casei` is not supported in filters here"),
        ("t_after(a, b)", "`t_after` is not supported in filters here"),
        ("s_intersects(geometry, buffer(1))", "`buffer` is not supported in filters here"),
        ("a = DATE('x')", "`x` is neither a date nor an instant"),
        ("s_intersects(geometry, BBOX(1, 2))", "a box has 4 or 6 numbers"),
    ] {
        assert_eq!(refused(text), reason, "{text}");
    }
    let deep = format!("{}a = 1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(refused(&deep), Cql2Error::Deep.to_string());
    let mut json = json!({"op": "=", "args": [{"property": "a"}, 1]});
    for _ in 0..=DEEPEST {
        json = json!({"op": "not", "args": [json]});
    }
    assert_eq!(Condition::parse_json(&json), Err(Cql2Error::Deep));
    let draft = json!({"op": "between", "args": [{"property": "a"}, [1, 2]]});
    let condition = Condition::parse_text("a BETWEEN 1 AND 2").unwrap();
    assert_eq!(Condition::parse_json(&draft), Ok(condition));
    for wrong in [json!({"op": "=", "args": [1]}), json!({"op": "casei"}), json!(3), json!({})] {
        assert!(Condition::parse_json(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn names_are_found_wherever_they_stand() {
    let condition = Condition::parse_text("NOT (a = 1 OR (2 < b AND c IN (d)))").unwrap();
    assert!(["a", "b", "c", "d"].iter().all(|name| condition.names(name)));
    assert!(!condition.names("e"));
}
