//! One WebSocket: frames of the client to the machine, frames of the machine to the client.

use std::{sync::Arc, time::Duration};

use axum::extract::ws::{CloseFrame, Message as Frame, Utf8Bytes, WebSocket};
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::{sync::mpsc, time::timeout};

use super::{
    Host, Shared, TellIfDropped,
    owner::{Input, SOCKET_ORDERS, SocketOrder},
};
use crate::proto::{Event, Identity, SocketId};

/// Runs until either side closes.
pub(super) async fn run<H: Host>(shared: Arc<Shared<H>>, id: SocketId, from: Identity, stream: WebSocket) {
    let (sink, stream) = stream.split();
    let mut unclosed = TellIfDropped { late: &shared.late, event: Some(Event::SocketClosed(id)) };
    let (orders, inbox) = mpsc::channel(SOCKET_ORDERS);
    let mut task = Task { shared: &shared, id, from, sink, stream, orders: inbox };
    let opened = Input::SocketOpened { id, from: task.from.clone(), orders };
    if shared.inputs.send(opened).await.is_ok() {
        let end = task.serve().await;
        // In the same queue as the client's last frame, which must be taken up before.
        if shared.inputs.send(Input::Event(Event::SocketClosed(id))).await.is_ok() {
            unclosed.event = None;
        }
        if let Some((code, reason)) = end {
            task.close(code, reason).await;
        }
    }
}

struct Task<'a, H> {
    shared: &'a Shared<H>,
    id: SocketId,
    from: Identity,
    sink: SplitSink<WebSocket, Frame>,
    stream: SplitStream<WebSocket>,
    orders: mpsc::Receiver<SocketOrder>,
}

/// What to close with; `None` where the other side is gone already.
type End = Option<(u16, Utf8Bytes)>;

impl<H: Host> Task<'_, H> {
    async fn serve(&mut self) -> End {
        loop {
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(SocketOrder::Send(text)) => {
                        if let Err(end) = self.write(text).await {
                            return end;
                        }
                        self.report(Event::Written(self.id)).await?;
                    }
                    Some(SocketOrder::Close { code, reason }) => return Some((code, reason.into())),
                    None => return Some((GOING_AWAY, "The server is shutting down".into())),
                },
                frame = self.stream.next() => match frame {
                    Some(Ok(Frame::Text(text))) => match self.shared.read(text.as_bytes(), &self.from.principal) {
                        Ok(messages) => self.report(Event::Frame { id: self.id, messages }).await?,
                        Err(why) => return Some((UNSUITABLE, head(&why).into())),
                    },
                    Some(Ok(Frame::Binary(_))) => return Some((UNACCEPTABLE, "Bayeux messages are text".into())),
                    Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
                    Some(Ok(Frame::Close(_)) | Err(_)) | None => return None,
                },
            }
        }
    }

    /// Writes one frame. A client that does not read holds this up, and nothing is read from it meanwhile, until the
    /// machine has enough of it.
    async fn write(&mut self, text: String) -> Result<(), End> {
        tokio::select! {
            sent = self.sink.send(Frame::Text(text.into())) => sent.map_err(|_| None),
            order = self.orders.recv() => match order {
                Some(SocketOrder::Close { code, reason }) => Err(Some((code, reason.into()))),
                _ => Err(None),
            },
        }
    }

    async fn report(&self, event: Event) -> Option<()> {
        self.shared.inputs.send(Input::Event(event)).await.ok()
    }

    /// Says why, and waits a while for the other side to have read it.
    async fn close(&mut self, code: u16, reason: Utf8Bytes) {
        let farewell = async {
            if self.sink.send(Frame::Close(Some(CloseFrame { code, reason }))).await.is_ok() {
                while let Some(Ok(_)) = self.stream.next().await {}
            }
        };
        // Whoever does not answer within this time has not heard it, and will see the connection end.
        let _ = timeout(CLOSE_GRACE, farewell).await;
    }
}

/// A control frame holds 125 bytes, two of which are the code (RFC 6455 section 5.5).
fn head(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(123)]
}

/// RFC 6455 section 7.4.1.
const GOING_AWAY: u16 = 1001;
const UNACCEPTABLE: u16 = 1003;
const UNSUITABLE: u16 = 1007;

const CLOSE_GRACE: Duration = Duration::from_secs(5);
