//! The commands that run cargo.

use std::{
    env,
    ffi::OsString,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{setup, tidy};

/// What a command comes to: nothing, or a sentence that says what went wrong.
pub(crate) type Done = Result<(), String>;

/// Builds the server and hands the terminal over to `undertone demo`, exit status and Ctrl-C included.
pub(crate) fn demo(arguments: &[String]) -> Done {
    run(cargo(&["build", "--package", "server"]))?;
    let mut demo = cargo(&["run", "--quiet", "--package", "server", "--bin", "undertone", "--", "demo"]);
    demo.args(arguments);
    Err(format!("cannot start the demo: {}", demo.exec()))
}

/// Builds the release binary. Nothing is embedded in it that would have to be built first.
pub(crate) fn build() -> Done {
    eprintln!("xtask: the binary embeds no pages yet, so there is nothing to prepare");
    run(cargo(&["build", "--release"]))
}

/// Installs what is missing, then runs every test; `arguments` go to `cargo test`, and stand for `--workspace`.
pub(crate) fn test(arguments: &[String]) -> Done {
    let tools = setup::tools()?;
    eprintln!("xtask: phones and clients for the tests are in {}", tools.display());
    // The end-to-end tests start this very binary; cargo would not build it for another package's tests.
    run(cargo(&["build", "--workspace", "--bins"]))?;
    let mut test = cargo(&["test"]);
    if arguments.is_empty() {
        test.args(["--workspace", "--no-fail-fast"]);
    } else {
        test.args(arguments);
    }
    // Most end-to-end tests wait for phones most of the time, so more of them than processors run at once.
    if env::var_os("RUST_TEST_THREADS").is_none() {
        test.env("RUST_TEST_THREADS", TEST_THREADS);
    }
    run(test)
}

/// Everything that must hold before a change is accepted.
pub(crate) fn ci() -> Done {
    for component in ["fmt", "clippy"] {
        component_present(component)?;
    }
    run(cargo(&["fmt", "--all", "--check"]))?;
    run(cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))?;
    let mut docs = cargo(&["doc", "--workspace", "--no-deps", "--quiet"]);
    docs.env("RUSTDOCFLAGS", "-D warnings");
    run(docs)?;
    tidy::report()?;
    test(&[])
}

/// Runs the virtual world; without arguments, with its default seeds.
pub(crate) fn sim(arguments: &[String]) -> Done {
    let mut sim = cargo(&["run", "--quiet", "--package", "sim", "--"]);
    sim.args(arguments);
    run(sim)
}

/// Asks rustup for a part of the tool chain that a minimal installation leaves out.
fn component_present(name: &str) -> Done {
    let mut probe = cargo(&[name, "--version"]);
    let present = probe.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|it| it.success());
    if present {
        return Ok(());
    }
    let component = if name == "fmt" { "rustfmt" } else { name };
    eprintln!("xtask: cargo {name} is missing; asking rustup for it");
    let mut add = Command::new("rustup");
    add.args(["component", "add", component]).current_dir(root());
    run(add)
}

/// Builds the server and the load generator as they are shipped, and hands the terminal over to the generator, which
/// finds the server beside itself.
pub(crate) fn bench(arguments: &[String]) -> Done {
    run(cargo(&["build", "--release", "--package", "server", "--package", "bench"]))?;
    let mut bench = cargo(&["run", "--quiet", "--release", "--package", "bench", "--"]);
    bench.args(arguments);
    Err(format!("cannot start the load generator: {}", bench.exec()))
}

/// Runs a target of `fuzz/` under libFuzzer, which begins with the target's corpus and keeps what it learns, and what breaks
/// a promise, below `<target folder>/fuzz`.
pub(crate) fn fuzz(arguments: &[String]) -> Done {
    let fuzz = root().join("fuzz");
    let Some((target, rest)) = arguments.split_first() else {
        let entries = std::fs::read_dir(fuzz.join("corpus")).map_err(|error| format!("fuzz/corpus: {error}"))?;
        let mut names: Vec<_> = entries.flatten().map(|it| it.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        return Err(format!("name a target: {}", names.join(", ")));
    };
    let folder = setup::target_folder()?.join("fuzz");
    let learned = folder.join("corpus").join(target);
    std::fs::create_dir_all(&learned).map_err(|error| format!("cannot make {}: {error}", learned.display()))?;
    let mut run_target = cargo(&["run", "--release", "--manifest-path", "fuzz/Cargo.toml", "--bin", target, "--"]);
    run_target.env("CARGO_TARGET_DIR", &folder).env("RUSTFLAGS", COVERAGE);
    run_target.arg(learned).arg(fuzz.join("corpus").join(target));
    if target.starts_with("sip_") {
        let torture = root().join("crates/sip-proto/src/endpoint/tests");
        run_target.arg(torture.join("rfc4475")).arg(torture.join("rfc5118"));
    }
    run_target.arg(format!("-artifact_prefix={}/{target}-", folder.display())).args(rest);
    run(run_target)
}

/// What libFuzzer is guided by. Every compiler takes these flags; sanitizers, which the project's safe code has little use
/// for, would need a nightly one.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks";

/// The checkout's top folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Cargo, as it was called, in the checkout's top folder.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Shows the command, runs it, and turns a failure into a sentence.
pub(crate) fn run(mut command: Command) -> Done {
    let shown = shown(&command);
    eprintln!("xtask: {shown}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` failed ({status})")),
        Err(error) => Err(format!("cannot run `{shown}`: {error}")),
    }
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|it| it.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Tests at a time, on a machine of two processors.
const TEST_THREADS: &str = "6";
