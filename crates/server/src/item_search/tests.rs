use serde_json::json;

use super::*;

fn asked(query: &str) -> ItemQuery {
    Asked::of_search(Some(query)).unwrap_or_else(|e| panic!("{query}: {e:?}")).query
}

#[test]
fn addresses_and_bodies_say_the_same() {
    let address = "collections=a,b&ids=1&bbox=1,2,3,4&datetime=2022-06-01/2022-06-02&limit=5\
        &sortby=-properties.x,%2Bid&filter=a%3D1&fields=id,-geometry";
    let body = json!({"collections": ["a", "b"], "ids": ["1"], "bbox": [1, 2, 0, 3, 4, 9],
        "datetime": "2022-06-01T00:00:00Z/2022-06-02T23:59:59.999999Z", "limit": 5,
        "sortby": [{"field": "properties.x", "direction": "desc"}, {"field": "id"}],
        "filter": {"op": "=", "args": [{"property": "a"}, 1]}, "query": null,
        "fields": {"include": ["id"], "exclude": ["geometry"]}});
    let mut body = body;
    body.as_object_mut().unwrap().remove("query");
    let other = Asked::of_body(&body).unwrap();
    assert_eq!(asked(address), other.query);
    assert_eq!(Asked::of_search(Some(address)).unwrap().fields, other.fields);
    assert_eq!(asked("sortby=+id"), asked("sortby=id"));
    let json = r#"filter-lang=cql2-json&filter={"op":"=","args":[{"property":"a"},1]}"#;
    assert_eq!(asked(json), asked("filter=a=1"));
    assert_eq!((asked("").limit, asked("limit=999999").limit), (USUAL, MOST));
}

#[test]
fn what_is_not_understood_is_refused() {
    for query in [
        "limit=0",
        "limit=-1",
        "limit=x",
        "limit=1&limit=2",
        "bbox=1,2,3",
        "bbox=1,2,3,x",
        "bbox=1,5,3,4",
        "bbox=1,2,3,NaN",
        "bbox=200,2,3,4",
        "datetime=yesterday",
        "datetime=../..",
        "datetime=2022-06-02/2022-06-01",
        "intersects=x",
        "intersects={}",
        "bbox=1,2,3,4&intersects={\"type\":\"Point\",\"coordinates\":[1,2]}",
        "filter=a",
        "filter=a%3D1&filter-lang=cql",
        "filter=a%3D1&filter-crs=EPSG:4326",
        "query=x",
    ] {
        assert!(Asked::of_search(Some(query)).is_err(), "{query}");
    }
    assert!(Asked::of_collection("c", Some("collections=d")).is_err());
    assert!(Asked::of_body(&json!([])).is_err());
    assert!(Asked::of_body(&json!({"sortby": [{"field": "a", "direction": "up"}]})).is_err());
}

#[test]
fn fields_are_taken_and_left_out() {
    let item = json!({"type": "Feature", "id": "1", "geometry": 1, "assets": {},
        "properties": {"datetime": "x", "a": 1}});
    let fields = |query: &str| Asked::of_search(Some(query)).unwrap().fields.apply(item.clone());
    assert_eq!(fields(""), item);
    let some = json!({"type": "Feature", "id": "1", "properties": {"a": 1}});
    assert_eq!(fields("fields=properties.a"), some);
    assert_eq!(fields("fields=-properties,properties.a,-properties.datetime"), some);
    let less =
        json!({"type": "Feature", "id": "1", "geometry": 1, "properties": {"datetime": "x"}});
    assert_eq!(fields("fields=-assets,-properties.a,-id"), less);
}
