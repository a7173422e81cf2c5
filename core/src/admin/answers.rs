//! What the admin listener answers: one function per path.
//!
//! Not here: sockets and connections. Nothing here changes anything, so all is GET (and HEAD).

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::{Metrics, redact};
use crate::control::{Facts, Phase, Status, utc};

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

const INDEX: &str = "\
Ringway admin

  /metrics     Prometheus text format
  /healthz     200 while the process runs
  /readyz      200 while it serves, 503 before and while draining; JSON with the last reload
  /config      the running configuration: files as read (secrets blanked), hash, effective values
  /listeners   bound addresses by listener name
";

#[derive(Clone)]
struct Answers {
    status: Status,
    metrics: Metrics,
}

pub(super) fn routes(status: Status, metrics: Metrics) -> Router {
    let answers = Answers { status, metrics };
    Router::new()
        .route(
            "/",
            get(|| async { text(StatusCode::OK, TEXT, INDEX.into()) }),
        )
        .route("/metrics", get(metrics_text))
        .route(
            "/healthz",
            get(|| async { text(StatusCode::OK, TEXT, "ok\n".into()) }),
        )
        .route("/readyz", get(readyz))
        .route("/config", get(config))
        .route("/listeners", get(listeners))
        .fallback(|| async {
            let body = "no such path; GET / lists them\n";
            text(StatusCode::NOT_FOUND, TEXT, body.into())
        })
        .method_not_allowed_fallback(|| async {
            let body = "only GET and HEAD here\n";
            text(StatusCode::METHOD_NOT_ALLOWED, TEXT, body.into())
        })
        .layer(middleware::from_fn_with_state(answers.clone(), guard))
        .with_state(answers)
}

/// Before every answer: the token; after it: the headers that all answers have.
async fn guard(State(answers): State<Answers>, request: Request, next: Next) -> Response {
    let open = matches!(request.uri().path(), "/healthz" | "/readyz");
    let mut response = if open || admitted(&answers.status.facts(), request.headers()) {
        next.run(request).await
    } else {
        let body = "a token is needed: Authorization: Bearer <admin.token>\n";
        let mut refused = text(StatusCode::UNAUTHORIZED, TEXT, body.into());
        let scheme = HeaderValue::from_static("Bearer");
        refused
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, scheme);
        refused
    };
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn admitted(facts: &Facts, headers: &HeaderMap) -> bool {
    let Some(token) = &facts.token else {
        return true;
    };
    let shown = headers
        .get(header::AUTHORIZATION)
        .map(HeaderValue::as_bytes)
        .and_then(|value| value.split_at_checked(7))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
    shown.is_some_and(|(_, shown)| same(shown, token.as_bytes()))
}

/// Equal, in a time that depends on the lengths only.
fn same(shown: &[u8], token: &[u8]) -> bool {
    let differences = shown
        .iter()
        .zip(token)
        .fold(0, |all, (a, b)| std::hint::black_box(all | (a ^ b)));
    shown.len() == token.len() && differences == 0
}

async fn metrics_text(State(answers): State<Answers>) -> Response {
    text(StatusCode::OK, PROMETHEUS, (answers.metrics)())
}

async fn readyz(State(answers): State<Answers>, headers: HeaderMap) -> Response {
    let facts = answers.status.facts();
    let ready = facts.phase == Phase::Ready;
    let mut detail = json!({
        "ready": ready,
        "phase": match facts.phase {
            Phase::Starting => "starting",
            Phase::Ready => "serving",
            Phase::Draining => "draining",
        },
        "config": if facts.rejected.is_some() { "rejected" } else { "running" },
    });
    if let Some(running) = &facts.running {
        detail["hash"] = hash(running.hash);
        detail["loaded_at"] = utc(running.since).into();
    }
    if let Some(rejected) = &facts.rejected {
        detail["rejected_at"] = utc(rejected.at).into();
        // They quote the file. A load balancer's probe carries no token and needs none of it.
        if admitted(&facts, &headers) {
            detail["errors"] = rejected.lines.clone().into();
        }
    }
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    json_text(status, &detail)
}

async fn config(State(answers): State<Answers>) -> Response {
    let Some(running) = answers.status.facts().running else {
        let body = "no configuration runs yet\n";
        return text(StatusCode::SERVICE_UNAVAILABLE, TEXT, body.into());
    };
    let sources: Vec<Value> = redact::sources(&running.config, &running.sources)
        .into_iter()
        .map(|source| json!({ "path": source.path, "text": source.text }))
        .collect();
    let detail = json!({
        "hash": hash(running.hash),
        "loaded_at": utc(running.since),
        "sources": sources,
        "effective": format!("{:#?}", running.config).lines().collect::<Vec<_>>(),
    });
    json_text(StatusCode::OK, &detail)
}

async fn listeners(State(answers): State<Answers>) -> Response {
    // A listener may have several addresses.
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, address) in answers.status.facts().listeners {
        by_name.entry(name).or_default().push(address);
    }
    json_text(StatusCode::OK, &json!(by_name))
}

/// As hexadecimal text: JSON numbers lose the low bits.
fn hash(hash: u64) -> Value {
    format!("{hash:016x}").into()
}

fn json_text(status: StatusCode, detail: &Value) -> Response {
    text(status, JSON, format!("{detail:#}\n"))
}

fn text(status: StatusCode, kind: &'static str, body: String) -> Response {
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
    (status, headers, Body::from(body)).into_response()
}
