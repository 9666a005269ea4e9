//! The rules of the house that the compiler does not check: who may depend on whom, what pure code may touch,
//! licences, and the shape of files.

mod licence;
mod load;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::{coverage, run::Done};

/// What the checks look at: the packages as cargo sees them and the project's own files.
#[derive(Default)]
struct Workspace {
    /// Every package that takes part in a build, by name and version.
    packages: BTreeMap<PackageKey, Package>,
    files: Vec<File>,
}

/// A package's name and version.
type PackageKey = (String, String);

#[derive(Default)]
struct Package {
    /// In this repository.
    is_ours: bool,
    licence: Option<String>,
    /// Where it comes from; `None` for a folder.
    source: Option<String>,
    /// What it links, on any platform.
    needs: BTreeSet<PackageKey>,
    /// What it names in its manifest, tests and build scripts included.
    names: BTreeSet<String>,
}

/// A file of the project's own.
pub(crate) struct File {
    /// From the top folder, such as `crates/domain/src/lib.rs`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The project's own files.
pub(crate) fn own_files() -> Result<Vec<File>, String> {
    load::files()
}

/// Runs every check on this checkout.
pub(crate) fn report() -> Done {
    let workspace = load::workspace()?;
    let found = check(&workspace);
    if found.is_empty() {
        let (packages, files) = (workspace.packages.len(), workspace.files.len());
        eprintln!("xtask: tidy: {packages} packages and {files} files are as they should be");
        return Ok(());
    }
    Err(format!("tidy found:\n  {}", found.join("\n  ")))
}

fn check(workspace: &Workspace) -> Vec<String> {
    let checks: [fn(&Workspace) -> Vec<String>; 11] = [
        pure_crates_link_no_runtime,
        pure_sources_touch_nothing,
        adapters_stand_alone,
        sip_and_sdp_libraries_are_named_once,
        unsafe_stands_in_one_module,
        serde_stays_at_the_edge,
        licences_are_permissive,
        sources_are_crates_io,
        rust_files_have_a_shape,
        files_name_no_machine,
        coverage_is_up_to_date,
    ];
    checks.iter().flat_map(|it| it(workspace)).collect()
}

/// Invariant 1 of the architecture, as far as dependencies show it.
fn pure_crates_link_no_runtime(workspace: &Workspace) -> Vec<String> {
    let mut found = Vec::new();
    for key in workspace.ours().filter(|it| PURE.contains(&it.0.as_str())) {
        for linked in workspace.links(key) {
            if RUNTIMES.contains(&linked.as_str()) {
                found.push(format!("crates/{}: a pure crate links {linked}", key.0));
            }
        }
    }
    found
}

/// Invariant 1, as far as the sources show it: no clock, chance, socket, file, thread or await.
fn pure_sources_touch_nothing(workspace: &Workspace) -> Vec<String> {
    let mut found = Vec::new();
    for file in workspace.shipped().filter(|it| PURE.contains(&it.package())) {
        for (number, line) in file.code() {
            for word in IMPURE.iter().filter(|it| has_word(line, it)) {
                // `clock` is where the adapters read the time.
                if file.package() == "clock" && word.ends_with("::now") {
                    continue;
                }
                found.push(format!("{}:{number}: a pure crate names {word}", file.path));
            }
        }
    }
    found
}

/// Invariant 2: nobody but `server` depends on an adapter, and nobody but `rest` and `server` speaks its wire types.
fn adapters_stand_alone(workspace: &Workspace) -> Vec<String> {
    let mut found = Vec::new();
    // `fuzzing` stands outside the binary and looks at the parsers of all of them.
    for key in workspace.ours().filter(|it| !["fuzzing", "server"].contains(&it.0.as_str())) {
        for name in &workspace.packages[key].names {
            let is_foreign = ADAPTERS.contains(&name.as_str()) || (name == "api-types" && key.0 != "rest");
            if is_foreign && *name != key.0 {
                found.push(format!("crates/{}: only `server` may depend on the adapter {name}", key.0));
            }
        }
    }
    found
}

/// A young library stays behind one crate of ours, so that it can be replaced there.
fn sip_and_sdp_libraries_are_named_once(workspace: &Workspace) -> Vec<String> {
    let mut found = Vec::new();
    for (library, word, home) in [("sipx-sip", "sipx_sip", "sip-proto"), ("sipx-sdp", "sipx_sdp", "media-proto")] {
        for key in workspace.ours().filter(|it| it.0 != home) {
            if workspace.packages[key].names.contains(library) {
                found.push(format!("crates/{}: only {home} may depend on {library}", key.0));
            }
        }
        for file in workspace.files.iter().filter(|it| it.is_rust() && it.package() != home && !it.is_tidy()) {
            for (number, _) in file.code().filter(|(_, line)| has_word(line, word)) {
                found.push(format!("{}:{number}: only {home} may name {word}", file.path));
            }
        }
    }
    found
}

/// Code that ships needs `unsafe` only where it calls the operating system, in one module.
fn unsafe_stands_in_one_module(workspace: &Workspace) -> Vec<String> {
    let mut found = Vec::new();
    for file in workspace.shipped().filter(|it| it.path != "crates/media/src/sys.rs" && !it.is_tidy()) {
        for (number, _) in file.code().filter(|(_, line)| has_word(line, "unsafe")) {
            found.push(format!("{}:{number}: unsafe belongs in crates/media/src/sys.rs", file.path));
        }
    }
    found
}

/// Invariant 4: types of the domain and of the protocols know no JSON.
fn serde_stays_at_the_edge(workspace: &Workspace) -> Vec<String> {
    let mut found = Vec::new();
    for key in workspace.ours().filter(|it| !AT_THE_EDGE.contains(&it.0.as_str())) {
        for name in ["serde", "serde_json"].iter().filter(|it| workspace.packages[key].names.contains(**it)) {
            found.push(format!("crates/{}: {name} belongs to the crates that own a wire", key.0));
        }
    }
    found
}

fn licences_are_permissive(workspace: &Workspace) -> Vec<String> {
    let mut found = Vec::new();
    for ((name, version), package) in &workspace.packages {
        match &package.licence {
            Some(licence) if licence::is_permissive(licence) => {}
            Some(licence) => found.push(format!("{name} {version}: the licence {licence} is not on the list")),
            None => found.push(format!("{name} {version}: names no licence")),
        }
    }
    found
}

fn sources_are_crates_io(workspace: &Workspace) -> Vec<String> {
    let strangers = workspace.packages.iter().filter(|(_, it)| match &it.source {
        Some(source) => source != CRATES_IO,
        None => !it.is_ours,
    });
    strangers.map(|((name, version), _)| format!("{name} {version}: does not come from crates.io")).collect()
}

fn rust_files_have_a_shape(workspace: &Workspace) -> Vec<String> {
    let mut found = Vec::new();
    for file in workspace.files.iter().filter(|it| it.is_rust()) {
        let lines = file.text.lines().count();
        if lines > LINES_MAX {
            found.push(format!("{}: {lines} lines; split it by topic below {LINES_MAX}", file.path));
        }
        if !file.text.starts_with("//!") {
            found.push(format!("{}: begins without a `//!` sentence that says what it is for", file.path));
        }
    }
    found
}

/// What is true on one machine only does not belong in a file of the project.
fn files_name_no_machine(workspace: &Workspace) -> Vec<String> {
    let mut found = Vec::new();
    for file in workspace.files.iter().filter(|it| !it.is_tidy()) {
        for (number, line) in (1..).zip(file.text.lines()) {
            for place in MACHINE_PLACES.iter().filter(|it| line.contains(**it)) {
                found.push(format!("{}:{number}: names {place}, a place on somebody's machine", file.path));
            }
        }
    }
    found
}

/// The page made from the tests' names says what they say now.
fn coverage_is_up_to_date(workspace: &Workspace) -> Vec<String> {
    let Some(page) = workspace.files.iter().find(|it| it.path == coverage::PAGE) else { return Vec::new() };
    let texts = workspace.files.iter().map(|it| (it.path.as_str(), it.text.as_str()));
    match coverage::expected(texts) {
        Ok(expected) if expected == page.text => Vec::new(),
        Ok(_) => vec![format!("{}: tests have come or gone; run `cargo xtask coverage` and commit it", coverage::PAGE)],
        Err(why) => vec![format!("crates/xtask/src/coverage/rows.txt: {why}")],
    }
}

impl Workspace {
    fn ours(&self) -> impl Iterator<Item = &PackageKey> {
        self.packages.iter().filter(|(_, it)| it.is_ours).map(|(key, _)| key)
    }

