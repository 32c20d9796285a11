//! Sends requests over connections that are kept for later requests (hyper-util's client).

use std::time::{Duration, Instant};

use http::Extensions;
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::{CaptureConnection, Connect, capture_connection};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use parking_lot::Mutex;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::cause::{find, is_timeout};
use crate::connector::{ConnectError, Opened};
use crate::request::{Request, RequestBody};

/// How long a connection is kept idle, and how many are kept to one host: a pull asks for a handful of blobs at once,
/// then for nothing.
const IDLE: Duration = Duration::from_mins(1);
const IDLE_CONNECTIONS: usize = 8;

/// The largest read buffer of a connection, in bytes. It starts small, and grows while answers keep it full.
const READ_BUFFER: usize = 256 << 10;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error("the request cannot be written as HTTP")]
    Form(#[source] http::Error),
    #[error("no connection could be made in time")]
    Connect(#[source] ConnectError),
    #[error("no answer came")]
    Exchange(#[source] legacy::Error),
}

impl SendError {
    /// Whether no connection could be made.
    pub(crate) fn is_connect(&self) -> bool {
        match self {
            Self::Connect(_) => true,
            Self::Exchange(error) => error.is_connect(),
            Self::Form(_) => false,
        }
    }
}

/// Connections that are made by a connector, and kept.
pub(crate) struct Pool<C> {
    connector: C,
    /// Replaced to close the kept connections.
    client: Mutex<Client<C, RequestBody>>,
}

impl<C: Connect + Clone + Send + Sync + 'static> Pool<C> {
    /// A pool without connections.
    pub(crate) fn new(connector: C) -> Self {
        let client = Mutex::new(client(connector.clone()));
        Self { connector, client }
    }

    /// Sends a request. Sends it a second time, over a new connection, where that may help. `patience` is how long the
    /// connector may take for a connection.
    pub(crate) async fn send(
        &self,
        request: &Request,
        patience: Duration,
    ) -> Result<http::Response<Incoming>, SendError> {
        let mut formed = request.form().map_err(SendError::Form)?;
        let mut attempt = Attempt::of(self, &mut formed);
        let error = match attempt.answer(formed, None).await {
            Err(SendError::Exchange(error)) if !error.is_connect() => error,
            answered => return answered,
        };
        let (again, patience) = if is_timeout(&error) {
            // The route to the host is gone, as when a laptop wakes up in another network. The caller has already
            // waited as long as a connection may take, so the second attempt gets a third of that.
            (attempt.was_kept() && request.is_idempotent(), Some(patience / 3))
        } else {
            // The other side may close a connection just as it is used again: then it never read the request.
            (was_not_sent(&error) || request.is_idempotent(), None)
        };
        // The other kept connections are no better: they used the same route, or led to the same process.
        self.close_kept();
        if !again {
            return Err(SendError::Exchange(error));
        }
        let mut formed = request.form().map_err(SendError::Form)?;
        Attempt::of(self, &mut formed).answer(formed, patience).await
    }

    /// Sends a request once, because its body cannot be read a second time.
    pub(crate) async fn send_once(
        &self,
        mut request: http::Request<RequestBody>,
    ) -> Result<http::Response<Incoming>, SendError> {
        Attempt::of(self, &mut request).answer(request, None).await
    }

    /// Closes all connections that no request uses. Those in use are not kept afterwards.
    fn close_kept(&self) {
        *self.client.lock() = client(self.connector.clone());
    }
}

fn client<C: Connect + Clone + Send + Sync + 'static>(connector: C) -> Client<C, RequestBody> {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).pool_max_idle_per_host(IDLE_CONNECTIONS);
    builder.http1_max_buf_size(READ_BUFFER);
    builder.build(connector)
}

/// Whether the connection turned out to be closed before any byte of the request was written.
fn was_not_sent(error: &legacy::Error) -> bool {
    find::<hyper::Error>(error).is_some_and(|error| error.is_canceled() || error.is_closed())
}

/// One attempt to send a request.
struct Attempt<'a, C: Connect + Clone + Send + Sync + 'static> {
    pool: &'a Pool<C>,
    connection: CaptureConnection,
    began: Instant,
    /// Whether the attempt has come to its end.
    has_ended: bool,
}

impl<'a, C: Connect + Clone + Send + Sync + 'static> Attempt<'a, C> {
    fn of(pool: &'a Pool<C>, request: &mut http::Request<RequestBody>) -> Self {
        Self { pool, connection: capture_connection(request), began: Instant::now(), has_ended: false }
    }

    /// Waits for the head of the answer. A new connection may take `patience`, or as long as the connector allows.
    async fn answer(
        &mut self,
        request: http::Request<RequestBody>,
        patience: Option<Duration>,
    ) -> Result<http::Response<Incoming>, SendError> {
        // hyper gives the connection of an answer that was read to its end back in a task. That task runs now: otherwise
        // the next request of the same caller would open a connection of its own.
        yield_now().await;
        let client = self.pool.client.lock().clone();
        let mut answer = client.request(request);
        let connected = async {
            match patience {
                Some(patience) => {
                    let connected = timeout(patience, self.connection.wait_for_connection_metadata()).await;
                    connected.is_err().then_some(patience)
                }
                None => None,
            }
        };
        let answered = tokio::select! {
            biased;
            answered = &mut answer => answered,
            late = connected => match late {
                Some(patience) => return Err(SendError::Connect(ConnectError::TimedOut(patience))),
                None => answer.await,
            },
        };
        self.has_ended = true;
        answered.map_err(SendError::Exchange)
    }

    /// Whether the connection had been kept from an earlier request.
    fn was_kept(&self) -> bool {
        let mut extras = Extensions::new();
        if let Some(connected) = &*self.connection.connection_metadata() {
            connected.get_extras(&mut extras);
        }
        extras.get::<Opened>().is_some_and(|opened| opened.0 < self.began)
    }
}

