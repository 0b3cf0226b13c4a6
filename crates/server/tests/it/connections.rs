//! What scenarios cannot say: where the server listens, that it starts and ends well, and that the capabilities keep
//! their word.

use std::time::{Duration, Instant};

use eolith_server::{Config, ServeError, Server};
use serde_json::Value;

use crate::data;
use crate::host::{Access, Host, Options, kept, session};

fn no_headers() -> Vec<(String, String)> {
    Vec::new()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_that_is_listed_exists() {
    let host = Host::start(&Options::default(), Access::InProcess).await;
    for root in ["", "/openeo/1.2", "/openeo/1.3"] {
        let answer = host.ask("GET", &format!("{root}/"), &no_headers(), Vec::new()).await;
        let capabilities: Value = serde_json::from_slice(&answer.body).unwrap();
        let endpoints = capabilities["endpoints"].as_array().unwrap();
        assert!(endpoints.len() >= 10);
        for endpoint in endpoints {
            let path = endpoint["path"].as_str().unwrap().replace("{collection_id}", "cube");
            // Whoever has an id gets something else than an unknown path gets.
            let of_something = path.contains('{');
            for method in endpoint["methods"].as_array().unwrap() {
                let method = method.as_str().unwrap();
                let target = format!("{root}{path}");
                let answer = host.ask(method, &target, &no_headers(), Vec::new()).await;
                let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                // Nothing has these ids, which is another answer than that of an unknown path.
                let said = json["message"].as_str().unwrap_or_default();
                let known = ![404, 405, 501].contains(&answer.status)
                    || of_something && !said.starts_with("there is nothing at");
                assert!(known, "{method} {target}: {json}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_cannot_reach_a_server_without_authentication() {
    let folder = data::generated();
    for bind in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80", "[::ffff:192.0.2.1]:80"] {
        let config = Config { bind: bind.parse().unwrap(), ..Config::default() };
        let bound = Server::bind(session(folder.path(), folder.path()), config).await;
        assert!(matches!(bound, Err(ServeError::Unprotected(_))), "{bind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_answer_comes_at_once_and_a_taken_port_is_an_error() {
    let folder = data::generated();
    let start = Instant::now();
    let host = Host::start(&Options::default(), Access::Socket).await;
    let answer = host.ask("GET", "/openeo/1.2/", &no_headers(), Vec::new()).await;
    assert_eq!(answer.status, 200);
    // Generous: other tests run beside this one.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    let bind = host.authority().parse().unwrap();
    let second =
        Server::bind(session(folder.path(), folder.path()), Config { bind, ..Config::default() })
            .await;
    assert!(matches!(second, Err(ServeError::Listen { .. })));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_json_is_compressed_for_those_who_ask_for_it() {
    let host = Host::start(&Options::default(), Access::InProcess).await;
    let gzip = vec![("accept-encoding".to_owned(), "gzip".to_owned())];
    let plain = host.ask("GET", "/processes", &no_headers(), Vec::new()).await;
    let small = host.ask("GET", "/processes", &gzip, Vec::new()).await;
    assert_eq!(small.headers["content-encoding"], "gzip");
    assert_eq!(small.headers["content-type"], "application/json");
    assert!(small.body.len() * 3 < plain.body.len(), "{} bytes", small.body.len());
    assert!(!plain.headers.contains_key("content-encoding"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_cancels_the_run_and_leaves_nothing() {
    let host = Host::start(&Options::default(), Access::Socket).await;
    let body = serde_json::json!({"process": {"process_graph": {
        "load": {"process_id": "load_collection", "arguments": {"id": "cube",
            "spatial_extent": null, "temporal_extent": null}},
        "fine": {"process_id": "resample_spatial", "arguments": {"data": {"from_node": "load"},
            "resolution": 0.0001, "method": "lanczos"}, "result": true},
    }}})
    .to_string();
    let head =
        format!("POST /result HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut stream = tokio::net::TcpStream::connect(host.authority()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.unwrap();
    let under_way = || kept(host.results.path()) == 1;
    let wait = async |what: &str, done: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !done() {
            assert!(start.elapsed() < Duration::from_mins(1), "{what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        start.elapsed()
    };
    wait("the run starts", &under_way).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(under_way(), "the run is long enough to be stopped");
    drop(stream);
    let took = wait("the run ends", &|| !under_way()).await;
    println!("cancelled in {took:?}");
    host.stop().await;
}
