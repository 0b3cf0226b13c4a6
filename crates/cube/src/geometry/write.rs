//! Geometries and features as GeoJSON.

use serde_json::{Map, Value as Json, json};

use super::{Feature, Features, Geometry};
use crate::crs::Crs;

impl Geometry {
    /// The GeoJSON object of this geometry, its positions as they are.
    pub fn to_json(&self) -> Json {
        let (kind, coordinates) = match self {
            Geometry::Point(own) => ("Point", json!(own)),
            Geometry::MultiPoint(own) => ("MultiPoint", json!(own)),
            Geometry::LineString(own) => ("LineString", json!(own)),
            Geometry::MultiLineString(own) => ("MultiLineString", json!(own)),
            Geometry::Polygon(own) => ("Polygon", json!(own)),
            Geometry::MultiPolygon(own) => ("MultiPolygon", json!(own)),
            Geometry::Collection(members) => {
                let members: Vec<Json> = members.iter().map(Geometry::to_json).collect();
                return json!({ "type": "GeometryCollection", "geometries": members });
            }
        };
        json!({ "type": kind, "coordinates": coordinates })
    }
}

impl Features {
    /// A FeatureCollection that [`Features::parse`] reads back; systems other than WGS 84 are named by a `crs`.
    pub fn to_json(&self) -> Json {
        let features: Vec<Json> = self.list.iter().map(feature).collect();
        let mut json = json!({ "type": "FeatureCollection", "features": features });
        if self.crs != Crs::wgs84() {
            let name = self.crs.to_string();
            json["crs"] = json!({ "type": "name", "properties": { "name": name } });
        }
        json
    }
}

fn feature(own: &Feature) -> Json {
    let mut json = Map::from_iter([("type".to_owned(), json!("Feature"))]);
    if let Some(id) = &own.id {
        json.insert("id".to_owned(), id.clone());
    }
    let geometry = own.geometry.as_ref().map_or(Json::Null, Geometry::to_json);
    json.insert("geometry".to_owned(), geometry);
    json.insert("properties".to_owned(), own.properties.clone().into());
    json.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let ring = json!([[[0.5, 0], [1, 0], [1, 1], [0.5, 0]]]);
        let geometries = [
            json!({ "type": "Point", "coordinates": [1, 2] }),
            json!({ "type": "MultiLineString", "coordinates": [[[0, 0], [1, 1]]] }),
            json!({ "type": "MultiPolygon", "coordinates": [ring] }),
            json!({ "type": "GeometryCollection",
                "geometries": [{ "type": "LineString", "coordinates": [[0, 0], [1, 1]] }] }),
            Json::Null,
        ];
        let list: Vec<Json> = (geometries.iter().enumerate())
            .map(|(i, g)| json!({ "type": "Feature", "id": i, "geometry": g, "properties": { "n": i } }))
            .collect();
        let crs = json!({ "type": "name", "properties": { "name": "EPSG:32633" } });
        let json = json!({ "type": "FeatureCollection", "features": list, "crs": crs });
        let read = Features::parse(&json).unwrap();
        assert_eq!(Features::parse(&read.to_json()).unwrap(), read);
        assert_eq!(read.to_json()["crs"], crs);
    }
}