impl<C: Connect + Clone + Send + Sync + 'static> Drop for Attempt<'_, C> {
    fn drop(&mut self) {
        // The caller may give up, and drop this attempt, before the system reports a timeout. The other kept
        // connections are then no better.
        if !self.has_ended && self.was_kept() {
            self.pool.close_kept();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Waker};

    use http::Method;
    use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf, duplex};

    use super::*;
    use crate::prepared::Prepared;

    const PATIENCE: Duration = Duration::from_secs(2);
    const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

    fn request(method: Method) -> Request {
        Request::new(method, "http://registry.example/".parse().unwrap())
    }

    /// A connection whose other end answers one request, and then vanishes without closing it: once another request is
    /// written, the system reports a timeout.
    #[derive(Default)]
    struct Gone {
        requests: usize,
        has_answered: bool,
        reader: Option<Waker>,
    }

    impl AsyncRead for Gone {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.reader = Some(cx.waker().clone());
            let requests = self.requests;
            match requests {
                1 if !std::mem::replace(&mut self.has_answered, true) => {
                    buffer.put_slice(ANSWER);
                    Poll::Ready(Ok(()))
                }
                0 | 1 => Poll::Pending,
                _ => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            }
        }
    }

    impl AsyncWrite for Gone {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.requests += 1;
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_timeout_closes_all_kept_connections_and_a_get_is_sent_over_a_new_one() {
        let connector = Prepared::new(|| Box::new(Gone::default()));
        let pool = Pool::new(connector.clone());
        let get = request(Method::GET);
        let first =
            tokio::join!(pool.send(&get, PATIENCE), pool.send(&get, PATIENCE), pool.send(&get, PATIENCE));
        assert!(first.0.is_ok() && first.1.is_ok() && first.2.is_ok());
        drop(first);
        assert_eq!(connector.count(), 3);

        let lost = pool.send(&request(Method::POST), PATIENCE).await;
        assert!(lost.is_err(), "a POST may have been read, so it is not sent again");
        assert_eq!(connector.count(), 3);

        pool.send(&get, PATIENCE).await.unwrap();
        assert_eq!(connector.count(), 4, "the other kept connections were closed");
        pool.send(&get, PATIENCE).await.unwrap();
        assert_eq!(connector.count(), 5, "the kept connection timed out, and a new one was made");
    }

    /// Counts connections whose client has not closed them, and answers every request on them after all of
    /// `at_once` have come.
    fn answering(open: &Arc<AtomicUsize>, at_once: usize) -> Prepared {
        let (open, all) = (Arc::clone(open), Arc::new(tokio::sync::Barrier::new(at_once)));
        Prepared::new(move || {
            let (mut there, here) = duplex(1000);
            let (open, all) = (Arc::clone(&open), Arc::clone(&all));
            open.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                while there.read(&mut [0; 1000]).await.is_ok_and(|length| length > 0) {
                    all.wait().await;
                    let _ = there.write_all(ANSWER).await;
                }
                open.fetch_sub(1, Ordering::SeqCst);
            });
            Box::new(here)
        })
    }

    #[tokio::test]
    async fn few_connections_are_kept() {
        let open = Arc::default();
        let pool = Pool::new(answering(&open, IDLE_CONNECTIONS + 1));
        let get = request(Method::GET);
        let mut sent: Vec<_> = (0..=IDLE_CONNECTIONS).map(|_| Box::pin(pool.send(&get, PATIENCE))).collect();
        std::future::poll_fn(|cx| {
            sent.retain_mut(|sent| sent.as_mut().poll(cx).is_pending());
            if sent.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(open.load(Ordering::SeqCst), IDLE_CONNECTIONS);
        drop(sent);
        drop(pool);
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(open.load(Ordering::SeqCst), 0, "the connections of a client that is gone are closed");
    }

    #[tokio::test]
    async fn a_connection_that_the_other_end_closed_is_not_used() {
        let connector = Prepared::new(|| {
            let (mut there, here) = duplex(1000);
            tokio::spawn(async move {
                let _ = there.read(&mut [0; 1000]).await;
                let _ = there.write_all(ANSWER).await;
            });
            Box::new(here)
        });
        let pool = Pool::new(connector.clone());
        for count in 1..5 {
            // A POST is sent at most once, unless no byte of it was written.
            pool.send(&request(Method::POST), PATIENCE).await.unwrap();
            assert_eq!(connector.count(), count);
        }
    }

    #[tokio::test]
    async fn a_caller_that_gives_up_a_kept_connection_closes_the_others_too() {
        let open = Arc::default();
        let pool = Pool::new(answering(&open, 2));
        let get = request(Method::GET);
        let (first, second) = tokio::join!(pool.send(&get, PATIENCE), pool.send(&get, PATIENCE));
        assert!(first.is_ok() && second.is_ok());
        let third = timeout(Duration::from_millis(20), pool.send(&get, PATIENCE)).await;
        assert!(third.is_err(), "the answer waits for another request");
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(open.load(Ordering::SeqCst), 1, "only the server's task that waits holds its end");
    }
}
