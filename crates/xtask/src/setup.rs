//! Installs the phones and clients that the tests drive: only what is missing, and saying so.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::run::{Done, cargo, root, run};

/// Installs what is missing and answers with the folder of the project's own tools, `<target folder>/tools`.
pub(crate) fn tools() -> Result<PathBuf, String> {
    let folder = target_folder()?.join("tools");
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    debian_packages()?;
    python(&folder)?;
    node(&folder)?;
    Ok(folder)
}

/// Where cargo builds, which may be outside the checkout.
pub(crate) fn target_folder() -> Result<PathBuf, String> {
    let mut metadata = cargo(&["metadata", "--format-version", "1", "--no-deps"]);
    let output = metadata.stderr(Stdio::inherit()).output().map_err(|error| format!("cannot run cargo: {error}"))?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    let folder = metadata["target_directory"].as_str().ok_or("cargo metadata names no target folder")?;
    Ok(PathBuf::from(folder))
}

fn debian_packages() -> Done {
    let missing: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| find(program).is_none()).map(|(_, package)| *package).collect();
    if missing.is_empty() { Ok(()) } else { apt_install(&missing) }
}

fn apt_install(packages: &[&str]) -> Done {
    eprintln!("xtask: installing Debian packages: {}", packages.join(" "));
    run(as_root(&["apt-get", "update", "-q"]))?;
    let install = ["apt-get", "install", "-q", "-y", "--no-install-recommends"];
    run(as_root(&[&install, packages].concat()))
}

/// The command as root: as it stands for root, by sudo for others.
fn as_root(words: &[&str]) -> Command {
    let uid = Command::new("id").arg("-u").output();
    let is_root = uid.is_ok_and(|it| it.stdout.trim_ascii() == b"0");
    let mut command = if is_root { Command::new("env") } else { Command::new("sudo") };
    command.arg("DEBIAN_FRONTEND=noninteractive").args(words);
    command
}

/// A virtual environment of the project's own with the packages of `crates/e2e/phones/requirements.txt`.
fn python(folder: &Path) -> Done {
    let requirements = root().join("crates/e2e/phones/requirements.txt");
    let stamp = folder.join("venv.stamp");
    let venv = folder.join("venv");
    if is_current(&stamp, &requirements) && venv.join("bin/python").exists() {
        return Ok(());
    }
    let mut last = String::from("no Python found");
    for interpreter in INTERPRETERS.iter().filter_map(|it| find(it)) {
        match make_venv(&interpreter, &venv, &requirements) {
            Ok(()) => return remember(&stamp, &requirements),
            Err(why) => last = why,
        }
    }
    // Debian splits the module that makes virtual environments from Python itself.
    apt_install(&["python3", "python3-venv"])?;
    make_venv(Path::new("/usr/bin/python3"), &venv, &requirements)
        .map_err(|why| format!("{why}; before that: {last}"))?;
    remember(&stamp, &requirements)
}

fn make_venv(interpreter: &Path, venv: &Path, requirements: &Path) -> Done {
    eprintln!("xtask: making a Python environment in {} with {}", venv.display(), interpreter.display());
    if venv.exists() {
        fs::remove_dir_all(venv).map_err(|error| format!("cannot clear {}: {error}", venv.display()))?;
    }
    let mut create = Command::new(interpreter);
    create.args(["-m", "venv"]).arg(venv);
    run(create)?;
    let mut install = Command::new(venv.join("bin/python"));
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary=:all:",
        "--requirement",
    ]);
    install.arg(requirements);
    run(install)
}

/// The npm packages of `crates/e2e/node/package-lock.json`, exactly.
fn node(folder: &Path) -> Done {
    let project = root().join("crates/e2e/node");
    let lock = project.join("package-lock.json");
    let stamp = folder.join("node.stamp");
    let installed = folder.join("node");
    if is_current(&stamp, &lock) && installed.join("node_modules").exists() {
        return Ok(());
    }
    eprintln!("xtask: installing npm packages in {}", installed.display());
    fs::create_dir_all(&installed).map_err(|error| format!("cannot make {}: {error}", installed.display()))?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(project.join(name), installed.join(name)).map_err(|error| format!("cannot copy {name}: {error}"))?;
    }
    let mut install = Command::new("npm");
    install.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&installed);
    run(install)?;
    remember(&stamp, &lock)
}

/// Whether what the stamp was made for is still what is wanted.
fn is_current(stamp: &Path, wanted: &Path) -> bool {
    matches!((fs::read(stamp), fs::read(wanted)), (Ok(had), Ok(wants)) if had == wants)
}

fn remember(stamp: &Path, wanted: &Path) -> Done {
    fs::copy(wanted, stamp).map(drop).map_err(|error| format!("cannot write {}: {error}", stamp.display()))
}

/// The program's path, if `PATH` has it.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|it| it.join(program)).find(|it| it.is_file())
}

/// Programs that the tests start, and the Debian packages that bring them.
const PROGRAMS: [(&str, &str); 4] =
    [("baresip", "baresip-core"), ("sipp", "sip-tester"), ("node", "nodejs"), ("npm", "npm")];

/// Pythons to try, in this order: the wheel of the phone exists for 3.9 to 3.12.
const INTERPRETERS: [&str; 5] = ["python3.11", "python3", "python3.12", "python3.10", "python3.9"];
