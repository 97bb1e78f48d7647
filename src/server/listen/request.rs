//! A request on its way to the router and its answer on the way back: nothing is done to them but noting when they begin
//! and end, adding the [`Peer`], and giving the body its time.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::EXPECT;
use hyper::{Request, Response};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};
use tower_service::Service;

use super::peer::Peer;
use super::pulse::{InFlight, Pulse};

/// Why a request's body isn't there.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than [`Limits::body`](super::Limits::body) or whoever reads it allows.
    #[error("the request's body has more than {0} bytes; send less at once")]
    TooLarge(usize),
    /// It took longer than [`Limits::body_time`](super::Limits::body_time).
    #[error("the request's body didn't arrive in time; send it at once")]
    TimedOut,
    /// The client went away, or what it sent isn't HTTP.
    #[error("the request's body ended before its time: {0}; send it again")]
    Broken(Box<dyn std::error::Error + Send + Sync>),
}

/// The whole of a body, if it has at most `limit` bytes. Of one that has more nothing is kept.
pub async fn read_body<B>(body: B, limit: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let announced = body.size_hint().lower();
    let mut body = pin!(body);
    if announced > limit as u64 {
        while std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await.is_some_and(|frame| frame.is_ok()) {}
        return Err(BodyError::TooLarge(limit));
    }
    let mut first = Bytes::new();
    let mut whole = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let Ok(part) = frame.map_err(|error| known(error.into()))?.into_data() else { continue };
        if first.len() + whole.len() + part.len() > limit {
            return Err(BodyError::TooLarge(limit));
        }
        // Most bodies come in one part, which is handed on as it is.
        if whole.is_empty() && first.is_empty() {
            first = part;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&part);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.into() })
}

/// Routers wrap errors of bodies in their own.
fn known(error: Box<dyn std::error::Error + Send + Sync>) -> BodyError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&*error);
    while let Some(current) = cause {
        match current.downcast_ref() {
            Some(BodyError::TimedOut) => return BodyError::TimedOut,
            Some(BodyError::TooLarge(limit)) => return BodyError::TooLarge(*limit),
            _ => {}
        }
        cause = current.source();
    }
    BodyError::Broken(error)
}

/// What one connection's requests go through.
pub(super) struct Requests<S> {
    pub(super) router: S,
    pub(super) peer: Peer,
    pub(super) pulse: Arc<Pulse>,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Requests<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone,
    B: Body<Data = Bytes>,
{
    type Response = Response<AnswerBody<B>>;
    type Error = Infallible;
    type Future = Answering<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let in_flight = InFlight::begin(&self.pulse);
        let waits = request.headers().contains_key(EXPECT);
        let mut request = request.map(|body| RequestBody::new(body, waits, self.pulse.clone()));
        request.extensions_mut().insert(self.peer.clone());
        // The router is always ready; see `serve`.
        Answering { answer: self.router.clone().call(request), in_flight: Some(in_flight) }
    }
}

pin_project! {
    /// A request's body as it arrives.
    pub struct RequestBody {
        body: Incoming,
        pulse: Arc<Pulse>,
        began: Instant,
        read: usize,
        // It is too large: what still comes is thrown away.
        over: bool,
        // The client sends nothing before we look at the body (RFC 9110 §10.1.1).
        waits: bool,
        // Only set once the body lets us wait.
        #[pin]
        timer: Option<Sleep>,
    }
}

impl RequestBody {
    fn new(body: Incoming, waits: bool, pulse: Arc<Pulse>) -> Self {
        let over = body.size_hint().lower() > pulse.limits().body as u64;
        Self { body, pulse, began: Instant::now(), read: 0, over, waits, timer: None }
    }
}

/// How long, and how many times as much as is allowed, is still read of a body that is too large. A client that is in
/// the middle of sending reads no answer; ending the connection under it would take the answer away with it.
const LINGER: (Duration, usize) = (Duration::from_secs(1), 4);

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut this = self.project();
        let limit = this.pulse.limits().body;
        let too_large = || Poll::Ready(Some(Err(BodyError::TooLarge(limit))));
        if *this.over && *this.waits && *this.read == 0 {
            return too_large();
        }
        while let Poll::Ready(frame) = Pin::new(&mut *this.body).poll_frame(cx) {
            if let Some(Ok(frame)) = &frame {
                this.pulse.body_arrived();
                *this.read += frame.data_ref().map_or(0, Bytes::len);
            }
            if !*this.over && *this.read > limit {
                (*this.over, *this.began) = (true, Instant::now());
                this.timer.set(None);
            }
            match frame {
                Some(Ok(_)) if *this.over && *this.read <= limit.saturating_mul(LINGER.1) => {}
                _ if *this.over => return too_large(),
                frame => return Poll::Ready(frame.map(|frame| frame.map_err(|error| BodyError::Broken(error.into())))),
            }
        }
        if this.timer.is_none() {
            let time = this.pulse.limits().body_time;
            let end = *this.began + if *this.over { time.min(LINGER.0) } else { time };
            this.timer.set(Some(sleep_until(end.into())));
        }
        if let Some(timer) = this.timer.as_mut().as_pin_mut() {
            ready!(timer.poll(cx));
        }
        if *this.over { too_large() } else { Poll::Ready(Some(Err(BodyError::TimedOut))) }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pin_project! {
    /// The router at work on a request.
    pub(super) struct Answering<F> {
        #[pin]
        answer: F,
        in_flight: Option<InFlight>,
    }
}

impl<F, B> Future for Answering<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<AnswerBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(answer) = ready!(this.answer.poll(cx));
        let mut in_flight = this.in_flight.take();
        if let Some(in_flight) = &mut in_flight {
            in_flight.answer();
            if answer.body().is_end_stream() {
                in_flight.has_no_body();
            }
        }
        Poll::Ready(Ok(answer.map(|body| AnswerBody { body, rest: Bytes::new(), in_flight })))
    }
}

pin_project! {
    /// An answer's body as the client takes it, in pieces: what was handed to HTTP/2 waits there for a window of the
    /// client's, and is out of our reach.
    pub(super) struct AnswerBody<B> {
        #[pin]
        body: B,
        rest: Bytes,
        in_flight: Option<InFlight>,
    }
}

impl<B: Body<Data = Bytes>> Body for AnswerBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let mut frame = None;
        if this.rest.is_empty() {
            match ready!(this.body.as_mut().poll_frame(cx)) {
                Some(Ok(next)) => match next.into_data() {
                    Ok(part) => *this.rest = part,
                    Err(trailers) => frame = Some(Ok(trailers)),
                },
                other => frame = other,
            }
        }
        let ended = this.rest.is_empty() && frame.is_none();
        if !this.rest.is_empty() {
            let piece = this.rest.split_to(this.rest.len().min(PIECE));
            frame = Some(Ok(Frame::data(piece)));
        }
        if let Some(in_flight) = this.in_flight {
            in_flight.taken(ended || this.rest.is_empty() && this.body.is_end_stream());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

const PIECE: usize = 16 << 10;
