//! Scenarios: requests with what their answers must be, and the rules that hold for all answers.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Duration, Instant};

use crate::host::{Answer, Host, Options};

/// How long a patient step is repeated.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// The rule that is tested, for people.
    #[serde(rename = "about")]
    _about: String,
    #[serde(default)]
    pub(crate) server: Options,
    pub(crate) steps: Vec<Step>,
}

/// One request. In all texts, `${name}` stands for `base`, `password`, and whatever earlier steps have saved.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// Method and path.
    request: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// User name and password.
    login: Option<(String, String)>,
    json: Option<Value>,
    text: Option<String>,
    /// A body of that many spaces.
    spaces: Option<usize>,

    status: u16,
    /// The header begins with the text.
    #[serde(default)]
    answer_headers: BTreeMap<String, String>,
    #[serde(default)]
    no_headers: Vec<String>,
    /// JSON pointer to value.
    #[serde(default)]
    equals: BTreeMap<String, Value>,
    /// A part of a text, or an element of an array.
    #[serde(default)]
    contains: BTreeMap<String, Value>,
    #[serde(default)]
    length: BTreeMap<String, usize>,
    #[serde(default)]
    present: Vec<String>,
    #[serde(default)]
    absent: Vec<String>,
    /// The body to the letter.
    body: Option<String>,
    /// Texts that the body contains.
    #[serde(default)]
    holds: Vec<String>,
    /// The first bytes of the body, in hexadecimal.
    begins: Option<String>,
    /// The answer may hold nulls: defaults of parameters, results.
    #[serde(default)]
    nulls: bool,
    /// The request is repeated until the answer is right, for some seconds.
    #[serde(default)]
    patient: bool,
    /// Name to JSON pointer.
    #[serde(default)]
    save: BTreeMap<String, String>,
    /// Name to header.
    #[serde(default)]
    save_headers: BTreeMap<String, String>,
}

type Names = BTreeMap<String, String>;

impl Scenario {
    pub(crate) fn read(path: &Path) -> Scenario {
        let text = std::fs::read_to_string(path).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Runs all steps; gives what was wrong.
    pub(crate) async fn run(&self, host: &Host) -> Vec<String> {
        let mut names = Names::from([("base".to_owned(), host.base.clone())]);
        if let Some(password) = &host.password {
            names.insert("password".to_owned(), password.clone());
        }
        let mut problems = Vec::new();
        for (number, step) in self.steps.iter().enumerate() {
            let mut found = step.run(host, &mut names).await;
            let end = Instant::now() + PATIENCE;
            while step.patient && !found.is_empty() && Instant::now() < end {
                tokio::time::sleep(Duration::from_millis(20)).await;
                found = step.run(host, &mut names).await;
            }
            let step = format!("step {number} ({})", step.request);
            problems.extend(found.into_iter().map(|problem| format!("{step}: {problem}")));
        }
        problems
    }
}

impl Step {
    async fn run(&self, host: &Host, names: &mut Names) -> Vec<String> {
        let request = filled(&self.request, names);
        let (method, target) = request.split_once(' ').expect("method and path");
        // Addresses that answers name are of this server.
        let target = target.strip_prefix(host.base.as_str()).unwrap_or(target);
        let mut headers: Vec<(String, String)> =
            self.headers.iter().map(|(name, value)| (name.clone(), filled(value, names))).collect();
        if let Some((user, password)) = &self.login {
            let both = format!("{user}:{}", filled(password, names));
            headers
                .push(("authorization".to_owned(), format!("Basic {}", base64(both.as_bytes()))));
        }
        let body = match (&self.json, &self.text, self.spaces) {
            (Some(json), ..) => replaced(json, names).to_string().into_bytes(),
            (_, Some(text), _) => text.clone().into_bytes(),
            (.., Some(spaces)) => vec![b' '; spaces],
            _ => Vec::new(),
        };
        let answer = host.ask(method, target, &headers, body).await;
        let mut problems = rules(method, &answer, self.nulls);
        self.compare(&answer, names, &mut problems);
        if !problems.is_empty() {
            let text = String::from_utf8_lossy(&answer.body);
            let shown: String = text.chars().take(600).collect();
            problems
                .push(format!("the answer was {} {:?}\n{shown}", answer.status, answer.headers));
        }
        problems
    }

