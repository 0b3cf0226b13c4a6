//! Items of documents: as they are published, without what a client cannot use.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use url::Url;

use super::super::describe::LINKS;
use super::files::Files;
use crate::source::stac::ItemScene;
use crate::storage::{Access, Location};

/// The document of an item, and where it is. Errors are texts.
pub(super) async fn read(
    source: &Location,
    scene: &ItemScene,
) -> Result<(Location, Value), String> {
    let location = match source.access() {
        Some(access) => Location::requested(access, &scene.document),
        None => Location::resolve("", &scene.document),
    };
    let read = location.map_err(|e| e.to_string())?.read_document().await;
    let (location, bytes) = read.map_err(|e| e.to_string())?;
    let gone = || format!("`{}` is not in its document any more", scene.id);
    let mut value: Value = serde_json::from_slice(&bytes).map_err(|_| gone())?;
    if let Some(features) = value.get_mut("features").and_then(Value::as_array_mut) {
        let at = features.iter().position(|own| own["id"] == scene.id.as_str()).ok_or_else(gone)?;
        value = features.swap_remove(at);
    }
    if value["id"] == scene.id.as_str() { Ok((location, value)) } else { Err(gone()) }
}

/// An item as others get to see it. Its addresses start from `base`.
pub(super) fn shown(
    mut item: Value,
    base: &Location,
    files: &Files<'_>,
    access: &Arc<Access>,
) -> Value {
    let id = item["id"].as_str().unwrap_or_default().to_owned();
    item["collection"] = files.collection.into();
    let links = item.get("links").and_then(Value::as_array).into_iter().flatten();
    let kept: Vec<Value> = links.filter(|link| is_kept(link)).cloned().collect();
    item["links"] = json!(kept);
    let mut left_out = false;
    let mut assets = Map::new();
    if let Some(Value::Object(given)) = item.get_mut("assets").map(Value::take) {
        for (key, mut asset) in given {
            let href = address(&asset, base, access);
            let href = href.or_else(|| files.address(&id, &key, &held(&asset, base)?));
            if let Some(href) = href {
                asset["href"] = href.into();
                assets.insert(key, asset);
            } else {
                left_out = true;
            }
        }
    }
    item["assets"] = assets.into();
    if left_out {
        drop_extensions(&mut item);
    }
    item
}

/// Whether requests may name an address, so that a client can use it, too.
pub(super) fn is_public(href: &str, access: &Arc<Access>) -> bool {
    let Ok(url) = Url::parse(href) else { return false };
    let is_web = ["http", "https"].contains(&url.scheme());
    if !is_web || !url.username().is_empty() || url.password().is_some() {
        return false;
    }
    let secure = href.replacen("http://", "https://", 1);
    [href, &secure].iter().any(|href| Location::requested(access, href).is_ok())
}

/// Links to what is neither here nor a part of the API.
fn is_kept(link: &Value) -> bool {
    let text = |key: &str| link.get(key).and_then(Value::as_str).unwrap_or_default();
    LINKS.contains(&text("rel")) && text("href").starts_with("http")
}

/// The absolute address of a file that a client can use.
fn address(asset: &Value, base: &Location, access: &Arc<Access>) -> Option<String> {
    let given = asset.get("href")?.as_str()?;
    let location = base.relative(given).ok()?;
    let href = location.href();
    // What the operator put behind a question mark may be a secret; what the item says is published.
    let own = href.contains('?') == given.contains('?');
    (own && location.as_url().is_some() && is_public(href, access)).then(|| href.to_owned())
}

/// Where on this machine a file is.
fn held(asset: &Value, base: &Location) -> Option<Location> {
    let place = base.referred(asset.get("href")?.as_str()?).ok()?;
    place.as_local().is_some().then_some(place)
}

/// Leaves out the extensions of which nothing is left: their schemas demand something.
fn drop_extensions(item: &mut Value) {
    let mut names: Vec<String> = Vec::new();
    let mut open: Vec<&Value> = vec![&*item];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                names.extend(fields.keys().filter(|key| key.contains(':')).cloned());
                open.extend(fields.values());
            }
            Value::Array(list) => open.extend(list),
            _ => {}
        }
    }
    let is_used = |extension: &Value| {
        let address = extension.as_str().unwrap_or_default();
        let name = address.split("stac-extensions.github.io/").nth(1).unwrap_or(address);
        let name = name.split('/').next().unwrap_or_default();
        let prefix = match name {
            "projection" => "proj",
            "datacube" => "cube",
            "scientific" => "sci",
            name => name,
        };
        names.iter().any(|own| own.strip_prefix(prefix).is_some_and(|own| own.starts_with(':')))
    };
    if let Some(Value::Array(extensions)) = item.get_mut("stac_extensions") {
        extensions.retain(is_used);
    }
}