    /// The names of everything that a package links, directly or not.
    fn links(&self, from: &PackageKey) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(key) = open.pop() {
            for next in self.packages.get(key).into_iter().flat_map(|it| &it.needs) {
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        seen.into_iter().map(|it| it.0.clone()).collect()
    }

    /// The Rust files that end in the binary: not tests, not the tools around it.
    fn shipped(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|it| it.is_rust() && it.is_shipped())
    }
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The crate that the file belongs to; empty outside `crates`.
    fn package(&self) -> &str {
        self.path.strip_prefix("crates/").and_then(|it| it.split('/').next()).unwrap_or("")
    }

    fn is_shipped(&self) -> bool {
        let in_src = self.path.split('/').nth(2) == Some("src");
        let is_test = self.path.split('/').any(|it| it == "tests" || it == "tests.rs");
        in_src && !is_test && !TEST_CRATES.contains(&self.package())
    }

    /// These very rules, which name what they forbid.
    fn is_tidy(&self) -> bool {
        self.path.starts_with("crates/xtask/src/tidy")
    }

    /// The lines without their comments, numbered.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = (1..).zip(self.text.lines());
        lines.map(|(number, line)| (number, line.split("//").next().unwrap_or("")))
    }
}

/// Whether `line` has `word` with no letter, digit or underscore before or after it.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |it: char| it.is_alphanumeric() || it == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

const PURE: [&str; 5] = ["clock", "domain", "legs", "media-proto", "sip-proto"];
const ADAPTERS: [&str; 5] = ["cometd", "media", "rest", "sip", "storage"];
const AT_THE_EDGE: [&str; 8] = ["api-types", "bench", "cometd", "e2e", "rest", "server", "storage", "xtask"];
const TEST_CRATES: [&str; 5] = ["bench", "e2e", "fuzzing", "sim", "xtask"];
const RUNTIMES: [&str; 10] =
    ["async-std", "axum", "hyper", "mio", "polling", "reqwest", "smol", "socket2", "sqlx", "tokio"];
const IMPURE: [&str; 18] = [
    "await",
    "tokio",
    "socket2",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "UnixStream",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "thread::sleep",
    "Instant::now",
    "SystemTime::now",
    "thread_rng",
    "rand::rng",
    "rand::random",
    "getrandom",
];
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
const LINES_MAX: usize = 1000;
const MACHINE_PLACES: [&str; 4] = ["/work/", "/home/", "/root/", "../shared/"];