    fn compare(&self, answer: &Answer, names: &mut Names, problems: &mut Vec<String>) {
        let mut check = |right: bool, problem: String| {
            if !right {
                problems.push(problem);
            }
        };
        check(answer.status == self.status, format!("the status is not {}", self.status));
        for (name, value) in &self.answer_headers {
            let found = answer.headers.get(name);
            let value = filled(value, names);
            check(
                found.is_some_and(|found| found.starts_with(&value)),
                format!("header `{name}` is {found:?}, not `{value}`"),
            );
        }
        for name in &self.no_headers {
            check(!answer.headers.contains_key(name), format!("there is a header `{name}`"));
        }
        if let Some(body) = &self.body {
            check(answer.body == body.as_bytes(), format!("the body is not `{body}`"));
        }
        for part in &self.holds {
            let part = filled(part, names);
            let found = String::from_utf8_lossy(&answer.body).contains(&part);
            check(found, format!("the body does not contain `{part}`"));
        }
        if let Some(begins) = &self.begins {
            let length = (begins.len() / 2).min(answer.body.len());
            let found: Vec<String> =
                answer.body[..length].iter().map(|byte| format!("{byte:02x}")).collect();
            let found = found.concat();
            check(found == *begins, format!("the body begins with {found}, not {begins}"));
        }
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let at = |pointer: &str| json.pointer(pointer);
        for (pointer, value) in &self.equals {
            let value = replaced(value, names);
            check(
                at(pointer) == Some(&value),
                format!("{pointer} is {:?}, not {value}", at(pointer)),
            );
        }
        for (pointer, value) in &self.contains {
            let value = replaced(value, names);
            let right = match (at(pointer), &value) {
                (Some(Value::String(text)), Value::String(part)) => text.contains(part.as_str()),
                (Some(Value::Array(list)), value) => list.contains(value),
                _ => false,
            };
            check(right, format!("{pointer} is {:?} without {value}", at(pointer)));
        }
        for (pointer, length) in &self.length {
            let found = at(pointer).and_then(Value::as_array).map(Vec::len);
            check(
                found == Some(*length),
                format!("{pointer} has {found:?} elements, not {length}"),
            );
        }
        for pointer in &self.present {
            check(at(pointer).is_some(), format!("there is no {pointer}"));
        }
        for pointer in &self.absent {
            check(at(pointer).is_none(), format!("there is a {pointer}"));
        }
        for (name, header) in &self.save_headers {
            let found = answer.headers.get(header);
            check(found.is_some(), format!("there is no header `{header}` to save"));
            names.insert(name.clone(), found.cloned().unwrap_or_default());
        }
        for (name, pointer) in &self.save {
            let found = at(pointer).and_then(Value::as_str);
            check(found.is_some(), format!("there is no text {pointer} to save"));
            names.insert(name.clone(), found.unwrap_or_default().to_owned());
        }
    }
}

/// What holds for every answer.
fn rules(method: &str, answer: &Answer, nulls: bool) -> Vec<String> {
    let mut problems = Vec::new();
    let mut check = |right: bool, problem: &str| {
        if !right {
            problems.push(problem.to_owned());
        }
    };
    let header = |name: &str| answer.headers.get(name).map_or("", String::as_str);
    check(header("access-control-allow-origin") == "*", "no CORS for all origins");
    for name in ["Link", "Location", "OpenEO-Costs", "OpenEO-Identifier"] {
        let exposed = header("access-control-expose-headers").split(", ").any(|n| n == name);
        check(exposed, "a header of openEO is not exposed");
    }
    check(header("access-control-allow-credentials").is_empty(), "credentials are allowed");
    check(!(300..400).contains(&answer.status) || answer.status == 304, "a redirect");
    if method == "HEAD" || [204, 304].contains(&answer.status) {
        check(answer.body.is_empty(), "a body where none may be");
        return problems;
    }
    let kind = header("content-type");
    check(!kind.contains("json") || !kind.contains(';'), "a content type with parameters");
    let json = serde_json::from_slice::<Value>(&answer.body);
    // The protocol of the service has its own errors.
    if answer.status >= 400 && kind == "application/xml" {
        let text = String::from_utf8_lossy(&answer.body);
        check(text.contains("<ows:ExceptionReport "), "XML that is no exception report");
    } else if answer.status >= 400 {
        check(kind == "application/json", "an error that is not application/json");
        let text = |name: &str| {
            let value = json.as_ref().ok().and_then(|json| json.get(name)).and_then(Value::as_str);
            value.is_some_and(|text| !text.is_empty())
        };
        check(text("code") && text("message") && text("id"), "an error without its three texts");
    }
    if let Ok(json) = json
        && !nulls
    {
        check(!has_null(&json), "a null");
    }
    problems
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.iter().any(has_null),
        Value::Object(fields) => fields.values().any(has_null),
        _ => false,
    }
}

fn filled(text: &str, names: &Names) -> String {
    names
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
}

fn replaced(value: &Value, names: &Names) -> Value {
    match value {
        Value::String(text) => filled(text, names).into(),
        Value::Array(list) => list.iter().map(|value| replaced(value, names)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), replaced(value, names))).collect()
        }
        other => other.clone(),
    }
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |i: usize| group.get(i).copied().map_or(0, u32::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}
