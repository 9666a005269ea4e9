//! A child process that takes orders and tells events as JSON lines.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// The process; killed when dropped.
pub(crate) struct LineProcess {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    heard: Arc<Heard>,
}

/// What it has told. Each event is found by one wait only.
#[derive(Default)]
pub(crate) struct Heard {
    events: Mutex<Vec<(Value, bool)>>,
    changed: Condvar,
}

impl LineProcess {
    /// Starts `command`; lines that are no JSON are kept as `{"event":"text","text":…}`; the end of its
    /// output is `{"event":"closed"}`.
    pub(crate) fn start(name: &str, command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let heard = Arc::new(Heard::default());
        let stdout = child.stdout.take().expect("it was piped");
        let stderr = child.stderr.take().expect("it was piped");
        let told = Arc::clone(&heard);
        thread::spawn(move || {
            read_lines(stdout, &told);
            told.tell(serde_json::json!({"event": "closed"}));
        });
        let complained = Arc::clone(&heard);
        thread::spawn(move || read_lines(stderr, &complained));
        let stdin = child.stdin.take();
        Self { name: name.to_owned(), child, stdin, heard }
    }

    /// Sends one order.
    ///
    /// # Panics
    /// If the process is gone.
    pub(crate) fn order(&mut self, order: &Value) {
        let stdin = self.stdin.as_mut().expect("only the end takes it away");
        let sent = writeln!(stdin, "{order}").and_then(|()| stdin.flush());
        if let Err(error) = sent {
            panic!("{} takes no orders: {error}\n{}", self.name, self.heard.tail());
        }
    }

    /// The first event not found before that `wanted` accepts.
    ///
    /// # Panics
    /// If none comes in time.
    pub(crate) fn wait(&self, what: &str, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        self.heard.wait(limit, wanted).unwrap_or_else(|| {
            panic!("{} did not tell of \"{what}\" within {limit:?}; it told:\n{}", self.name, self.heard.tail())
        })
    }

    /// Passes over the events so far that `unwanted` accepts: no later wait finds them.
    pub(crate) fn forget(&self, unwanted: impl Fn(&Value) -> bool) {
        self.heard.lock().iter_mut().filter(|it| unwanted(&it.0)).for_each(|it| it.1 = true);
    }

    /// Every event so far, found before or not.
    pub(crate) fn history(&self) -> Vec<Value> {
        self.heard.lock().iter().map(|it| it.0.clone()).collect()
    }

    /// Ends the process as a power cut would.
    pub(crate) fn kill(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for LineProcess {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- {} told last:\n{}", self.name, self.heard.tail());
        }
        self.kill();
    }
}

impl Heard {
    pub(crate) fn tell(&self, event: Value) {
        self.lock().push((event, false));
        self.changed.notify_all();
    }

    pub(crate) fn wait(&self, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        let until = Instant::now() + limit;
        let mut events = self.lock();
        loop {
            if let Some((event, found)) = events.iter_mut().find(|(event, found)| !found && wanted(event)) {
                *found = true;
                return Some(event.clone());
            }
            let left = until.checked_duration_since(Instant::now())?;
            events = self.changed.wait_timeout(events, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The last events, for a failed test to show.
    pub(crate) fn tail(&self) -> String {
        let events = self.lock();
        let last = events.iter().rev().take(SHOWN).rev();
        last.map(|(event, _)| format!("  {}\n", cut(&event.to_string(), 1500))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Value, bool)>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_lines(from: impl std::io::Read, heard: &Heard) {
    for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        let event = serde_json::from_str(&line).ok().filter(|it: &Value| it["event"].is_string());
        heard.tell(event.unwrap_or_else(|| serde_json::json!({"event": "text", "text": line})));
    }
}

fn cut(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

/// How many events a failure shows.
const SHOWN: usize = 40;
