//! Reads what the checks look at: cargo's metadata and the project's own files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Stdio,
};

use serde_json::Value;

use super::{File, Package, PackageKey, Workspace};
use crate::run::{cargo, root};

/// This checkout.
pub(super) fn workspace() -> Result<Workspace, String> {
    Ok(Workspace { packages: packages()?, files: files()? })
}

/// The project's own files.
pub(super) fn files() -> Result<Vec<File>, String> {
    let mut files = Vec::new();
    let top = root();
    for place in ["crates", "docs", ".ci", ".cargo"] {
        read_folder(&top, &top.join(place), &mut files)?;
    }
    for entry in entries(&top)? {
        if entry.is_file() {
            read_file(&top, &entry, &mut files);
        }
    }
    Ok(files)
}

fn packages() -> Result<BTreeMap<PackageKey, Package>, String> {
    let mut command = cargo(&["metadata", "--format-version", "1"]);
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| format!("cannot run cargo: {error}"))?;
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    let members: BTreeSet<&str> = list(&metadata["workspace_members"]).filter_map(Value::as_str).collect();
    let mut keys = BTreeMap::new();
    let mut packages = BTreeMap::new();
    for package in list(&metadata["packages"]) {
        let id = text(&package["id"]);
        let key = (text(&package["name"]).to_owned(), text(&package["version"]).to_owned());
        keys.insert(id, key.clone());
        let names = list(&package["dependencies"]).map(|it| text(&it["name"]).to_owned()).collect();
        let licence = package["license"].as_str().map(str::to_owned);
        let source = package["source"].as_str().map(str::to_owned);
        packages.insert(key, Package { is_ours: members.contains(id), licence, source, needs: BTreeSet::new(), names });
    }
    for node in list(&metadata["resolve"]["nodes"]) {
        let linked = list(&node["deps"]).filter(|it| list(&it["dep_kinds"]).any(|kind| kind["kind"].is_null()));
        let needs = linked.filter_map(|it| keys.get(text(&it["pkg"])).cloned()).collect();
        if let Some(package) = keys.get(text(&node["id"])).and_then(|it| packages.get_mut(it)) {
            package.needs = needs;
        }
    }
    if packages.is_empty() {
        return Err("cargo metadata lists no packages".to_owned());
    }
    Ok(packages)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

fn read_folder(top: &Path, folder: &Path, files: &mut Vec<File>) -> Result<(), String> {
    for entry in entries(folder)? {
        if entry.is_dir() && !entry.ends_with("node_modules") && !entry.ends_with("target") {
            read_folder(top, &entry, files)?;
        } else if entry.is_file() {
            read_file(top, &entry, files);
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<std::path::PathBuf>, String> {
    let read = fs::read_dir(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let mut entries: Vec<_> = read.filter_map(|it| it.ok().map(|it| it.path())).collect();
    entries.sort();
    Ok(entries)
}

/// Adds the file if it is text.
fn read_file(top: &Path, path: &Path, files: &mut Vec<File>) {
    let Ok(text) = fs::read_to_string(path) else { return };
    let path = path.strip_prefix(top).unwrap_or(path).to_string_lossy().into_owned();
    files.push(File { path, text });
}
