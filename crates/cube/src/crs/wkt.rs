//! WKT reference systems: WKT1 as GDAL and ESRI write it, WKT2 of 2015 and 2019.
//!
//! The text is read into a tree without recursion (depth is limited), then the few nodes that decide
//! coordinates are picked. Remarks, scopes, usages and accuracies are not looked at. Compound systems are taken
//! by their horizontal part.

use super::CrsError;
use super::describe::{Description, Projection, degrees, is_length, plain, shift};

const MAX_DEPTH: usize = 32;

#[derive(Clone, Debug, PartialEq)]
enum Item {
    Text(String),
    Number(f64),
    Node(Node),
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Node {
    keyword: String,
    items: Vec<Item>,
}

/// Reads `text` as far as coordinates need it.
///
/// # Errors
/// [`CrsError::Malformed`], and [`CrsError::Unsupported`] for systems that are not geographic or projected.
pub(super) fn describe(text: &str) -> Result<Description, CrsError> {
    let root = parse(text).map_err(|reason| CrsError::malformed(text, reason))?;
    horizontal(&root, text)
}

impl Node {
    fn children<'a>(&'a self, keywords: &'a [&str]) -> impl Iterator<Item = &'a Node> {
        self.items.iter().filter_map(move |item| match item {
            Item::Node(node) if keywords.contains(&node.keyword.as_str()) => Some(node),
            _ => None,
        })
    }

    fn child(&self, keywords: &[&str]) -> Option<&Node> {
        self.items.iter().find_map(|item| match item {
            Item::Node(node) if keywords.contains(&node.keyword.as_str()) => Some(node),
            _ => None,
        })
    }

