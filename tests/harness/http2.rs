//! Clients and origins of HTTP/2, on the library that others use too. Each connection is driven by a thread of its own, so that a test may look
//! away; every wait ends with a message. What no library would send is in `frames`.

use crate::wait::PATIENCE;
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use std::future::{Future, poll_fn};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Wait for something of a connection that another thread drives.
pub fn wait_for<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = runtime().block_on(async { tokio::time::timeout(PATIENCE, future).await });
    done.unwrap_or_else(|_| panic!("{what}: nothing after {PATIENCE:?}"))
}

/// A request without its body.
pub fn get(path: &str) -> Request<()> {
    asking("GET", path, &[])
}

/// The same with a method and fields. The authority is `test`.
pub fn asking(method: &str, path: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://test{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a valid request")
}

/// An extended CONNECT (RFC 8441) with fields.
pub fn connecting(protocol: &str, path: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut request = asking("CONNECT", path, fields);
    request
        .extensions_mut()
        .insert(h2::ext::Protocol::from(protocol));
    request
}

/// A response that was read to its end.
#[derive(Debug)]
pub struct Http2Answer {
    /// Its status.
    pub status: u16,
    /// Its fields.
    pub fields: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    /// Its trailers.
    pub trailers: Option<HeaderMap>,
    /// Of the interim responses before it.
    pub interim: Vec<u16>,
}

