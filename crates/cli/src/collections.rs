//! `eolith collections`: what was found in folders, files and catalogues. An argument that can be no data is the id of
//! a collection to show whole, as STAC JSON.

use clap::Args as ClapArgs;

use crate::data::Data;
use crate::failure::{Failure, print, say};

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    data: Data,
}

pub(crate) async fn run(mut args: Args) -> Result<(), Failure> {
    let ids = args.data.take_ids();
    let catalog = args.data.catalog(None);
    if !ids.is_empty() {
        for id in &ids {
            let record = catalog.collection(id).await.ok_or_else(|| {
                Failure::text(format!(
                    "CollectionNotFound: `{id}` is no path and no collection of the data given"
                ))
            })?;
            print(&format!("{:#}\n", record.to_stac_json()))?;
        }
        return Ok(());
    }
    let records = catalog.collections().await;
    let width = records.iter().map(|r| r.id.len()).max().unwrap_or_default();
    let mut text = String::new();
    for record in &records {
        text.push_str(&format!(
            "{:width$}  {}\n",
            record.id,
            record.title.as_deref().unwrap_or_default()
        ));
    }
    print(&text)?;
    for problem in catalog.problems().await {
        say(&format!("not usable: {}: {}", problem.path, problem.reason));
    }
    Ok(())
}
