//! Which parameters a callback has: what the schema of its argument says at its place.

use serde_json::Value;

/// The schemas that apply at one place of an argument; none if nothing is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place<'s> {
    schemas: Vec<&'s Value>,
}

impl<'s> Place<'s> {
    /// A place nothing is known about.
    pub(crate) fn unknown() -> Self {
        Place::default()
    }

    /// The place of an argument whose parameter has this schema.
    pub(crate) fn of(schema: &'s Value) -> Self {
        let mut schemas = Vec::new();
        let mut open = vec![schema];
        while let Some(schema) = open.pop() {
            if let Value::Array(alternatives) = schema {
                open.extend(alternatives.iter().rev());
                continue;
            }
            schemas.push(schema);
            for key in ["anyOf", "oneOf", "allOf"] {
                open.extend(schema.get(key));
            }
        }
        Place { schemas }
    }

    /// The items of an array at this place.
    pub(crate) fn items(&self) -> Place<'s> {
        self.inner(|schema| schema.get("items"))
    }

    /// The property of an object at this place.
    pub(crate) fn property(&self, name: &str) -> Place<'s> {
        self.inner(|schema| {
            let known = schema.get("properties").and_then(|properties| properties.get(name));
            known.or_else(|| schema.get("additionalProperties"))
        })
    }

    /// The parameters of a callback at this place; `None` if there may be any.
    pub(crate) fn callback_parameters(&self) -> Option<Vec<&'s str>> {
        let mut names = None;
        for schema in &self.schemas {
            if schema.get("subtype").and_then(Value::as_str) == Some("process-graph")
                && let Some(Value::Array(parameters)) = schema.get("parameters")
            {
                let parameters = parameters.iter().filter_map(|p| p.get("name")?.as_str());
                names.get_or_insert_with(Vec::new).extend(parameters);
            }
        }
        names
    }

    fn inner(&self, step: impl Fn(&'s Value) -> Option<&'s Value>) -> Place<'s> {
        Place {
            schemas: self
                .schemas
                .iter()
                .filter_map(|schema| step(schema))
                .flat_map(|schema| Place::of(schema).schemas)
                .collect(),
        }
    }
}
