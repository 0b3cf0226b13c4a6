//! What a predefined process publishes: its parameters, its result, its exceptions, its texts.
//!
//! A [`Definition`] is data about a process, written with the builder methods beside the code of
//! the process in the crate `processes`. It holds no behaviour. The schemas of parameters and
//! results come from [`crate::schema`].
//!
//! ```
//! use eolith_graph::{Definition, param, schema};
//! use serde_json::json;
//!
//! let add = Definition::new("add", "Sum of two numbers", "Adds `x` and `y`.")
//!     .category("math")
//!     .param(param("x", "First summand.", schema::number_or_null()))
//!     .param(param("y", "Second summand.", schema::number_or_null()).default(json!(0)))
//!     .returns("The sum.", schema::number_or_null());
//! assert!(add.parameter("y").is_some_and(|y| y.optional));
//! assert_eq!(add.to_json()["parameters"][1]["default"], json!(0));
//! ```

use std::borrow::Cow;

use serde_json::{Map, Value, json};

/// The public description of a predefined process.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    pub id: &'static str,
    pub summary: &'static str,
    /// CommonMark.
    pub description: &'static str,
    pub categories: Vec<&'static str>,
    /// In the order of the standard; clients pass positional arguments by it.
    pub parameters: Vec<Parameter>,
    pub returns: Returns,
    pub exceptions: Vec<Exception>,
    pub experimental: bool,
    pub deprecated: bool,
    pub links: Vec<Link>,
    /// How this back-end reads what the standard leaves open, and where it departs from it. For `docs/processes.md`; not
    /// published.
    pub notes: Vec<&'static str>,
}

/// A parameter of a process, predefined or user-defined.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    pub name: Cow<'static, str>,
    pub description: Cow<'static, str>,
    /// One JSON Schema, or an array of them of which one must match.
    pub schema: Value,
    pub optional: bool,
    /// The value of an optional parameter that is not given; `None` counts as null.
    pub default: Option<Value>,
    pub experimental: bool,
    pub deprecated: bool,
}

/// The result of a process.
#[derive(Debug, Clone, PartialEq)]
pub struct Returns {
    pub description: Cow<'static, str>,
    pub schema: Value,
}

/// An error that a process may end with.
#[derive(Debug, Clone, PartialEq)]
pub struct Exception {
    /// An openEO error code in upper camel case.
    pub code: &'static str,
    pub message: &'static str,
}

/// A reference to further reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    pub rel: &'static str,
    pub href: &'static str,
    pub title: &'static str,
}

/// The set of known predefined processes.
pub trait Definitions {
    fn get(&self, id: &str) -> Option<&Definition>;

    /// The ids of all processes, in a stable order.
    fn ids(&self) -> Vec<&str>;
}

/// Starts a required parameter.
pub fn param(
    name: impl Into<Cow<'static, str>>,
    description: impl Into<Cow<'static, str>>,
    schema: Value,
) -> Parameter {
    Parameter {
        name: name.into(),
        description: description.into(),
        schema,
        optional: false,
        default: None,
        experimental: false,
        deprecated: false,
    }
}

impl Parameter {
    /// Makes the parameter optional with this value when it is not given.
    pub fn default(mut self, value: Value) -> Self {
        self.optional = true;
        self.default = Some(value);
        self
    }

    /// Makes the parameter optional without naming a default; it then counts as null.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    pub fn experimental(mut self) -> Self {
        self.experimental = true;
        self
    }

    pub fn deprecated(mut self) -> Self {
        self.deprecated = true;
        self
    }

    /// The openEO wire form. Flags that are false are left out.
    pub fn to_json(&self) -> Value {
        let mut json = Map::new();
        json.insert("name".into(), self.name.as_ref().into());
        json.insert("description".into(), self.description.as_ref().into());
        json.insert("schema".into(), self.schema.clone());
        if self.optional {
            json.insert("optional".into(), true.into());
        }
        if let Some(default) = &self.default {
            json.insert("default".into(), default.clone());
        }
        flags(&mut json, self.experimental, self.deprecated);
        Value::Object(json)
    }
}

