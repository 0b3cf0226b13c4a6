//! GeoJSON (RFC 7946) to features. A named `crs` of the older standard is honoured at the outermost object.

use serde_json::{Map, Value as Json};

use super::{Feature, Features, Geometry, GeometryError, Position, Ring};
use crate::crs::Crs;

/// Most positions of one object.
const MOST: usize = 10_000_000;

impl Features {
    /// Reads a geometry, a feature or a collection of features; longitude and latitude unless a `crs` says otherwise.
    ///
    /// # Errors
    /// [`GeometryError`] with the place of what is wrong.
    pub fn parse(json: &Json) -> Result<Features, GeometryError> {
        let mut reader = Reader { place: String::new(), positions: 0 };
        let crs = reader.crs(json)?;
        let list = match json["type"].as_str() {
            Some("FeatureCollection") => {
                let items = json["features"].as_array();
                let items = items.ok_or_else(|| reader.wrong("`features` is not an array"))?;
                let mut list = Vec::with_capacity(items.len());
                for (i, item) in items.iter().enumerate() {
                    reader.place = format!("features[{i}]");
                    if item["type"] != "Feature" {
                        return Err(reader.wrong("it is not a Feature"));
                    }
                    list.push(reader.feature(item)?);
                }
                list
            }
            Some("Feature") => vec![reader.feature(json)?],
            _ => {
                let geometry = Some(reader.geometry(json, true)?);
                vec![Feature { geometry, ..Feature::default() }]
            }
        };
        Ok(Features { crs, list })
    }
}

struct Reader {
    place: String,
    positions: usize,
}

impl Reader {
    fn wrong(&self, reason: impl Into<String>) -> GeometryError {
        GeometryError::Malformed { place: self.place.clone(), reason: reason.into() }
    }

    fn crs(&self, json: &Json) -> Result<Crs, GeometryError> {
        let crs = match json.get("crs") {
            None | Some(Json::Null) => return Ok(Crs::wgs84()),
            Some(crs) => crs,
        };
        match crs["properties"]["name"].as_str() {
            Some(name) if crs["type"] == "name" => Ok(Crs::parse(name)?),
            _ => {
                Err(self.wrong("`crs` must be of type `name` with the name of a reference system"))
            }
        }
    }

    fn feature(&mut self, json: &Json) -> Result<Feature, GeometryError> {
        let geometry = match &json["geometry"] {
            Json::Null => None,
            geometry => Some(self.geometry(geometry, true)?),
        };
        let id = match json.get("id") {
            None | Some(Json::Null) => None,
            Some(id @ (Json::String(_) | Json::Number(_))) => Some(id.clone()),
            Some(_) => return Err(self.wrong("`id` must be a text or a number")),
        };
        let properties = match json.get("properties") {
            None | Some(Json::Null) => Map::new(),
            Some(Json::Object(properties)) => properties.clone(),
            Some(_) => return Err(self.wrong("`properties` must be an object")),
        };
        Ok(Feature { id, geometry, properties })
    }

    fn geometry(&mut self, json: &Json, collections: bool) -> Result<Geometry, GeometryError> {
        let Some(name) = json["type"].as_str() else {
            return Err(self.wrong("a geometry is an object with a `type`"));
        };
        if name == "GeometryCollection" {
            let Some(members) = json["geometries"].as_array().filter(|_| collections) else {
                return Err(self.wrong("`geometries` must be an array without further collections"));
            };
            let members = members.iter().map(|member| self.geometry(member, false));
            return Ok(Geometry::Collection(members.collect::<Result<_, _>>()?));
        }
        let coordinates = &json["coordinates"];
        Ok(match name {
            "Point" => match coordinates.as_array() {
                Some(none) if none.is_empty() => Geometry::MultiPoint(Vec::new()),
                _ => Geometry::Point(self.position(coordinates)?),
            },
            "MultiPoint" => Geometry::MultiPoint(self.positions(coordinates)?),
            "LineString" => Geometry::LineString(self.line(coordinates)?),
            "MultiLineString" => Geometry::MultiLineString(self.each(coordinates, Reader::line)?),
            "Polygon" => Geometry::Polygon(self.rings(coordinates)?),
            "MultiPolygon" => Geometry::MultiPolygon(self.each(coordinates, Reader::rings)?),
            other => return Err(self.wrong(format!("`{other}` is not a geometry"))),
        })
    }

    fn each<T>(
        &mut self,
        json: &Json,
        read: fn(&mut Reader, &Json) -> Result<T, GeometryError>,
    ) -> Result<Vec<T>, GeometryError> {
        let items =
            json.as_array().ok_or_else(|| self.wrong("`coordinates` are not nested right"))?;
        items.iter().map(|item| read(self, item)).collect()
    }

    fn rings(&mut self, json: &Json) -> Result<Vec<Ring>, GeometryError> {
        self.each(json, Reader::ring)
    }

    fn ring(&mut self, json: &Json) -> Result<Ring, GeometryError> {
        let ring = self.positions(json)?;
        if ring.len() < 4 || ring.first() != ring.last() {
            return Err(self.wrong("a ring has at least four positions, the last one is the first"));
        }
        Ok(ring)
    }

