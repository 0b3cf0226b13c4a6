//! Connections: accepted, encrypted where there is a certificate, and bounded in time.
//!
//! What is asked and answered over them is the router's matter ([`crate::app`]). The time until an answer begins is not
//! bounded here: computing takes as long as it takes, and who hangs up cancels it.

mod tls;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tower::{ServiceExt, service_fn};
use tower_http::timeout::TimeoutBody;
use tracing::{debug, warn};

pub(crate) use tls::Tls;
pub use tls::{Certificate, TlsError};

/// How long a client may take to encrypt.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may take for the head of a request, or be silent between two requests.
const HEAD: Duration = Duration::from_secs(75);
/// How long a client may be silent within the body of a request.
const BODY: Duration = Duration::from_secs(30);
/// How often a silent HTTP/2 client is asked whether it is still there.
const PING: Duration = Duration::from_secs(30);
/// How long accepting rests when the system has no room for more connections.
const REST: Duration = Duration::from_millis(500);

/// Accepts until `end`, then lets the requests that are under way finish.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    routes: Router,
    end: impl Future<Output = ()>,
) {
    let protocol = Arc::new(protocol());
    let graceful = GracefulShutdown::new();
    let mut end = pin!(end);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = accept(&listener) => accepted,
            () = &mut end => break,
        };
        let (protocol, tls) = (Arc::clone(&protocol), tls.clone());
        let (routes, watcher) = (routes.clone(), graceful.watcher());
        tokio::spawn(async move {
            let Some(tls) = tls else {
                return answer(&protocol, stream, peer, routes, watcher).await;
            };
            match timeout(HANDSHAKE, tls.acceptor().accept(stream)).await {
                Ok(Ok(stream)) => answer(&protocol, stream, peer, routes, watcher).await,
                Ok(Err(error)) => debug!(%peer, %error, "a connection is not encrypted"),
                Err(_) => debug!(%peer, "a connection takes too long to encrypt"),
            }
        });
    }
    // Others may take the port now.
    drop(listener);
    graceful.shutdown().await;
}

fn protocol() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(PING);
    builder
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    warn!(%error, "answers may be delayed");
                }
                return (stream, peer);
            }
            // The client has gone again.
            Err(error) if gone(&error) => {}
            Err(error) => {
                warn!(%error, "no connection can be accepted");
                sleep(REST).await;
            }
        }
    }
}

fn gone(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn answer(
    protocol: &Builder<TokioExecutor>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    routes: Router,
    watcher: Watcher,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(|body| Body::new(TimeoutBody::new(BODY, body)));
        request.extensions_mut().insert(ConnectInfo(peer));
        let routes = routes.clone();
        async move { routes.oneshot(request).await }
    });
    let connection =
        protocol.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    if let Err(error) = watcher.watch(connection).await {
        debug!(%peer, error, "a connection ends");
    }
}
