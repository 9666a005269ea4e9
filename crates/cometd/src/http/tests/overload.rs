//! Publishers faster than the server, log-outs and shutdown: every client is told.

use super::*;

#[tokio::test]
async fn an_inbox_that_overflows_makes_clients_shake_hands_again() {
    let (address, handle) = serve(Settings { max_inbox: 10, ..Settings::default() }).await;
    let mut client = Client::new(&address).await;
    let id = client.handshake().await;
    client.subscribe(&id, "/ada/*").await;
    client.send("/connect", &connect(&id).to_string()).await;
    until(|| handle.stats().held_polls == 1).await;
    // The test's runtime has one thread, so the server does not run meanwhile.
    for number in 0..11 {
        handle.deliver(&Principal::from("ada"), "/ada/news", Arc::from(number.to_string()));
    }
    let (_, body) = client.answer().await;
    let messages: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(messages[0]["error"], json!("402::Unknown client"));
    assert_eq!(messages[0]["advice"], json!({"reconnect": "handshake", "interval": 0}));
    assert_eq!(handle.stats().lost, 1);

    let again = client.handshake().await;
    client.subscribe(&again, "/ada/*").await;
    handle.deliver(&Principal::from("ada"), "/ada/news", Arc::from("12"));
    let messages = client.ask("/connect", &connect(&again)).await;
    assert_eq!(messages[0]["data"], json!(12));
}

#[tokio::test]
async fn only_the_principals_whose_messages_were_lost_start_anew() {
    let (_, handle) = serve(Settings { max_inbox: 1, ..Settings::default() }).await;
    let urgent = &handle.shared;
    handle.deliver(&Principal::from("ada"), "/a", Arc::from("1"));
    handle.deliver(&Principal::from("bob"), "/a", Arc::from("1"));
    handle.end_principal_sessions(&Principal::from("bob"));
    handle.deliver(&Principal::from("cyd"), "/a", Arc::from("1"));
    let ended = urgent.take_ended().unwrap();
    assert_eq!(format!("{:?}", ended.principals), r#"{Principal("bob"): Revoked, Principal("cyd"): Lost}"#);
    assert_eq!(ended.everybody, None);
    handle.broadcast("/a", Arc::from("1"));
    handle.deliver(&Principal::from("ada"), "/a", Arc::from("1"));
    let ended = urgent.take_ended().unwrap();
    assert_eq!((ended.principals.len(), ended.everybody), (0, Some(crate::proto::Ending::Lost)));
    assert!(urgent.take_ended().is_none());
}

#[tokio::test]
async fn deliveries_before_a_log_out_leave_before_it() {
    let (address, handle) = serve(Settings::default()).await;
    let mut client = Client::new(&address).await;
    let id = client.handshake().await;
    client.subscribe(&id, "/ada/*").await;
    client.send("/connect", &connect(&id).to_string()).await;
    until(|| handle.stats().held_polls == 1).await;
    handle.deliver(&Principal::from("ada"), "/ada/news", Arc::from("1"));
    handle.end_principal_sessions(&Principal::from("ada"));
    assert!(client.answer().await.1.contains(r#"{"channel":"/ada/news","data":1}"#));
    let messages = client.ask("/connect", &connect(&id)).await;
    assert_eq!(messages[0]["error"], json!("402::Unknown client"));
    until(|| handle.sessions() == 0).await;
}

#[tokio::test]
async fn shutdown_answers_held_polls_and_refuses_new_requests() {
    let (address, handle) = serve(Settings::default()).await;
    let mut client = Client::new(&address).await;
    let id = client.handshake().await;
    client.send("/connect", &connect(&id).to_string()).await;
    until(|| handle.stats().held_polls == 1).await;
    handle.shutdown();
    assert!(client.answer().await.1.contains(r#""reconnect":"handshake""#));
    client.send("/connect", &connect(&id).to_string()).await;
    assert_eq!(client.answer().await, (503, "The server is shutting down\n".to_owned()));
}
