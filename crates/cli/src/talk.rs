//! What the program tells of itself: lines on stderr, and traces by OpenTelemetry for who collects them.
//!
//! Traces are sent where the standard variable `OTEL_EXPORTER_OTLP_ENDPOINT` (or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`)
//! says, by HTTP in protobuf; without it nothing is made or sent. Requests, jobs, planning and computing are spans.

use clap::ValueEnum;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// The form of lines on stderr.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// Sends what waits when it goes.
#[must_use]
pub(crate) struct Talk {
    #[cfg(feature = "traces")]
    traces: Option<opentelemetry_sdk::trace::SdkTracerProvider>,
}

/// Starts to talk; more with each `--verbose`.
pub(crate) fn start(verbose: u8, format: LogFormat) -> Talk {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_env("EOLITH_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let registry = tracing_subscriber::registry();
    #[cfg(feature = "traces")]
    {
        let traces = traces::provider();
        let layer = traces.as_ref().map(traces::layer::<Registry>);
        registry.with(layer).with(lines.with_filter(filter)).init();
        Talk { traces }
    }
    #[cfg(not(feature = "traces"))]
    {
        registry.with(lines.with_filter(filter)).init();
        Talk {}
    }
}

#[cfg(feature = "traces")]
impl Drop for Talk {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.traces.take().map(|traces| traces.shutdown()) {
            crate::failure::say(&format!("the last traces were not sent: {error}"));
        }
    }
}

#[cfg(feature = "traces")]
mod traces {
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_otlp::{
        OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, SpanExporter,
    };
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::filter::Targets;
    use tracing_subscriber::registry::LookupSpan;
    use tracing_subscriber::{Layer, filter::LevelFilter};

    use crate::failure::say;

    /// Where traces go, if somebody collects them.
    pub(super) fn provider() -> Option<SdkTracerProvider> {
        let variables = [OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT];
        if !variables
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
        {
            return None;
        }
        match SpanExporter::builder().with_http().build() {
            Ok(exporter) => {
                // `OTEL_SERVICE_NAME` is stronger.
                let mut resource = Resource::builder();
                if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
                    resource = resource.with_service_name("eolith");
                }
                let builder = SdkTracerProvider::builder().with_batch_exporter(exporter);
                Some(builder.with_resource(resource.build()).build())
            }
            Err(error) => {
                say(&format!("no traces are sent: {error}"));
                None
            }
        }
    }

    /// Spans of our own crates; what libraries do is not of interest.
    pub(super) fn layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    {
        let ours = Targets::new()
            .with_target("eolith_engine", LevelFilter::INFO)
            .with_target("eolith_server", LevelFilter::INFO);
        tracing_opentelemetry::layer().with_tracer(provider.tracer("eolith")).with_filter(ours)
    }
}