    fn text(&self, index: usize) -> Option<&str> {
        match self.items.get(index) {
            Some(Item::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn number(&self, index: usize) -> Option<f64> {
        match self.items.get(index)? {
            Item::Number(number) => Some(*number),
            Item::Text(text) => text.parse().ok(),
            Item::Node(_) => None,
        }
    }

    fn name(&self) -> String {
        self.text(0).unwrap_or_default().to_owned()
    }

    fn epsg(&self) -> Option<u32> {
        self.children(&["ID", "AUTHORITY"])
            .filter(|id| id.text(0).is_some_and(|a| a.eq_ignore_ascii_case("EPSG")))
            .find_map(|id| id.number(1))
            .filter(|code| code.fract() == 0.0 && (1.0..=1e7).contains(code))
            .map(|code| code as u32)
    }

    /// The size of the unit that stands in this node.
    fn unit(&self, keyword: &str) -> Option<f64> {
        self.child(&[keyword, "UNIT"]).and_then(|unit| unit.number(1))
    }
}

fn horizontal(root: &Node, text: &str) -> Result<Description, CrsError> {
    let missing = |what: &str| CrsError::malformed(text, format!("it has no {what}"));
    let mut node = root;
    let mut bound = None;
    for _ in 0..MAX_DEPTH {
        node = match node.keyword.as_str() {
            "COMPD_CS" | "COMPOUNDCRS" | "SOURCECRS" => {
                first_node(node).ok_or_else(|| missing("parts"))?
            }
            "BOUNDCRS" => {
                bound = Some(node);
                node.child(&["SOURCECRS"]).ok_or_else(|| missing("source"))?
            }
            _ => break,
        };
    }
    let mut found = match node.keyword.as_str() {
        "PROJCS" | "PROJCRS" | "PROJECTEDCRS" => projected(node, text)?,
        "GEOGCS" | "GEOGCRS" | "GEOGRAPHICCRS" | "GEODCRS" | "GEODETICCRS" => {
            geographic(node, text)?
        }
        other => {
            return Err(CrsError::unsupported(
                other,
                "only geographic and projected systems are read",
            ));
        }
    };
    if let Some(bound) = bound {
        found.shift = Some(bound_shift(bound, text)?);
    }
    Ok(found)
}

fn first_node(node: &Node) -> Option<&Node> {
    node.items.iter().find_map(|item| if let Item::Node(node) = item { Some(node) } else { None })
}

fn geographic(node: &Node, text: &str) -> Result<Description, CrsError> {
    let missing = |what: &str| CrsError::malformed(text, format!("it has no {what}"));
    if node
        .child(&["CS"])
        .and_then(|cs| cs.text(0))
        .is_some_and(|kind| plain(kind) != "ellipsoidal")
    {
        return Err(CrsError::unsupported(
            node.name(),
            "only geographic and projected systems are read",
        ));
    }
    let datum = node
        .child(&["DATUM", "ENSEMBLE", "GEODETICDATUM", "TRF"])
        .ok_or_else(|| missing("datum"))?;
    let ellipsoid = datum.child(&["ELLIPSOID", "SPHEROID"]).ok_or_else(|| missing("ellipsoid"))?;
    let metres = ellipsoid.unit("LENGTHUNIT").unwrap_or(1.0);
    let unit = node
        .unit("ANGLEUNIT")
        .or_else(|| node.children(&["AXIS"]).find_map(|axis| axis.unit("ANGLEUNIT")))
        .map_or(1.0, degrees);
    let meridian = node.child(&["PRIMEM", "PRIMEMERIDIAN"]);
    let meridian_unit = meridian.and_then(|m| m.unit("ANGLEUNIT")).map_or(1.0, degrees);
    Ok(Description {
        epsg: node.epsg(),
        name: node.name(),
        proj4: carried_proj4(node),
        datum: datum.name(),
        semi_major: ellipsoid.number(1).ok_or_else(|| missing("semi-major axis"))? * metres,
        inverse_flattening: ellipsoid.number(2).ok_or_else(|| missing("flattening"))?,
        prime_meridian: meridian.and_then(|m| m.number(1)).unwrap_or(0.0) * meridian_unit,
        shift: datum
            .child(&["TOWGS84"])
            .map(|n| (0..n.items.len()).filter_map(|i| n.number(i)).collect()),
        unit_degrees: unit,
        axes: directions(node),
        ..Description::default()
    })
}

fn projected(node: &Node, text: &str) -> Result<Description, CrsError> {
    let missing = |what: &str| CrsError::malformed(text, format!("it has no {what}"));
    let base = node
        .child(&["GEOGCS", "BASEGEOGCRS", "BASEGEODCRS", "GEOGCRS"])
        .ok_or_else(|| missing("geographic system below the projection"))?;
    let below = geographic(base, text)?;
    let linear = node
        .unit("LENGTHUNIT")
        .or_else(|| node.children(&["AXIS"]).find_map(|axis| axis.unit("LENGTHUNIT")))
        .unwrap_or(1.0);
    let conversion = node.child(&["CONVERSION"]).unwrap_or(node);
    let method =
        conversion.child(&["PROJECTION", "METHOD"]).ok_or_else(|| missing("projection method"))?;
    let parameters = conversion
        .children(&["PARAMETER"])
        .filter_map(|p| {
            let name = plain(p.text(0)?);
            let value = p.number(1)?;
            let factor = if is_length(&name) {
                p.unit("LENGTHUNIT").unwrap_or(linear)
            } else if name.contains("scale") {
                p.unit("SCALEUNIT").unwrap_or(1.0)
            } else {
                p.unit("ANGLEUNIT").map_or(below.unit_degrees, degrees)
            };
            Some((name, value * factor))
        })
        .collect();
    Ok(Description {
        epsg: node.epsg(),
        base_epsg: below.epsg,
        name: node.name(),
        proj4: carried_proj4(node),
        projection: Some(Projection { method: method.name(), parameters }),
        unit_metres: linear,
        axes: directions(node),
        ..below
    })
}

fn carried_proj4(node: &Node) -> Option<String> {
    let mut extensions = node.children(&["EXTENSION"]);
    let found = extensions.find(|e| e.text(0).is_some_and(|t| t.eq_ignore_ascii_case("PROJ4")))?;
    found.text(1).map(str::to_owned)
}

fn directions(node: &Node) -> Vec<String> {
    node.children(&["AXIS"]).filter_map(|axis| axis.text(1)).map(str::to_ascii_lowercase).collect()
}

fn bound_shift(bound: &Node, text: &str) -> Result<Vec<f64>, CrsError> {
    let target = bound.child(&["TARGETCRS"]).and_then(first_node);
    if !target.is_some_and(|t| t.epsg() == Some(4326) || plain(&t.name()) == "wgs84") {
        return Err(CrsError::unsupported(bound.keyword.as_str(), "its target is not WGS 84"));
    }
    let step = bound
        .child(&["ABRIDGEDTRANSFORMATION"])
        .ok_or_else(|| CrsError::malformed(text, "it has no transformation"))?;
    let parameters: Vec<(String, f64)> = step
        .children(&["PARAMETER"])
        .filter_map(|p| Some((plain(p.text(0)?), p.number(1)?)))
        .collect();
    shift(&step.child(&["METHOD"]).map(Node::name).unwrap_or_default(), &parameters)
}

/// The tree of `text`; the error is a reason.
fn parse(text: &str) -> Result<Node, String> {
    let mut rest = text.trim();
    let mut open: Vec<Node> = Vec::new();
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else {
            return Err("it ends inside a bracket".to_owned());
        };
        match first {
            ',' => rest = &rest[1..],
            ']' | ')' => {
                rest = &rest[1..];
                let done = open.pop().ok_or("a bracket is closed that was not opened")?;
                match open.last_mut() {
                    Some(parent) => parent.items.push(Item::Node(done)),
                    None if rest.trim().is_empty() => return Ok(done),
                    None => return Err("text follows the last bracket".to_owned()),
                }
            }
            '"' => {
                let (string, after) = quoted(&rest[1..]).ok_or("a quote is not closed")?;
                rest = after;
                open.last_mut().ok_or("it starts with a quote")?.items.push(Item::Text(string));
            }
            _ => {
                let end = rest.find(['[', '(', ',', ']', ')', '"']).unwrap_or(rest.len());
                let word = rest[..end].trim();
                rest = &rest[end..];
                if rest.starts_with(['[', '(']) {
                    rest = &rest[1..];
                    if open.len() == MAX_DEPTH {
                        return Err(format!("brackets are nested deeper than {MAX_DEPTH}"));
                    }
                    open.push(Node { keyword: word.to_ascii_uppercase(), items: Vec::new() });
                } else {
                    let item = match word.parse::<f64>() {
                        Ok(number) if number.is_finite() => Item::Number(number),
                        _ => Item::Text(word.to_owned()),
                    };
                    open.last_mut()
                        .ok_or("it does not start with a keyword and a bracket")?
                        .items
                        .push(item);
                }
            }
        }
    }
}

/// The string up to its closing quote (a doubled quote stands for one), and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut string = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"')?;
        string.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                string.push('"');
                rest = after;
            }
            None => return Some((string, rest)),
        }
    }
}
