//! Log-ins: what is counted, what is remembered, how sessions come and go.

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version, password_hash::phc::PasswordHash};
use domain::{
    config::Secret,
    view::{AgentState, Change},
};

use super::{
    sessions::{SESSIONS, Sessions},
    throttle::{KEYS, Throttle},
    *,
};

/// How long a session lives unused.
const IDLE: Duration = Duration::from_secs(1800);
const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn at(seconds: u64) -> Time {
    Time::from_unix_ms(1_000_000_000 + seconds * 1000)
}

/// A hash that is as cheap as can be.
fn cheap(password: &str) -> Secret<String> {
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
    let hash: PasswordHash = argon.hash_password(password.as_bytes()).unwrap();
    Secret(hash.to_string())
}

fn user(id: u128, name: &str, password: &str) -> UserView {
    UserView {
        id: UserId(id),
        user_name: name.into(),
        password_hash: cheap(password),
        first_name: String::new(),
        last_name: String::new(),
        roles: [].into(),
        devices: vec![],
        teams: [].into(),
        supervises: [].into(),
        agent_state: AgentState::Offline,
    }
}

fn logins(public_url: &str) -> Logins {
    let views = Arc::new(Views::default());
    views.apply(Change::User(Arc::new(user(1, "ada", "right"))));
    views.apply(Change::User(Arc::new(user(2, "ben", "right"))));
    Logins::start(views, &LoginSettings { public_url: public_url.into(), csrf: true, session_timeout: IDLE }).unwrap()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

fn credentials(name: &str, password: &str) -> HeaderMap {
    headers(&[("authorization", &format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}"))))])
}

impl Logins {
    async fn basic(&self, name: &str, password: &str, now: Time) -> Result<UserId, LoginError> {
        self.authenticate(&credentials(name, password), PEER, now).await.map(|it| it.user)
    }
}

#[tokio::test]
async fn basic_credentials_name_their_user() {
    let logins = logins("http://h");
    assert_eq!(logins.basic("ada", "right", at(0)).await, Ok(UserId(1)));
    assert_eq!(logins.basic("ben", "right", at(0)).await, Ok(UserId(2)));
    assert_eq!(logins.basic("ada", "wrong", at(0)).await, Err(LoginError::NotAuthenticated));
    assert_eq!(logins.basic("Ada", "right", at(0)).await, Err(LoginError::NotAuthenticated));
    assert_eq!(logins.basic("", "", at(0)).await, Err(LoginError::NotAuthenticated));
}

#[tokio::test]
async fn requests_without_usable_credentials_are_nobodys() {
    let logins = logins("http://h");
    for value in ["", "Basic", "Basic !!!", "Basic YWRh", "Bearer abc", "Basic /w=="] {
        let result = logins.authenticate(&headers(&[("authorization", value)]), PEER, at(0)).await;
        assert_eq!(result, Err(LoginError::NotAuthenticated), "{value}");
    }
    assert_eq!(logins.authenticate(&HeaderMap::new(), PEER, at(0)).await, Err(LoginError::NotAuthenticated));
}

#[tokio::test]
async fn the_eleventh_failure_of_a_user_has_to_wait() {
    let logins = logins("http://h");
    for _ in 0..10 {
        assert_eq!(logins.basic("ada", "wrong", at(0)).await, Err(LoginError::NotAuthenticated));
    }
    let throttled = Err(LoginError::Throttled(Duration::from_secs(6)));
    assert_eq!(logins.basic("ada", "wrong", at(0)).await, throttled);
    // Not even the right password says more than that.
    assert_eq!(logins.basic("ada", "right", at(0)).await, throttled);
    assert_eq!(logins.basic("ben", "right", at(0)).await, Ok(UserId(2)));
    assert_eq!(logins.basic("ada", "right", at(6)).await, Ok(UserId(1)));
}

#[tokio::test]
async fn unknown_users_are_counted_as_known_ones_are() {
    let logins = logins("http://h");
    for _ in 0..10 {
        assert_eq!(logins.basic("nobody", "x", at(0)).await, Err(LoginError::NotAuthenticated));
    }
    assert_eq!(logins.basic("nobody", "x", at(0)).await, Err(LoginError::Throttled(Duration::from_secs(6))));
}

#[tokio::test]
async fn the_hundred_and_first_failure_from_an_address_has_to_wait() {
    let logins = logins("http://h");
    for n in 0..100 {
        assert_eq!(logins.basic(&format!("user{n}"), "x", at(0)).await, Err(LoginError::NotAuthenticated));
    }
    assert_eq!(logins.basic("ada", "right", at(0)).await, Err(LoginError::Throttled(Duration::from_millis(600))));
    let elsewhere = "10.0.0.7".parse().unwrap();
    let result = logins.authenticate(&credentials("ada", "right"), elsewhere, at(0)).await;
    assert_eq!(result.map(|it| it.user), Ok(UserId(1)));
}

#[tokio::test]
async fn hosts_of_one_ipv6_network_are_one_address() {
    let logins = logins("http://h");
    for n in 0..100_u32 {
        let peer = format!("2001:db8:1:2::{n:x}").parse().unwrap();
        let result = logins.authenticate(&credentials(&format!("user{n}"), "x"), peer, at(0)).await;
        assert_eq!(result, Err(LoginError::NotAuthenticated));
    }
    let of = |peer: &str| peer.parse::<IpAddr>().unwrap();
    let known = credentials("ada", "right");
    let throttled = Err(LoginError::Throttled(Duration::from_millis(600)));
    assert_eq!(logins.authenticate(&known, of("2001:db8:1:2:ffff::1"), at(0)).await, throttled);
    assert!(logins.authenticate(&known, of("2001:db8:1:3::1"), at(0)).await.is_ok());
}

#[tokio::test]
async fn right_credentials_are_remembered_for_five_minutes_whatever_others_guess() {
    let logins = logins("http://h");
    assert_eq!(logins.basic("ada", "right", at(0)).await, Ok(UserId(1)));
    // Success does not count.
    for _ in 0..200 {
        assert_eq!(logins.basic("ada", "right", at(0)).await, Ok(UserId(1)));
    }
    for now in [290, 299, 300] {
        for _ in 0..20 {
            let _ = logins.basic("ada", "wrong", at(now)).await;
        }
        match logins.basic("ada", "right", at(now)).await {
            Ok(user) => assert!(now < 300 && user == UserId(1)),
            Err(error) => assert!(now == 300 && matches!(error, LoginError::Throttled(_)), "{now}: {error}"),
        }
    }
}

#[tokio::test]
async fn a_password_that_changes_is_forgotten_at_once() {
    let logins = logins("http://h");
    assert_eq!(logins.basic("ada", "right", at(0)).await, Ok(UserId(1)));
    logins.views.apply(Change::User(Arc::new(user(1, "ada", "newer"))));
    assert_eq!(logins.basic("ada", "right", at(1)).await, Err(LoginError::NotAuthenticated));
    assert_eq!(logins.basic("ada", "newer", at(1)).await, Ok(UserId(1)));
}

#[tokio::test]
async fn without_any_user_nobody_logs_in() {
    let views = Arc::new(Views::default());
    let logins =
        Logins::start(views, &LoginSettings { public_url: "http://h".into(), csrf: true, session_timeout: IDLE })
            .unwrap();
    assert_eq!(logins.basic("ada", "", at(0)).await, Err(LoginError::NotAuthenticated));
}

#[tokio::test]
async fn a_cookie_names_its_session_until_it_is_ended_or_idle() {
    let logins = logins("http://h");
    let opened = logins.open_session(UserId(1), at(0)).unwrap();
    let cookie = opened.set_cookie.to_str().unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(pair.len(), "JSESSIONID=".len() + 32);
    let sent = headers(&[("cookie", &format!("other=1; {pair}"))]);
    let login = Login { user: UserId(1), session: Some(opened.key) };
    assert_eq!(logins.authenticate(&sent, PEER, at(1799)).await, Ok(login));
    assert_eq!(logins.authenticate(&sent, PEER, at(1799 + 1799)).await, Ok(login));
    assert_eq!(logins.authenticate(&sent, PEER, at(1799 + 1799 + 1800)).await, Err(LoginError::NotAuthenticated));

    let opened = logins.open_session(UserId(1), at(0)).unwrap();
    let sent = headers(&[("cookie", opened.set_cookie.to_str().unwrap().split(';').next().unwrap())]);
    logins.end_session(opened.key);
    assert_eq!(logins.authenticate(&sent, PEER, at(1)).await, Err(LoginError::NotAuthenticated));
    assert!(logins.cookie_removal().to_str().unwrap().contains("Max-Age=0"));
}

#[tokio::test]
async fn credentials_count_before_a_cookie_of_another_user() {
    let logins = logins("http://h");
    let opened = logins.open_session(UserId(1), at(0)).unwrap();
    let cookie = opened.set_cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
    let both = |name, password| {
        let mut both = credentials(name, password);
        both.insert("cookie", cookie.parse().unwrap());
        both
    };
    let own = Login { user: UserId(1), session: Some(opened.key) };
    assert_eq!(logins.authenticate(&both("ada", "right"), PEER, at(0)).await, Ok(own));
    let other = Login { user: UserId(2), session: None };
    assert_eq!(logins.authenticate(&both("ben", "right"), PEER, at(0)).await, Ok(other));
    let wrong = logins.authenticate(&both("ada", "wrong"), PEER, at(0)).await;
    assert_eq!(wrong, Err(LoginError::NotAuthenticated));
}

#[test]
fn cookies_are_secure_where_the_public_url_is() {
    let opened = logins("https://cc.example").open_session(UserId(1), at(0)).unwrap();
    assert!(opened.set_cookie.to_str().unwrap().ends_with("; Secure"));
}

#[test]
fn foreign_pages_are_told_from_ours() {
    let logins = logins("https://cc.example/below");
    let ours = |pairs: &[(&'static str, &str)]| logins.origin_is_ours(&headers(pairs));
    assert!(ours(&[]));
    assert!(ours(&[("origin", "https://cc.example")]));
    assert!(ours(&[("origin", "http://localhost:8080"), ("host", "localhost:8080")]));
    assert!(!ours(&[("origin", "http://localhost:8081"), ("host", "localhost:8080")]));
    assert!(!ours(&[("origin", "https://cc.example.evil")]));
    assert!(!ours(&[("origin", "https://evil"), ("host", "cc.example")]));
    assert!(!ours(&[("origin", "null")]));
    assert!(!ours(&[("origin", "null"), ("host", "null")]));
}

#[test]
fn a_client_that_keeps_no_cookies_pushes_out_no_browser() {
    let mut sessions = Sessions::new(IDLE);
    let browser = sessions.open(UserId(1), at(0)).unwrap();
    sessions.touch(browser, at(0)).unwrap();
    let first = sessions.open(UserId(1), at(1)).unwrap();
    let other = sessions.open(UserId(2), at(1)).unwrap();
    for n in 0..100 {
        sessions.open(UserId(1), at(2 + n)).unwrap();
    }
    assert_eq!(sessions.len(), SESSIONS + 1);
    assert_eq!(sessions.touch(browser, at(200)), Some(UserId(1)));
    assert_eq!(sessions.touch(other, at(200)), Some(UserId(2)));
    assert_eq!(sessions.touch(first, at(200)), None);
}

#[test]
fn sessions_that_nobody_uses_are_swept_away() {
    let mut sessions = Sessions::new(IDLE);
    for n in 0..10 {
        sessions.open(UserId(n), at(0)).unwrap();
    }
    sessions.open(UserId(99), at(0) + IDLE).unwrap();
    assert_eq!(sessions.len(), 1);
}

#[test]
fn a_token_is_a_uuid_of_its_own() {
    let mut sessions = Sessions::new(IDLE);
    let keys = [(); 2].map(|()| sessions.open(UserId(1), at(0)).unwrap());
    let [one, two] = keys.map(|it| sessions.token(it).unwrap());
    assert_ne!(one, two);
    assert_eq!(one.len(), 36);
    assert_eq!(&one[14..15], "4");
    assert_eq!(format!("{:?}", keys[0]), "SessionKey(…)");
}

#[test]
fn a_throttle_forgets_what_is_long_ago_and_stays_small() {
    let mut throttle = Throttle::a_minute(2);
    throttle.failed(1, at(0));
    assert_eq!(throttle.wait(1, at(0)), None);
    throttle.failed(1, at(0));
    assert_eq!(throttle.wait(1, at(0)), Some(Duration::from_secs(30)));
    assert_eq!(throttle.wait(1, at(29)), Some(Duration::from_secs(1)));
    assert_eq!(throttle.wait(1, at(30)), None);
    for key in 0..KEYS as u64 + 50 {
        throttle.failed(key, at(1));
    }
    assert_eq!(throttle.len(), KEYS);
    throttle.failed(u64::MAX, at(100));
    assert_eq!(throttle.len(), 1);
}

#[test]
fn a_hash_matches_its_password_alone() {
    let hash = hash_password("secret").unwrap();
    assert!(hash.0.starts_with("$argon2id$"));
    assert!(password_matches(&hash, "secret"));
    assert!(!password_matches(&hash, "Secret"));
    assert!(!password_matches(&Secret("secret".into()), "secret"));
}
