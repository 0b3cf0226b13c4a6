//! Answers to the planner.

use std::sync::Arc;

use eolith_plan::need::{Answer, Degrees, Need};
use tracing::warn;

use super::{Catalog, Data};

impl Catalog {
    /// The answer to a question, once everything was looked at.
    ///
    /// [`Answer::Missing`] stands for an id that no data set has, [`Answer::Failed`] for data that cannot be read.
    /// Scenes come in the order (time, id).
    pub async fn answer(&self, need: &Need) -> Answer {
        let (Need::Collection { id } | Need::Scenes { collection: id, .. }) = need;
        let index = self.index().await;
        let Some(listed) = index.listed.get(id) else { return Answer::Missing };
        let result = match need {
            Need::Collection { .. } => listed.content(&self.headers).await.map(Answer::Collection),
            Need::Scenes { bbox, start, end, .. } => match &listed.data {
                Data::Scenes(source) => {
                    let bbox = bbox.map(|bbox| bbox.map(Degrees::value));
                    let scenes = source.scenes(bbox, (*start, *end), &self.headers).await;
                    scenes.map(|scenes| Answer::Scenes(Arc::from(scenes)))
                }
                Data::Cube { .. } => {
                    Err(format!("`{}` has no scenes: it is one cube", listed.href))
                }
            },
        };
        self.headers.save().await;
        result.unwrap_or_else(|reason| {
            warn!(collection = id, reason, "a question of the planner has no answer");
            Answer::Failed(reason)
        })
    }
}
