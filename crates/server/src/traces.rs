//! Traces that go on from the one of a client: the header `traceparent` of W3C Trace Context names the span of the client that
//! a request belongs to. Without the feature `traces`, and where nobody collects spans, headers are not looked at.

use axum::http::HeaderMap;
use tracing::Span;

/// Makes the span of a request a part of what its headers name. Before the span is entered.
#[cfg(feature = "traces")]
pub(crate) fn goes_on(span: &Span, headers: &HeaderMap) {
    use opentelemetry::propagation::TextMapPropagator;
    use opentelemetry::trace::TraceContextExt;
    use opentelemetry_sdk::propagation::TraceContextPropagator;
    use tracing_opentelemetry::OpenTelemetrySpanExt;

    if span.is_disabled() || !headers.contains_key("traceparent") {
        return;
    }
    let context = TraceContextPropagator::new().extract(&Sent(headers));
    // What is no trace context is passed over, as the recommendation says.
    if context.span().span_context().is_valid()
        && let Err(error) = span.set_parent(context)
    {
        tracing::debug!(%error, "the trace of a client does not go on");
    }
}

/// Nothing collects spans.
#[cfg(not(feature = "traces"))]
pub(crate) fn goes_on(_: &Span, _: &HeaderMap) {}

#[cfg(feature = "traces")]
struct Sent<'a>(&'a HeaderMap);

#[cfg(feature = "traces")]
impl opentelemetry::propagation::Extractor for Sent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(axum::http::HeaderName::as_str).collect()
    }
}
