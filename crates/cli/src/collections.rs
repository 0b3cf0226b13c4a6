//! `eolith collections`: what was found in folders, files and catalogues.

use clap::Args as ClapArgs;

use crate::data::Data;
use crate::failure::{Failure, print, say};

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    data: Data,
    /// Show this collection whole, as STAC JSON.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let catalog = args.data.catalog(None);
    if let Some(id) = &args.id {
        let record = (catalog.collection(id).await).ok_or_else(|| {
            Failure::text(format!("CollectionNotFound: there is no collection `{id}`"))
        })?;
        return print(&format!("{:#}\n", record.to_stac_json()));
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
