//! The certificate of the server, read again when its files change: certificates live for weeks, servers for longer.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_mins(1);

/// Files (PEM) of a certificate and its private key.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate of the server first, then those that lead to a known authority.
    pub chain: PathBuf,
    /// PKCS #8, PKCS #1 or SEC 1, without a password.
    pub key: PathBuf,
}

/// Why there is no encryption.
#[derive(Debug, Error)]
pub enum TlsError {
    #[error("`{}` cannot be read: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("`{}` is no file of PEM with what is needed: {source}", path.display())]
    Pem { path: PathBuf, source: pem::Error },
    #[error("`{}` has no certificate in it", .0.display())]
    Empty(PathBuf),
    #[error("certificate and key cannot be used together: {0}")]
    Unusable(#[from] rustls::Error),
}

/// What connections are encrypted with.
pub(crate) struct Tls {
    files: Certificate,
    current: RwLock<Current>,
}

struct Current {
    changed: [SystemTime; 2],
    config: Arc<ServerConfig>,
}

impl Certificate {
    /// Whether the files can be used, without serving anything.
    ///
    /// # Errors
    /// They cannot be read, or do not belong together.
    pub fn check(&self) -> Result<(), TlsError> {
        self.config().map(drop)
    }

    fn config(&self) -> Result<ServerConfig, TlsError> {
        let pem = |path: &Path| {
            let path = path.to_owned();
            move |source| match source {
                pem::Error::Io(source) => TlsError::File { path, source },
                source => TlsError::Pem { path, source },
            }
        };
        let chain = CertificateDer::pem_file_iter(&self.chain)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(pem(&self.chain))?;
        if chain.is_empty() {
            return Err(TlsError::Empty(self.chain.clone()));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(pem(&self.key))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
        let mut config = builder.with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    fn changed(&self) -> Result<[SystemTime; 2], TlsError> {
        let of = |path: &PathBuf| {
            let failed = |source| TlsError::File { path: path.clone(), source };
            std::fs::metadata(path).and_then(|file| file.modified()).map_err(failed)
        };
        Ok([of(&self.chain)?, of(&self.key)?])
    }
}

impl Tls {
    pub(crate) fn open(files: Certificate) -> Result<Tls, TlsError> {
        let current = Current { changed: files.changed()?, config: Arc::new(files.config()?) };
        Ok(Tls { files, current: RwLock::new(current) })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&current.config))
    }

    /// Takes new certificates from the files, for as long as the server runs.
    pub(crate) async fn renew(&self) {
        let mut beat = tokio::time::interval(LOOK);
        loop {
            beat.tick().await;
            match self.look() {
                Ok(true) => info!("new connections get the new certificate"),
                Ok(false) => {}
                Err(error) => warn!(%error, "the server goes on with its earlier certificate"),
            }
        }
    }

    /// Whether there was another certificate.
    fn look(&self) -> Result<bool, TlsError> {
        let changed = self.files.changed()?;
        if self.current.read().unwrap_or_else(PoisonError::into_inner).changed == changed {
            return Ok(false);
        }
        // A half-written pair fails here, and is looked at again.
        let config = Arc::new(self.files.config()?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Current { changed, config };
        Ok(true)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}
