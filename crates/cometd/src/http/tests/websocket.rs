//! WebSocket, with frames made by hand (RFC 6455 section 5).

use super::*;

struct Socket(TcpStream);

impl Socket {
    async fn open(address: &str) -> Self {
        let mut client = Client::new(address).await;
        let head = "GET /api/notifications HTTP/1.1\r\nHost: x\r\nAuthorization: ada\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        client.0.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(client.answer().await.0, 101);
        Self(client.0)
    }

    /// A masked frame of less than 64 KiB; the mask is zero.
    async fn send(&mut self, opcode: u8, text: &str) {
        let length = u16::try_from(text.len()).unwrap();
        let mut frame = vec![0x80 | opcode, 0x80 | 126];
        frame.extend(length.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.0.write_all(&frame).await.unwrap();
    }

    /// Opcode and payload.
    async fn frame(&mut self) -> (u8, Vec<u8>) {
        let read = async {
            let opcode = self.0.read_u8().await.unwrap() & 0x0f;
            let length = match self.0.read_u8().await.unwrap() {
                126 => u64::from(self.0.read_u16().await.unwrap()),
                127 => self.0.read_u64().await.unwrap(),
                short => u64::from(short),
            };
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.0.read_exact(&mut payload).await.unwrap();
            (opcode, payload)
        };
        timeout(PATIENCE, read).await.expect("a frame in time")
    }

    async fn ask(&mut self, messages: &Value) -> Value {
        self.send(1, &messages.to_string()).await;
        let (opcode, payload) = self.frame().await;
        assert_eq!(opcode, 1);
        serde_json::from_slice(&payload).unwrap()
    }

    async fn handshake(&mut self) -> String {
        let hello = json!({"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["websocket"]});
        self.ask(&hello).await[0]["clientId"].as_str().unwrap().to_owned()
    }

    async fn closed_with(&mut self) -> (u16, String) {
        loop {
            if let (8, payload) = self.frame().await {
                return (
                    u16::from_be_bytes([payload[0], payload[1]]),
                    String::from_utf8(payload[2..].to_vec()).unwrap(),
                );
            }
        }
    }
}

#[tokio::test]
async fn messages_come_over_a_websocket() {
    let (address, handle) = serve(Settings::default()).await;
    let mut socket = Socket::open(&address).await;
    let id = socket.handshake().await;
    let subscribe = json!([{"channel": "/meta/subscribe", "clientId": id, "subscription": "/ada/**"}]);
    assert_eq!(socket.ask(&subscribe).await[0]["successful"], json!(true));
    socket.send(1, &connect(&id).to_string()).await;
    let mut seen = Vec::new();
    for number in 0..100 {
        handle.deliver(&Principal::from("ada"), "/ada/a/b", Arc::from(number.to_string()));
    }
    while seen.len() < 100 {
        let messages: Vec<Value> = serde_json::from_slice(&socket.frame().await.1).unwrap();
        seen.extend(messages.iter().map(|it| it["data"].as_u64().unwrap()));
    }
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
    drop(socket);
    until(|| handle.stats().sockets == 0).await;
    assert_eq!(handle.sessions(), 1);
}

#[tokio::test]
async fn a_websocket_that_is_not_read_is_closed_with_a_sentence() {
    let (address, handle) = serve(Settings { max_queued_bytes: 1 << 20, ..Settings::default() }).await;
    let mut socket = Socket::open(&address).await;
    let id = socket.handshake().await;
    socket.ask(&json!({"channel": "/meta/subscribe", "clientId": id, "subscription": "/ada/*"})).await;
    let data: Arc<str> = format!("\"{}\"", "x".repeat(1 << 18)).into();
    // More than the buffers of both ends of the connection ever hold.
    for _ in 0..200 {
        handle.deliver(&Principal::from("ada"), "/ada/news", data.clone());
        tokio::task::yield_now().await;
    }
    until(|| handle.stats().unread == 1).await;
    assert_eq!(handle.sessions(), 0);
    assert_eq!(socket.closed_with().await, (1008, "Messages were not read in time; handshake again".to_owned()));
}

#[tokio::test]
async fn what_is_not_bayeux_closes_the_websocket_with_a_sentence() {
    let (address, _handle) = serve(Settings::default()).await;
    let mut socket = Socket::open(&address).await;
    socket.send(1, "{").await;
    let (code, reason) = socket.closed_with().await;
    assert_eq!(code, 1007);
    assert!(reason.starts_with("not a Bayeux message or an array of them: "), "{reason}");
    let mut socket = Socket::open(&address).await;
    socket.send(2, "[]").await;
    assert_eq!(socket.closed_with().await, (1003, "Bayeux messages are text".to_owned()));
}

#[tokio::test]
async fn a_log_out_closes_the_websocket() {
    let (address, handle) = serve(Settings::default()).await;
    let mut socket = Socket::open(&address).await;
    socket.handshake().await;
    handle.end_principal_sessions(&Principal::from("ada"));
    assert_eq!(socket.closed_with().await.0, 1008);
}

#[tokio::test]
async fn shutdown_closes_websockets() {
    let (address, handle) = serve(Settings::default()).await;
    let mut socket = Socket::open(&address).await;
    socket.handshake().await;
    handle.shutdown();
    assert_eq!(socket.closed_with().await, (1001, "The server is shutting down".to_owned()));
}

#[tokio::test]
async fn where_it_is_off_an_upgrade_is_refused() {
    let (address, _handle) = serve(Settings { websocket: false, ..Settings::default() }).await;
    let mut client = Client::new(&address).await;
    let head = "GET /api/notifications HTTP/1.1\r\nHost: x\r\nAuthorization: ada\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.0.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(client.answer().await.0, 405);
}
