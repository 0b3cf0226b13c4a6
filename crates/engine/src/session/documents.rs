//! Documents with processes that were read from the web, and are kept with their entity tags.
//!
//! A document is asked for in every run: what is kept spares its way through the network, never the question whether it is
//! still the same. Documents without a tag are not kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value as Json;

use crate::storage::{Access, Location};

/// Bytes a document may have.
const MOST_BYTES: u64 = 1 << 20;
/// How long one may take, with all that is tried again.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes, as they came, of all that are kept.
const MOST_KEPT: usize = 16 << 20;

/// The documents of all runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Documents(Arc<Mutex<VecDeque<Kept>>>);

#[derive(Clone, Debug)]
struct Kept {
    address: String,
    tag: String,
    bytes: usize,
    json: Arc<Json>,
}

impl Documents {
    /// The document at an address that a request names. Errors are texts.
    pub(super) async fn read(
        &self,
        address: &str,
        access: &Arc<Access>,
    ) -> Result<Arc<Json>, String> {
        let location = Location::requested(access, address).map_err(|error| error.to_string())?;
        let known = self.find(address);
        let read = location.read_newer(MOST_BYTES, known.as_ref().map(|kept| kept.tag.as_str()));
        let read = tokio::time::timeout(PATIENCE, read).await.map_err(|_| {
            format!("`{address}` gave no answer within {} seconds", PATIENCE.as_secs())
        })?;
        let (bytes, tag) = match (read.map_err(|error| error.to_string())?, known) {
            (Some(read), _) => read,
            (None, Some(kept)) => return Ok(kept.json),
            (None, None) => return Err(format!("`{address}` gave no document")),
        };
        let json = serde_json::from_slice(&bytes);
        let json = json.map_err(|error| format!("`{address}` is not JSON: {error}"))?;
        let json: Arc<Json> = Arc::new(json);
        self.keep(address, tag, bytes.len(), &json);
        Ok(json)
    }

    fn find(&self, address: &str) -> Option<Kept> {
        self.lock().iter().find(|kept| kept.address == address).cloned()
    }

    /// In the place of an earlier one; those that were kept longest go first.
    fn keep(&self, address: &str, tag: Option<String>, bytes: usize, json: &Arc<Json>) {
        let mut kept = self.lock();
        kept.retain(|other| other.address != address);
        let Some(tag) = tag else { return };
        let (address, json) = (address.to_owned(), Arc::clone(json));
        kept.push_back(Kept { address, tag, bytes, json });
        while kept.iter().map(|kept| kept.bytes).sum::<usize>() > MOST_KEPT {
            kept.pop_front();
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        // Nothing in here can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Answers in turn, each on a connection of its own; gives what was asked.
    fn serve(answers: &[&str]) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/p.json", listener.local_addr().unwrap());
        let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
        let serving = std::thread::spawn(move || {
            let asked = answers.iter().map(|answer| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut buffer = [0; 4096];
                let count = stream.read(&mut buffer).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
                String::from_utf8_lossy(&buffer[..count]).to_ascii_lowercase()
            });
            asked.collect()
        });
        (address, serving)
    }

    fn answer(tag: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "HTTP/1.1 200 OK\r\n{tag}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
    }

    #[tokio::test]
    async fn what_has_a_tag_is_sent_once() {
        let unchanged = "HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n";
        let (first, second) = (answer("etag: \"a\"\r\n", "[1]"), answer("", "[2]"));
        let (address, serving) = serve(&[&first, unchanged, &second, &second]);
        let access = Arc::new(Access::requests(true, []));
        let documents = Documents::default();
        for wanted in ["[1]", "[1]", "[2]", "[2]"] {
            let read = documents.read(&address, &access).await.unwrap();
            assert_eq!(read.to_string(), wanted);
        }
        let asked = serving.join().unwrap();
        let tagged: Vec<bool> =
            asked.iter().map(|asked| asked.contains("if-none-match: \"a\"")).collect();
        assert_eq!(tagged, [false, true, true, false], "without a tag nothing is kept");
        assert!(documents.lock().is_empty());
    }

    #[test]
    fn not_everything_is_kept() {
        let documents = Documents::default();
        let json = Arc::new(Json::Null);
        for i in 0..20 {
            documents.keep(&i.to_string(), Some("t".to_owned()), 1 << 20, &json);
        }
        assert_eq!(documents.lock().len(), 16);
        assert!(documents.find("3").is_none() && documents.find("19").is_some());
    }
}
