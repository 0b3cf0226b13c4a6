//! What GDAL writes beside the pixels: the XML of `GDAL_METADATA` and the text of `GDAL_NODATA`.

use eolith_cube::{DType, Number};

/// One `<Item>`: `sample` is missing for items of the whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) role: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) sample: Option<usize>,
    pub(super) text: String,
}

/// All items. This is no XML parser: GDAL writes a flat list, and whatever does not look like it is skipped.
pub(super) fn items(xml: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut rest = xml;
    while let Some(start) = rest.find("<Item") {
        rest = &rest[start + "<Item".len()..];
        let Some(close) = tag_end(rest) else { break };
        let (head, body) = (&rest[..close], &rest[close + 1..]);
        if head.ends_with('/') {
            rest = body;
            continue;
        }
        let Some(end) = body.find("</Item>") else { break };
        let attribute = |name| attribute(head, name);
        if let Some(name) = attribute("name") {
            items.push(Item {
                name,
                role: attribute("role"),
                domain: attribute("domain"),
                sample: attribute("sample").and_then(|text| text.parse().ok()),
                // GDAL escapes the text and then, as XML, escapes it again.
                text: unescape(&unescape(&body[..end])),
            });
        }
        rest = &body[end..];
    }
    items
}

/// The no-data value, as a value of `dtype`; `None` where the text is none (integers with a fraction, …).
pub(super) fn nodata(text: &str, dtype: DType) -> Option<Number> {
    let text = text.trim();
    let number = match text.parse::<i128>() {
        Ok(integer) if !dtype.is_float() => Number::Int(integer),
        _ => Number::Float(parse_float(text)?),
    };
    match number {
        // Written with fewer digits than an f32 has as an f64: the nearest f32 is meant.
        Number::Float(value) if dtype == DType::F32 => {
            let near = f64::from(value as f32);
            (near.is_finite() || !value.is_finite()).then_some(Number::Float(near))
        }
        Number::Float(value) if !dtype.is_float() => {
            dtype.holds(number).then_some(Number::Int(value as i128))
        }
        _ => dtype.holds(number).then_some(number),
    }
}

fn parse_float(text: &str) -> Option<f64> {
    // Windows run-times wrote NaN in these ways.
    let nan = ["-1.#IND", "-1.#QNAN", "1.#QNAN", "-nan(ind)", "-nan"];
    if nan.iter().any(|known| text.eq_ignore_ascii_case(known)) {
        return Some(f64::NAN);
    }
    text.parse().ok()
}

/// Position of the `>` that ends a tag, not one inside an attribute.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    text.char_indices().find_map(|(i, c)| {
        match quote {
            Some(q) if q == c => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == '>' => return Some(i),
            None => {}
        }
        None
    })
}

fn attribute(head: &str, name: &str) -> Option<String> {
    let mut rest = head;
    loop {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, tail) = after[1..].split_once(quote)?;
        if key.trim() == name {
            return Some(unescape(value));
        }
        rest = tail;
    }
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let entity = rest.find(';').map(|end| &rest[1..end]);
        let plain = entity.and_then(|entity| match entity {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => {
                let number = entity.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)
            }
        });
        if let (Some(c), Some(entity)) = (plain, entity) {
            out.push(c);
            rest = &rest[entity.len() + 2..];
        } else {
            out.push('&');
            rest = &rest[1..];
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_have_attributes_and_plain_text() {
        let xml = r#"<GDALMetadata>
            <Item name="AREA" >a &lt; b &amp; &#x3b1; &unknown;</Item>
            <Item name="DESCRIPTION" sample="1" role="description">B > 1</Item>
            <Item name="EMPTY" sample="0"/>
            <Item name="OFFSET" sample="0" role='offset'>-1000</Item><Item name="cut"#;
        let items = items(xml);
        assert_eq!(items.len(), 3);
        assert_eq!((items[0].text.as_str(), items[0].sample), ("a < b & α &unknown;", None));
        assert_eq!((items[1].text.as_str(), items[1].sample), ("B > 1", Some(1)));
        assert_eq!(items[1].role.as_deref(), Some("description"));
        assert_eq!((items[2].role.as_deref(), items[2].text.as_str()), (Some("offset"), "-1000"));
    }

    #[test]
    fn nodata_is_a_value_of_the_type_or_nothing() {
        assert_eq!(nodata("0", DType::U8), Some(Number::Int(0)));
        assert_eq!(nodata("-9999 ", DType::I16), Some(Number::Int(-9999)));
        assert_eq!(nodata("255.0", DType::U8), Some(Number::Int(255)));
        assert_eq!(nodata("-9999", DType::U16), None);
        assert_eq!(nodata("0.5", DType::U16), None);
        assert_eq!(nodata("nan", DType::U16), None);
        let lowest = nodata("-3.40282346638529e+38", DType::F32);
        assert_eq!(lowest, Some(Number::Float(f64::from(f32::MIN))));
        assert_eq!(nodata("18446744073709551615", DType::U64), Some(Number::Int(u64::MAX.into())));
        assert!(nodata("-1.#IND", DType::F64).is_some_and(|n| n.to_f64().is_nan()));
        assert_eq!(nodata("none", DType::F64), None);
    }
}
