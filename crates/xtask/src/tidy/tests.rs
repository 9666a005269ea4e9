//! Each rule bites on a made-up violation, and this checkout breaks none.

use super::*;

/// A workspace in which nothing is wrong.
fn clean() -> Workspace {
    let mut workspace = Workspace::default();
    for name in ["clock", "domain", "sip", "rest", "server"] {
        workspace.add(name, "MIT OR Apache-2.0", None);
    }
    workspace.add("thiserror", "MIT OR Apache-2.0", Some(CRATES_IO));
    workspace.add("tokio", "MIT", Some(CRATES_IO));
    workspace.link("domain", "clock");
    workspace.link("domain", "thiserror");
    workspace.link("sip", "tokio");
    workspace.link("server", "sip");
    workspace.write("crates/domain/src/lib.rs", "//! Rules.\nfn now_is(it: u64) {} // not Instant::now\n");
    workspace
}

impl Workspace {
    fn add(&mut self, name: &str, licence: &str, source: Option<&str>) {
        let package = Package {
            is_ours: source.is_none(),
            licence: Some(licence.to_owned()),
            source: source.map(str::to_owned),
            ..Package::default()
        };
        self.packages.insert(key(name), package);
    }

    fn link(&mut self, from: &str, to: &str) {
        let package = self.packages.get_mut(&key(from)).unwrap();
        package.needs.insert(key(to));
        package.names.insert(to.to_owned());
    }

    fn write(&mut self, path: &str, text: &str) {
        self.files.push(File { path: path.to_owned(), text: text.to_owned() });
    }
}

fn key(name: &str) -> PackageKey {
    (name.to_owned(), "1.0.0".to_owned())
}

/// Spoils the clean workspace and wants exactly one complaint, with these words in it.
fn bites(words: &str, spoil: impl FnOnce(&mut Workspace)) {
    let mut workspace = clean();
    spoil(&mut workspace);
    let found = check(&workspace);
    assert!(found.len() == 1 && found[0].contains(words), "wanted one complaint with \"{words}\", found {found:?}");
}

#[test]
fn this_checkout_is_tidy() {
    let workspace = load::workspace().unwrap();
    assert!(workspace.files.iter().any(|it| it.path == "crates/xtask/src/tidy/tests.rs"));
    assert_eq!(check(&workspace), Vec::<String>::new());
}

#[test]
fn the_clean_workspace_is_clean() {
    assert_eq!(check(&clean()), Vec::<String>::new());
}

#[test]
fn a_pure_crate_that_links_a_runtime_through_another_crate() {
    bites("domain: a pure crate links tokio", |it| it.link("thiserror", "tokio"));
}

#[test]
fn a_pure_crate_that_reads_the_clock() {
    bites("lib.rs:2: a pure crate names Instant::now", |it| {
        it.write("crates/legs/src/lib.rs", "//! Legs.\nlet now = Instant::now();\n");
    });
}

#[test]
fn a_pure_crate_that_awaits() {
    bites("names await", |it| it.write("crates/sip-proto/src/a.rs", "//! A.\nlater().await;\n"));
}

#[test]
fn the_clock_may_read_the_time_and_tests_may_read_files() {
    let mut workspace = clean();
    workspace.write("crates/clock/src/lib.rs", "//! Time.\nlet now = Instant::now();\n");
    workspace.write("crates/sip-proto/src/torture/tests.rs", "//! Corpus.\nuse std::fs;\n");
    assert_eq!(check(&workspace), Vec::<String>::new());
}

#[test]
fn an_adapter_that_depends_on_an_adapter() {
    bites("rest: only `server` may depend on the adapter sip", |it| it.link("rest", "sip"));
}

#[test]
fn a_crate_other_than_rest_that_speaks_the_wire_types() {
    bites("sip: only `server` may depend on the adapter api-types", |it| it.link("sip", "api-types"));
}

#[test]
fn the_sip_library_named_outside_its_crate() {
    bites("only sip-proto may name sipx_sip", |it| {
        it.write("crates/sip/tests/udp.rs", "//! UDP.\nuse sipx_sip::Message;\n");
    });
    bites("only media-proto may depend on sipx-sdp", |it| {
        it.add("sipx-sdp", "MIT", Some(CRATES_IO));
        it.link("sip", "sipx-sdp");
    });
}

#[test]
fn unsafe_outside_its_module() {
    bites("udp.rs:2: unsafe", |it| it.write("crates/sip/src/udp.rs", "//! UDP.\nunsafe { call() }\n"));
    let mut workspace = clean();
    workspace.write("crates/media/src/sys.rs", "//! System.\nunsafe { call() }\n");
    workspace.write("crates/media/src/lib.rs", "//! Media.\n#[allow(unsafe_code)]\n");
    assert_eq!(check(&workspace), Vec::<String>::new());
}

#[test]
fn a_domain_that_knows_json() {
    bites("domain: serde belongs", |it| {
        it.add("serde", "MIT", Some(CRATES_IO));
        it.link("domain", "serde");
    });
}

#[test]
fn a_licence_that_is_not_permissive() {
    bites("gpl 1.0.0: the licence GPL-3.0", |it| it.add("gpl", "GPL-3.0", Some(CRATES_IO)));
    bites("names no licence", |it| {
        it.add("bare", "MIT", Some(CRATES_IO));
        it.packages.get_mut(&key("bare")).unwrap().licence = None;
    });
}

#[test]
fn licence_expressions() {
    for good in ["MIT", "MIT/GPL-2.0", "(MIT OR GPL-2.0) AND Unicode-3.0", "Apache-2.0 WITH LLVM-exception OR MPL-2.0"]
    {
        assert!(licence::is_permissive(good), "{good}");
    }
    for bad in ["", "GPL-2.0", "MIT AND MPL-2.0", "(MIT", "MIT MIT", "GPL-2.0 WITH GCC-exception-3.1"] {
        assert!(!licence::is_permissive(bad), "{bad}");
    }
}

#[test]
fn a_dependency_from_elsewhere() {
    bites("does not come from crates.io", |it| it.add("fork", "MIT", Some("git+https://example.org/fork")));
}

#[test]
fn a_file_that_is_too_long_or_says_nothing_of_itself() {
    bites("1001 lines", |it| it.write("crates/sip/src/long.rs", &format!("//! Long.\n{}", "\n".repeat(1000))));
    bites("begins without", |it| it.write("crates/sip/src/mute.rs", "fn mute() {}\n"));
}

#[test]
fn a_page_that_names_a_place_on_somebodys_machine() {
    bites("docs/a.md:1: names /home/", |it| it.write("docs/a.md", "See /home/ada/notes.\n"));
}

#[test]
fn a_coverage_page_that_is_not_what_the_tests_say() {
    bites("docs/coverage.md: tests have come or gone; run `cargo xtask coverage`", |it| {
        it.write("docs/coverage.md", "# What the tests cover\n");
    });
}
