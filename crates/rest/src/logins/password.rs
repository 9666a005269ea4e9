//! Passwords: checked on one thread of their own, one after the other, so that guessing costs others nothing.

use std::{
    collections::BTreeMap,
    fmt,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use clock::Time;
use domain::{config::Secret, ids::UserId, view::UserView};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use super::{LoginError, StartError, throttle::Throttle};
use crate::Views;

/// The Argon2id hash of a password, as a PHC string. Takes tens of milliseconds.
///
/// # Errors
/// No randomness, or a password of more than 4 GiB.
pub fn hash_password(password: &str) -> Result<Secret<String>, argon2::password_hash::Error> {
    let hash: PasswordHash = Argon2::default().hash_password(password.as_bytes())?;
    Ok(Secret(hash.to_string()))
}

/// Whether a text is an Argon2 hash as [`hash_password`] makes them.
#[must_use]
pub fn is_password_hash(text: &str) -> bool {
    text.starts_with("$argon2") && PasswordHash::new(text).is_ok()
}

/// Whether a password is the one that was hashed; a text that is no hash matches nothing. Takes tens of milliseconds.
#[must_use]
pub fn password_matches(hash: &Secret<String>, password: &str) -> bool {
    let Ok(hash) = PasswordHash::new(&hash.0) else {
        return false;
    };
    Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
}

/// An attempt to log in.
pub(super) struct Attempt {
    /// Whom the name stands for, if anybody.
    pub(super) user: Option<Arc<UserView>>,
    pub(super) name: String,
    pub(super) password: String,
    pub(super) peer: IpAddr,
    pub(super) now: Time,
}

/// Checks attempts. Right ones are remembered, wrong ones counted.
pub(super) struct Checker {
    memory: Arc<Memory>,
    attempts: SyncSender<(Attempt, oneshot::Sender<Result<(), LoginError>>)>,
}

impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checker(…)")
    }
}

impl Checker {
    pub(super) fn start(views: Arc<Views>) -> Result<Self, StartError> {
        let memory = Arc::new(Memory::new()?);
        let (attempts, inbox) = sync_channel(WAITING);
        let shared = memory.clone();
        thread::Builder::new().name("passwords".into()).spawn(move || work(&inbox, &shared, &views))?;
        Ok(Self { memory, attempts })
    }

    pub(super) async fn check(&self, attempt: Attempt) -> Result<(), LoginError> {
        if let Some(known) = self.memory.known(&attempt) {
            return known;
        }
        let (answer, result) = oneshot::channel();
        self.attempts.try_send((attempt, answer)).map_err(|_| LoginError::Busy)?;
        result.await.unwrap_or(Err(LoginError::Busy))
    }
}

fn work(inbox: &Receiver<(Attempt, oneshot::Sender<Result<(), LoginError>>)>, memory: &Memory, views: &Views) {
    let mut decoy = None;
    while let Ok((attempt, answer)) = inbox.recv() {
        if answer.is_closed() {
            continue;
        }
        // Looked at again: other attempts of the same user may have been judged while this one waited.
        let result = memory.known(&attempt).unwrap_or_else(|| judge(&attempt, memory, views, &mut decoy));
        // Whoever asked may have gone.
        let _ = answer.send(result);
    }
}

fn judge(
    attempt: &Attempt,
    memory: &Memory,
    views: &Views,
    decoy: &mut Option<Secret<String>>,
) -> Result<(), LoginError> {
    let Some(user) = &attempt.user else {
        // An unknown name must take as long as a known one, so some hash is tried in its place.
        let hash = some_hash(views, decoy);
        let _ = hash.is_some_and(|it| password_matches(&it, &attempt.password));
        memory.failed(attempt);
        return Err(LoginError::NotAuthenticated);
    };
    if !password_matches(&user.password_hash, &attempt.password) {
        memory.failed(attempt);
        return Err(LoginError::NotAuthenticated);
    }
    memory.remember(user, attempt);
    Ok(())
}

/// Somebody's hash, made as known users' are; without any user, one of our own.
fn some_hash(views: &Views, decoy: &mut Option<Secret<String>>) -> Option<Secret<String>> {
    if let Some(user) = views.any_user() {
        return Some(user.password_hash.clone());
    }
    if decoy.is_none() {
        *decoy = hash_password("").ok();
    }
    decoy.clone()
}

/// Which credentials were right a while ago, and who failed how often.
struct Memory {
    /// Keys the digests, so that one that leaked could not be guessed at.
    key: [u8; 32],
    names: RandomState,
    state: Mutex<State>,
}

struct State {
    /// One for each user, so no more than there are users.
    right: BTreeMap<UserId, ([u8; 32], Time)>,
    by_user: Throttle<u64>,
    by_address: Throttle<u128>,
}

impl Memory {
    fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        let state = State {
            right: BTreeMap::new(),
            by_user: Throttle::a_minute(FAILURES_OF_A_USER),
            by_address: Throttle::a_minute(FAILURES_FROM_AN_ADDRESS),
        };
        Ok(Self { key, names: RandomState::new(), state: Mutex::new(state) })
    }

    /// What can be said without looking at the password's hash. What was right goes on being right however many
    /// others fail, so that nobody can lock a user out who is at work.
    fn known(&self, attempt: &Attempt) -> Option<Result<(), LoginError>> {
        let digest = attempt.user.as_ref().map(|it| (it.id, self.digest(it, &attempt.password)));
        let state = self.state();
        let remembered = digest.is_some_and(|(user, digest)| {
            state.right.get(&user).is_some_and(|it| it.0 == digest && attempt.now < it.1)
        });
        if remembered {
            return Some(Ok(()));
        }
        let by_user = state.by_user.wait(self.name(attempt), attempt.now);
        let by_address = state.by_address.wait(address(attempt.peer), attempt.now);
        by_user.max(by_address).map(|it| Err(LoginError::Throttled(it)))
    }

    fn remember(&self, user: &UserView, attempt: &Attempt) {
        let digest = self.digest(user, &attempt.password);
        self.state().right.insert(user.id, (digest, attempt.now + REMEMBERED));
    }

    fn failed(&self, attempt: &Attempt) {
        let mut state = self.state();
        state.by_user.failed(self.name(attempt), attempt.now);
        state.by_address.failed(address(attempt.peer), attempt.now);
    }

    /// The stored hash goes in, so that a password that changes is forgotten at once. Every part but the last has its
    /// length before it or is of fixed length: no two credentials run together into the same bytes.
    fn digest(&self, user: &UserView, password: &str) -> [u8; 32] {
        let stored = user.password_hash.0.as_bytes();
        let hash = Sha256::new_with_prefix(self.key);
        let hash = hash.chain_update(user.id.0.to_be_bytes()).chain_update((stored.len() as u64).to_be_bytes());
        hash.chain_update(stored).chain_update(password).finalize().into()
    }

    /// Names are as long as a stranger likes; their hashes are not.
    fn name(&self, attempt: &Attempt) -> u64 {
        self.names.hash_one(&attempt.name)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An IPv6 host has a whole /64 to itself.
fn address(peer: IpAddr) -> u128 {
    match peer.to_canonical() {
        IpAddr::V4(it) => it.to_ipv6_mapped().to_bits(),
        IpAddr::V6(it) => it.to_bits() & !u128::from(u64::MAX),
    }
}

/// Attempts that may wait for the thread: a few seconds' worth.
const WAITING: usize = 64;

/// How long a right credential is remembered.
const REMEMBERED: Duration = Duration::from_secs(300);

const FAILURES_OF_A_USER: u32 = 10;
const FAILURES_FROM_AN_ADDRESS: u32 = 100;