impl Definition {
    /// Starts a definition without parameters whose result may be anything.
    pub fn new(id: &'static str, summary: &'static str, description: &'static str) -> Self {
        Definition {
            id,
            summary,
            description,
            categories: Vec::new(),
            parameters: Vec::new(),
            returns: Returns { description: Cow::Borrowed(""), schema: json!({}) },
            exceptions: Vec::new(),
            experimental: false,
            deprecated: false,
            links: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a category; call it once for each.
    pub fn category(mut self, category: &'static str) -> Self {
        self.categories.push(category);
        self
    }

    /// Adds the next parameter.
    pub fn param(mut self, parameter: Parameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    pub fn returns(mut self, description: &'static str, schema: Value) -> Self {
        self.returns = Returns { description: Cow::Borrowed(description), schema };
        self
    }

    /// Adds an error that the process may end with.
    pub fn throws(mut self, code: &'static str, message: &'static str) -> Self {
        self.exceptions.push(Exception { code, message });
        self
    }

    pub fn link(mut self, rel: &'static str, href: &'static str, title: &'static str) -> Self {
        self.links.push(Link { rel, href, title });
        self
    }

    /// Adds a sentence on how this back-end reads or departs from the standard.
    pub fn note(mut self, note: &'static str) -> Self {
        self.notes.push(note);
        self
    }

    pub fn experimental(mut self) -> Self {
        self.experimental = true;
        self
    }

    pub fn deprecated(mut self) -> Self {
        self.deprecated = true;
        self
    }

    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// The openEO wire form, an entry of `GET /processes`.
    ///
    /// What is not set is left out; the only nulls are the defaults of parameters.
    pub fn to_json(&self) -> Value {
        let mut json = Map::new();
        json.insert("id".into(), self.id.into());
        json.insert("summary".into(), self.summary.into());
        json.insert("description".into(), self.description.into());
        json.insert("categories".into(), json!(self.categories));
        flags(&mut json, self.experimental, self.deprecated);
        let parameters = self.parameters.iter().map(Parameter::to_json).collect();
        json.insert("parameters".into(), Value::Array(parameters));
        json.insert(
            "returns".into(),
            json!({ "description": self.returns.description, "schema": self.returns.schema }),
        );
        if !self.exceptions.is_empty() {
            let exceptions = self.exceptions.iter().map(|exception| {
                (exception.code.to_owned(), json!({ "message": exception.message }))
            });
            json.insert("exceptions".into(), Value::Object(exceptions.collect()));
        }
        if !self.links.is_empty() {
            let links = self
                .links
                .iter()
                .map(|link| json!({ "rel": link.rel, "href": link.href, "title": link.title }));
            json.insert("links".into(), Value::Array(links.collect()));
        }
        Value::Object(json)
    }
}

fn flags(json: &mut Map<String, Value>, experimental: bool, deprecated: bool) {
    if experimental {
        json.insert("experimental".into(), true.into());
    }
    if deprecated {
        json.insert("deprecated".into(), true.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    #[test]
    fn the_wire_form_leaves_out_what_is_not_set() {
        let definition = Definition::new("p", "Summary", "Text.")
            .category("math")
            .category("cubes")
            .param(param("a", "A.", schema::integer()))
            .param(param("b", "B.", schema::any()).optional())
            .param(param("c", "C.", schema::string_or_null()).default(Value::Null).experimental())
            .returns("R.", schema::any())
            .throws("Wrong", "It is wrong.")
            .link("about", "https://example.org", "More")
            .experimental();
        assert_eq!(
            definition.to_json(),
            json!({
                "id": "p",
                "summary": "Summary",
                "description": "Text.",
                "categories": ["math", "cubes"],
                "experimental": true,
                "parameters": [
                    { "name": "a", "description": "A.", "schema": { "type": "integer" } },
                    { "name": "b", "description": "B.", "schema": {}, "optional": true },
                    {
                        "name": "c",
                        "description": "C.",
                        "schema": { "type": ["string", "null"] },
                        "optional": true,
                        "default": null,
                        "experimental": true,
                    },
                ],
                "returns": { "description": "R.", "schema": {} },
                "exceptions": { "Wrong": { "message": "It is wrong." } },
                "links": [
                    { "rel": "about", "href": "https://example.org", "title": "More" },
                ],
            })
        );
        let bare = Definition::new("q", "", "").to_json();
        assert!(bare.get("links").is_none() && bare.get("exceptions").is_none());
        assert!(bare.get("experimental").is_none() && bare.get("deprecated").is_none());
    }
}
