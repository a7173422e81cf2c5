//! The services behind the demo's proxy: two versions of products, one that is slow, one that fails now and then.
//!
//! Not here: anything of the proxy.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

/// How long the slow one takes.
pub(super) const SLOW: Duration = Duration::from_millis(500);
/// Each so-many-th answer of the flaky one is a 503.
pub(super) const FLAKY: u64 = 5;

/// Where the origins listen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origins {
    pub(super) products_v1: SocketAddr,
    pub(super) products_v2: SocketAddr,
    pub(super) slow: SocketAddr,
    pub(super) flaky: SocketAddr,
}

impl Origins {
    /// Serve all of them on `runtime`, on free ports of the loopback.
    pub(super) fn start(runtime: &Handle) -> io::Result<Origins> {
        let served = Arc::new(AtomicU64::new(0));
        let flaky = move |method: Method, uri: Uri| {
            let n = served.fetch_add(1, Ordering::Relaxed) + 1;
            async move {
                if n.is_multiple_of(FLAKY) {
                    let body = format!("flaky: request {n} fails\n");
                    return (StatusCode::SERVICE_UNAVAILABLE, body).into_response();
                }
                format!("flaky: {method} {uri}\n").into_response()
            }
        };
        let slow = |method: Method, uri: Uri| async move {
            tokio::time::sleep(SLOW).await;
            format!("slow: {method} {uri}\n")
        };
        Ok(Origins {
            products_v1: serve(runtime, products("v1"))?,
            products_v2: serve(runtime, products("v2"))?,
            slow: serve(runtime, Router::new().fallback(slow))?,
            flaky: serve(runtime, Router::new().fallback(flaky))?,
        })
    }

    /// For people.
    pub(super) fn line(&self) -> String {
        format!(
            "products-v1 {}, products-v2 {}, slow {}, flaky {}",
            self.products_v1, self.products_v2, self.slow, self.flaky
        )
    }
}

fn products(version: &'static str) -> Router {
    Router::new().fallback(
        move |method: Method, uri: Uri, headers: HeaderMap| async move {
            answer(version, &method, &uri, &headers)
        },
    )
}

fn answer(version: &str, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    let user = headers.get("x-corp-user").and_then(|u| u.to_str().ok());
    let user = user.map(|user| format!(" for {user}")).unwrap_or_default();
    format!("products {version}: {method} {uri}{user}\n").into_response()
}

fn serve(runtime: &Handle, routes: Router) -> io::Result<SocketAddr> {
    let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    let _inside = runtime.enter();
    let socket = TcpListener::from_std(socket)?;
    runtime.spawn(async { _ = axum::serve(socket, routes).await });
    Ok(address)
}
