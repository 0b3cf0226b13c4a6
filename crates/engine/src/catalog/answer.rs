//! Answers to the planner.

use std::sync::Arc;

use eolith_plan::need::{Answer, Degrees, Need};
use eolith_plan::request::Source;
use tracing::warn;

use super::external::Unread;
use super::search::{MOST_SCENES, Trouble, Wanted};
use super::{Catalog, Data};

impl Catalog {
    /// The answer to a question, once everything was looked at.
    ///
    /// [`Answer::Missing`] stands for an id that no data set has, [`Answer::Failed`] for data that cannot be read.
    /// Scenes come in the order (time, id).
    pub async fn answer(&self, need: &Need) -> Answer {
        let source = match need {
            Need::Collection { source }
            | Need::Scenes { source, .. }
            | Need::Features { source } => source,
            Need::Computed(_) => {
                return Answer::Failed("the catalogue computes nothing".to_owned());
            }
        };
        let listed = match source {
            Source::Collection(id) => self.index().await.listed.get(id).map(Arc::clone),
            Source::Stac(url) => match self.external.listed(url, &self.headers).await {
                Ok(listed) => listed,
                Err(reason) => return failed(source, reason),
            },
            Source::Url(url, format) if format.is_vector() => {
                return match self.external.features(url, *format).await {
                    Ok(Some(features)) => Answer::Features(Arc::new(features)),
                    Ok(None) => Answer::Missing,
                    Err(Unread::Failed(reason)) => failed(source, reason),
                    Err(Unread::Unsuitable(reason)) => Answer::Unsuitable(reason),
                };
            }
            Source::Url(url, format) => {
                match self.external.pixels(url, *format, &self.headers).await {
                    Ok(listed) => listed,
                    Err(Unread::Failed(reason)) => return failed(source, reason),
                    Err(Unread::Unsuitable(reason)) => return Answer::Unsuitable(reason),
                }
            }
        };
        let Some(listed) = listed else { return Answer::Missing };
        let result = match need {
            Need::Computed(_) => return Answer::Missing,
            Need::Collection { .. } => {
                listed.content(&self.headers).await.map(Answer::Collection).map_err(Trouble::Failed)
            }
            Need::Features { .. } => {
                Err(Trouble::Failed(format!("`{}` has no features: it is pixels", listed.href)))
            }
            Need::Scenes { bbox, start, end, properties, .. } => match &listed.data {
                Data::Scenes(scenes) => {
                    let bbox = bbox.map(|bbox| bbox.map(Degrees::value));
                    let wanted = Wanted { bbox, start: *start, end: *end, properties };
                    let scenes = scenes.scenes(&wanted, &self.headers).await;
                    scenes.map(|scenes| Answer::Scenes(Arc::from(scenes)))
                }
                Data::Cube { .. } => {
                    Err(Trouble::Failed(format!("`{}` has no scenes: it is one cube", listed.href)))
                }
            },
        };
        self.headers.save().await;
        match result {
            Ok(answer) => answer,
            Err(Trouble::TooMany) => Answer::TooMany(MOST_SCENES),
            Err(Trouble::Failed(reason)) => failed(source, reason),
        }
    }
}

fn failed(source: &Source, reason: String) -> Answer {
    warn!(%source, reason, "a question of the planner has no answer");
    Answer::Failed(reason)
}
