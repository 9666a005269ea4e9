//! Where the binary under test and the phones are.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The server's binary, built beside this test.
///
/// # Panics
/// If it has not been built: a test without a server has failed.
#[must_use]
pub fn binary() -> PathBuf {
    let path = profile_folder().join("undertone");
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build --workspace --bins` (or `cargo xtask test`)",
        path.display()
    );
    path
}

/// A file below `<target folder>/tools`, put there by `cargo xtask setup`.
///
/// # Panics
/// If it is missing.
#[must_use]
pub(crate) fn tool(name: &str) -> PathBuf {
    let profile = profile_folder();
    let target = profile.parent().unwrap_or(&profile);
    // With an explicit `--target` there is one folder more.
    let places = [target.join("tools"), target.parent().unwrap_or(target).join("tools")];
    let found = places.iter().map(|it| it.join(name)).find(|it| it.exists());
    found.unwrap_or_else(|| panic!("{} is missing: run `cargo xtask setup`", places[0].join(name).display()))
}

/// A file of this crate's, such as a phone's script.
#[must_use]
pub(crate) fn own_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// `<target folder>/<profile>`: tests run from `deps` below it.
fn profile_folder() -> PathBuf {
    let test = env::current_exe().expect("a running test has a path");
    let deps = test.parent().expect("a file is in a folder");
    deps.parent().expect("`deps` is in the profile's folder").to_owned()
}