    fn line(&mut self, json: &Json) -> Result<Vec<Position>, GeometryError> {
        let line = self.positions(json)?;
        if line.len() == 1 {
            return Err(self.wrong("a line has at least two positions"));
        }
        Ok(line)
    }

    fn positions(&mut self, json: &Json) -> Result<Vec<Position>, GeometryError> {
        self.each(json, Reader::position)
    }

    fn position(&mut self, json: &Json) -> Result<Position, GeometryError> {
        self.positions += 1;
        if self.positions > MOST {
            return Err(GeometryError::TooMany { most: MOST });
        }
        let number = |i: usize| json.get(i).and_then(Json::as_f64).filter(|v| v.is_finite());
        match (number(0), number(1)) {
            (Some(x), Some(y)) => Ok([x, y]),
            _ => Err(self.wrong("a position is an array of two or three numbers")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::Label;
    use serde_json::json;

    #[test]
    fn features_keep_ids_properties_and_order() {
        let point = json!({ "type": "Point", "coordinates": [1, 2, 3] });
        let read = Features::parse(&json!({
            "type": "FeatureCollection",
            "crs": { "type": "name", "properties": { "name": "urn:ogc:def:crs:EPSG::32633" } },
            "features": [
                { "type": "Feature", "id": "b", "properties": { "name": "x" }, "geometry": point },
                { "type": "Feature", "id": "a", "properties": null, "geometry": null },
            ],
        }));
        let read = read.unwrap();
        assert_eq!(read.crs, Crs::epsg(32633).unwrap());
        assert_eq!(read.labels(), Labels::texts(["b", "a"]));
        assert_eq!(read.list[0].geometry, Some(Geometry::Point([1.0, 2.0])));
        assert_eq!(read.list[0].properties["name"], "x");
        assert_eq!(read.take(&[1]).list[0].id, Some(json!("a")));
        assert_eq!(read.list[1].geometry, None);
    }

    use crate::label::Labels;

    #[test]
    fn ids_that_are_missing_or_not_distinct_are_numbered() {
        let labels = |ids: [Json; 2]| {
            let feature = |id| json!({ "type": "Feature", "id": id, "geometry": null });
            let features = ids.map(feature);
            let json = json!({ "type": "FeatureCollection", "features": features });
            Features::parse(&json).unwrap().labels()
        };
        assert_eq!(labels([json!(7), json!(5)]), Labels::list([7, 5].map(Label::Int)));
        assert_eq!(labels([json!(7), json!(null)]), Labels::enumerated(2));
        assert_eq!(labels([json!("7"), json!(7)]), Labels::enumerated(2));
    }

    #[test]
    fn what_is_no_geometry_is_named() {
        let ring = json!([[[0, 0], [1, 0], [1, 1], [0, 1]]]);
        for (json, part) in [
            (json!({ "type": "Polygon", "coordinates": ring }), "ring"),
            (json!({ "type": "Polygon", "coordinates": [0, 1] }), "nested"),
            (json!({ "type": "Point", "coordinates": ["a", 1] }), "numbers"),
            (json!({ "type": "LineString", "coordinates": [[1, 1]] }), "two positions"),
            (json!({ "type": "Circle", "coordinates": [1, 1] }), "Circle"),
            (json!({ "coordinates": [1, 1] }), "type"),
            (json!([1, 2]), "type"),
            (json!({ "type": "FeatureCollection" }), "features"),
            (json!({ "type": "FeatureCollection", "features": [{ "type": "Point" }] }), "[0]"),
            (json!({ "type": "Feature", "id": [], "geometry": null }), "`id`"),
            (json!({ "type": "Point", "coordinates": [1, 1], "crs": "x" }), "`crs`"),
            (
                json!({ "type": "GeometryCollection", "geometries": [{
                    "type": "GeometryCollection", "geometries": []
                }] }),
                "collections",
            ),
        ] {
            let error = Features::parse(&json).unwrap_err().to_string();
            assert!(error.contains(part), "{json}: {error}");
        }
        let empty = json!({ "type": "Point", "coordinates": [] });
        let geometry = Features::parse(&empty).unwrap().list.remove(0).geometry.unwrap();
        assert_eq!(geometry.bounds(), None);
    }

    #[test]
    fn positions_are_transformed() {
        let json = json!({ "type": "GeometryCollection", "geometries": [
            { "type": "Point", "coordinates": [15, 0] },
            { "type": "LineString", "coordinates": [[15, 0], [15, 0]] },
        ] });
        let features = Features::parse(&json).unwrap();
        let moved = features.in_crs(&Crs::epsg(32633).unwrap()).unwrap().remove(0).unwrap();
        let [west, south, east, north] = moved.bounds().unwrap();
        // The central meridian of the zone is at 500 km, the equator at 0.
        assert!((west - 500_000.0).abs() < 1e-6 && (east - west).abs() < 1e-6, "{west} {east}");
        assert!(south.abs() < 1e-6 && north.abs() < 1e-6, "{south} {north}");
        let pole = json!({ "type": "Point", "coordinates": [0, 500] });
        let far = Features::parse(&pole).unwrap().in_crs(&Crs::epsg(3857).unwrap());
        assert!(matches!(far, Err(GeometryError::Outside { feature: 0, .. })), "{far:?}");
    }
}
