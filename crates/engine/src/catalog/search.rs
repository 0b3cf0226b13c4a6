//! Which scenes of a collection a plan wants: filtered here, or asked of the service that has them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as Moment};

use eolith_cube::time::{Instant, Interval};
use eolith_plan::need::Scene;
use eolith_plan::request::PropertyFilter;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};

use super::bounds;
use super::headers::Headers;
use super::scenes::{Items, SceneSource, footprint};
use crate::source::stac::{self, Api, Document, ItemScene, Search};

/// Scenes that one plan may have. More would keep a planner busy that lists every file of every scene.
pub(super) const MOST_SCENES: usize = 10_000;
/// Items of a service that are looked at to describe a collection.
const SAMPLE: usize = 100;
/// How long the items of a search are believed, and how many searches are remembered.
const FRESH: Duration = Duration::from_mins(5);
const MOST_SEARCHES: usize = 32;
/// Scenes whose files are opened at the same time.
const CONCURRENT: usize = 4;

/// What a plan asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// West, south, east, north in degrees; west is greater than east across the antimeridian.
    pub(super) bbox: Option<[f64; 4]>,
    pub(super) start: Option<Instant>,
    pub(super) end: Option<Instant>,
    pub(super) properties: &'a [PropertyFilter],
}

/// Why there are no scenes.
#[derive(Debug)]
pub(super) enum Trouble {
    Failed(String),
    TooMany,
}

/// The items of searches by what was sent, with the moment they came.
pub(super) type Searched = Mutex<BTreeMap<String, (Moment, Arc<Items>)>>;

impl From<String> for Trouble {
    fn from(reason: String) -> Trouble {
        Trouble::Failed(reason)
    }
}

impl SceneSource {
    /// The scenes that are wanted, in the order (time, id).
    pub(super) async fn scenes(
        &self,
        wanted: &Wanted<'_>,
        headers: &Headers,
    ) -> Result<Vec<Scene>, Trouble> {
        let items = match self.api().await? {
            Some(api) => self.search(api, wanted).await?,
            None => Arc::clone(self.all().await?),
        };
        let mut chosen = Vec::new();
        for scene in &items.scenes {
            if is_wanted(scene, wanted)? {
                chosen.push(scene);
            }
        }
        if chosen.len() > MOST_SCENES {
            return Err(Trouble::TooMany);
        }
        let work: Vec<_> =
            chosen.into_iter().map(|scene| self.read_scene(scene, headers)).collect();
        Ok(stream::iter(work).buffered(CONCURRENT).try_collect().await?)
    }

    /// The service that has the items, if one has.
    pub(super) async fn api(&self) -> Result<Option<&Api>, String> {
        Ok(self.api.get_or_try_init(|| self.find_api()).await?.as_ref())
    }

    /// Some items of a service, to see what they are like.
    pub(super) async fn search_sample(&self, api: &Api) -> Result<Arc<Items>, String> {
        let search = Search {
            collection: Some(self.document.id.clone()),
            most: SAMPLE,
            ..Search::default()
        };
        let hits = api.search(&search).await.map_err(|e| e.to_string())?;
        self.read_items(&hits.items, Vec::new(), hits.complete)
    }

    async fn find_api(&self) -> Result<Option<Api>, String> {
        let link = |rel: &str| {
            let link = self.document.links.iter().find(|link| link.rel == rel)?;
            self.location.relative(&link.href).ok()
        };
        let (Some(items), Some(root)) = (link("items"), link("root")) else { return Ok(None) };
        if self.location.as_url().is_none() {
            return Ok(None);
        }
        // A root that cannot be read is no service, and the items can still be there.
        match stac::read(&root).await {
            Ok((root, Document::Catalog(landing))) => {
                Ok(Api::of(&root, &landing).or_else(|| Api::of_items(&landing, items)))
            }
            Ok(_) | Err(_) => Ok(None),
        }
    }

    async fn search(&self, api: &Api, wanted: &Wanted<'_>) -> Result<Arc<Items>, Trouble> {
        let said: Vec<&Value> =
            wanted.properties.iter().filter_map(|own| own.cql2.as_ref()).collect();
        let filter = match said.as_slice() {
            _ if !api.filters() => None,
            [] => None,
            [only] => Some((*only).clone()),
            several => Some(json!({"op": "and", "args": several})),
        };
        let (bbox, start, end) = (wanted.bbox, wanted.start, wanted.end);
        let key = format!("{bbox:?} {start:?} {end:?} {filter:?}");
        if let Some((since, items)) = self.lock().get(&key)
            && since.elapsed() < FRESH
        {
            return Ok(Arc::clone(items));
        }
        let collection = Some(self.document.id.clone());
        let search =
            Search { collection, bbox, start, end, filter, most: MOST_SCENES, ..Search::default() };
        let hits = api.search(&search).await.map_err(|e| e.to_string())?;
        if !hits.complete {
            return Err(Trouble::TooMany);
        }
        let items = self.read_items(&hits.items, Vec::new(), true)?;
        let mut searched = self.lock();
        searched.retain(|_, (since, _)| since.elapsed() < FRESH);
        if searched.len() >= MOST_SEARCHES {
            searched.clear();
        }
        searched.insert(key, (Moment::now(), Arc::clone(&items)));
        Ok(items)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (Moment, Arc<Items>)>> {
        self.searched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_wanted(scene: &ItemScene, wanted: &Wanted<'_>) -> Result<bool, String> {
    let interval = Interval { start: wanted.start, end: wanted.end };
    let inside = match (wanted.bbox, scene.bbox.or_else(|| footprint(scene))) {
        (Some(wanted), Some(own)) => bounds::touch(wanted, own),
        _ => true,
    };
    if !inside || !interval.contains(scene.time.instant) {
        return Ok(false);
    }
    for filter in wanted.properties {
        let own =
            scene.properties.get(filter.name.strip_prefix("properties.").unwrap_or(&filter.name));
        let value = match (own, filter.name.as_str()) {
            (Some(own), _) => own.clone(),
            (None, "id") => scene.id.as_str().into(),
            (None, _) => Value::Null,
        };
        let said = filter.accepts(&value);
        if !said.map_err(|fault| {
            format!(
                "the condition on `{}` fails for item `{}`: {}",
                filter.name, scene.id, fault.message
            )
        })? {
            return Ok(false);
        }
    }
    Ok(true)
}