impl Http2Answer {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(|v| v.to_str().ok())
    }

    /// A trailer.
    pub fn trailer(&self, name: &str) -> Option<&str> {
        self.trailers.as_ref()?.get(name)?.to_str().ok()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection of a client.
pub struct Http2Client {
    asks: SendRequest<Bytes>,
    ended: Arc<Mutex<Option<Result<(), String>>>>,
}

/// A request on its way.
pub struct Asking {
    /// What its body is written to.
    pub body: SendStream<Bytes>,
    answer: Waiting,
}

/// An answer that is waited for.
pub struct Waiting(ResponseFuture);

impl Http2Client {
    /// Connect with prior knowledge.
    pub fn connect(address: SocketAddr) -> Http2Client {
        Http2Client::connect_with(address, &h2::client::Builder::new())
    }

    /// The same with settings.
    pub fn connect_with(address: SocketAddr, settings: &h2::client::Builder) -> Http2Client {
        let socket = TcpStream::connect(address).expect("the proxy listens");
        socket.set_nodelay(true).expect("TCP_NODELAY");
        socket.set_nonblocking(true).expect("a non-blocking socket");
        let (settings, ended) = (settings.clone(), Arc::new(Mutex::new(None)));
        let (tell, told) = std::sync::mpsc::channel();
        let end = ended.clone();
        std::thread::spawn(move || {
            runtime().block_on(async move {
                let socket = tokio::net::TcpStream::from_std(socket).expect("a socket of tokio's");
                let (asks, connection) = settings.handshake(socket).await.expect("a handshake");
                // The test waits for it.
                let _ = tell.send(asks);
                let done = connection.await.map_err(|e| e.to_string());
                *end.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            });
        });
        let asks = told.recv_timeout(PATIENCE).expect("a connection of HTTP/2");
        Http2Client { asks, ended }
    }

    /// Begin a request; `ends`: it has no body.
    pub fn begin(&mut self, request: Request<()>, ends: bool) -> Asking {
        self.try_begin(request, ends)
            .unwrap_or_else(|e| panic!("the request could not be sent: {e}"))
    }

    /// The same on a connection that may have ended.
    pub fn try_begin(&mut self, request: Request<()>, ends: bool) -> Result<Asking, h2::Error> {
        wait_for(
            "a place for a request",
            poll_fn(|cx| self.asks.poll_ready(cx)),
        )?;
        let (answer, body) = self.asks.send_request(request, ends)?;
        Ok(Asking {
            body,
            answer: Waiting(answer),
        })
    }

    /// Begin an extended CONNECT, once the other side has said that it takes one.
    pub fn connecting(&mut self, request: Request<()>) -> Asking {
        crate::until("the word that a CONNECT is taken", PATIENCE, || {
            self.asks
                .is_extended_connect_protocol_enabled()
                .then_some(())
        });
        self.begin(request, false)
    }

    /// Ask without a body, and read the answer to its end.
    pub fn ask(&mut self, request: Request<()>) -> Http2Answer {
        self.begin(request, true).answer()
    }

    /// The same with a body.
    pub fn ask_with(&mut self, request: Request<()>, body: &[u8]) -> Http2Answer {
        let mut asking = self.begin(request, false);
        asking.send(body, true);
        asking.answer()
    }

    /// How the connection ended, if it has.
    pub fn ended(&self) -> Option<Result<(), String>> {
        self.ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Asking {
    /// Send a piece of the body; waits for the windows.
    pub fn send(&mut self, bytes: &[u8], last: bool) {
        wait_for(
            "room for the request's body",
            put(&mut self.body, bytes, last),
        )
        .unwrap_or_else(|e| panic!("the request's body could not be sent: {e}"));
    }

    /// The answer, read to its end.
    pub fn answer(self) -> Http2Answer {
        self.answer.read()
    }

    /// The same, or why it did not come.
    pub fn try_answer(self) -> Result<Http2Answer, h2::Error> {
        self.answer.try_read()
    }

    /// What the body is written to, and what the answer comes from.
    pub fn split(self) -> (SendStream<Bytes>, Waiting) {
        (self.body, self.answer)
    }

    /// The answer's head; the body can be read piece by piece, or left.
    pub fn head(self) -> (Response<RecvStream>, SendStream<Bytes>) {
        let head = wait_for("an answer's head", self.answer.0);
        (head.unwrap_or_else(|e| panic!("no answer: {e}")), self.body)
    }
}

impl Waiting {
    /// The answer, read to its end.
    pub fn read(self) -> Http2Answer {
        self.try_read()
            .unwrap_or_else(|e| panic!("the answer did not come whole: {e}"))
    }

    /// The same, or why it did not come.
    pub fn try_read(mut self) -> Result<Http2Answer, h2::Error> {
        let mut interim = Vec::new();
        let answer = wait_for("an answer", async {
            let answer = poll_fn(|cx| {
                while let std::task::Poll::Ready(Some(head)) = self.0.poll_informational(cx) {
                    match head {
                        Ok(head) => interim.push(head.status().as_u16()),
                        Err(error) => return std::task::Poll::Ready(Err(error)),
                    }
                }
                std::pin::Pin::new(&mut self.0).poll(cx)
            });
            let (head, mut body) = answer.await?.into_parts();
            let bytes = read(&mut body).await?;
            let trailers = body.trailers().await?;
            Ok::<_, h2::Error>((head, bytes, trailers))
        });
        let (head, body, trailers) = answer?;
        Ok(Http2Answer {
            status: head.status.as_u16(),
            fields: head.headers,
            body,
            trailers,
            interim,
        })
    }
}

/// Read a body, giving the window back as it comes.
pub async fn read(body: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut all = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        all.extend_from_slice(&piece);
        body.flow_control().release_capacity(piece.len())?;
    }
    Ok(all)
}

/// Write a body as the windows allow.
pub async fn put(
    stream: &mut SendStream<Bytes>,
    bytes: &[u8],
    last: bool,
) -> Result<(), h2::Error> {
    let mut left = Bytes::copy_from_slice(bytes);
    while !left.is_empty() {
        stream.reserve_capacity(left.len());
        let n = match poll_fn(|cx| stream.poll_capacity(cx)).await {
            Some(n) => n?.min(left.len()),
            None => return Ok(()),
        };
        let piece = left.split_to(n);
        let ends = last && left.is_empty();
        stream.send_data(piece, ends)?;
    }
    match bytes.is_empty() && last {
        true => stream.send_data(Bytes::new(), true),
        false => Ok(()),
    }
}

/// An origin of HTTP/2.
pub struct Http2Origin {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

/// How it treats its connections.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manners {
    /// Streams at once; None: as the library has it.
    pub streams: Option<u32>,
    /// After so many requests a connection is told to go away.
    pub requests: Option<usize>,
    /// It takes WebSockets, and says so.
    pub websocket: bool,
}

impl Http2Origin {
    /// Each request runs the script.
    pub fn start<F, Fut>(script: F) -> Http2Origin
    where
        F: Fn(Request<RecvStream>, SendResponse<Bytes>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        Http2Origin::with(Manners::default(), script)
    }

    /// The same with manners.
    pub fn with<F, Fut>(manners: Manners, script: F) -> Http2Origin
    where
        F: Fn(Request<RecvStream>, SendResponse<Bytes>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        listener
            .set_nonblocking(true)
            .expect("a non-blocking socket");
        let origin = Http2Origin {
            address,
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (connections, requests) = (origin.connections.clone(), origin.requests.clone());
        let script = Arc::new(script);
        std::thread::spawn(move || {
            let tasks = tokio::task::LocalSet::new();
            tasks.block_on(&runtime(), async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                while let Ok((socket, _)) = listener.accept().await {
                    connections.fetch_add(1, Ordering::SeqCst);
                    let served = serve(socket, manners, script.clone(), requests.clone());
                    tokio::task::spawn_local(served);
                }
            });
        });
        origin
    }

    /// Answers everything with this body.
    pub fn saying(body: &'static str) -> Http2Origin {
        Http2Origin::start(move |_, mut respond| async move {
            let head = Response::new(());
            if let Ok(mut stream) = respond.send_response(head, false) {
                let _ = stream.send_data(Bytes::from_static(body.as_bytes()), true);
            }
        })
    }

    /// Sends back what it gets: method, path and fields that begin with `x-` as `x-` fields, the body, and its trailers.
    pub fn echoing() -> Http2Origin {
        Http2Origin::start(|request, respond| async move {
            let _ = echo(request, respond).await;
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Requests so far.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn serve<F, Fut>(
    socket: tokio::net::TcpStream,
    manners: Manners,
    script: Arc<F>,
    requests: Arc<AtomicUsize>,
) where
    F: Fn(Request<RecvStream>, SendResponse<Bytes>) -> Fut + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let mut settings = h2::server::Builder::new();
    if let Some(streams) = manners.streams {
        settings.max_concurrent_streams(streams);
    }
    if manners.websocket {
        settings.enable_connect_protocol();
    }
    let Ok(mut connection) = settings.handshake(socket).await else {
        return;
    };
    let mut served = 0;
    while let Some(Ok((request, respond))) = connection.accept().await {
        requests.fetch_add(1, Ordering::SeqCst);
        served += 1;
        tokio::task::spawn_local(script(request, respond));
        if manners.requests == Some(served) {
            connection.graceful_shutdown();
        }
    }
}

async fn echo(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    let mut answer = Response::builder()
        .header("x-method", head.method.as_str())
        .header("x-path", head.uri.path())
        .header(
            "x-authority",
            head.uri.authority().map_or("", |a| a.as_str()),
        );
    for (name, value) in &head.headers {
        answer = answer.header(format!("x-{name}"), value);
    }
    let ends = body.is_end_stream();
    let answer = answer.body(()).expect("a valid answer");
    let mut stream = respond.send_response(answer, ends)?;
    if ends {
        return Ok(());
    }
    while let Some(piece) = body.data().await {
        let piece = piece?;
        put(&mut stream, &piece, false).await?;
        body.flow_control().release_capacity(piece.len())?;
    }
    match body.trailers().await? {
        Some(trailers) => stream.send_trailers(trailers),
        None => stream.send_data(Bytes::new(), true),
    }
}

/// For scripts: let so much time pass.
pub async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
