//! Which rows of the semantics and which sections of RFCs have tests: read off the names of the tests.
//!
//! `e_16_…` is a test of row E-16, `r_03_to_r_08_…` one of six rows, `rfc3261_14_1_…` one of RFC 3261 s14.1 and so of s14.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
    fs,
};

use crate::{
    run::{Done, root},
    tidy,
};

/// Where the page is.
pub(crate) const PAGE: &str = "docs/coverage.md";

/// Writes the page anew; or, where rows are named, prints the names of their tests.
pub(crate) fn run(wanted: &[String]) -> Done {
    let files = tidy::own_files()?;
    let tests = Tests::of(files.iter().map(|it| (it.path.as_str(), it.text.as_str())));
    if wanted.is_empty() {
        let text = page(&tests, ROWS)?;
        eprintln!("xtask: {PAGE}: {}", text.lines().filter(|it| it.starts_with("## ")).collect::<Vec<_>>().join(", "));
        return fs::write(root().join(PAGE), text).map_err(|error| format!("cannot write {PAGE}: {error}"));
    }
    for id in wanted {
        let subject = id.parse::<Subject>()?;
        for (path, name) in tests.covering(&subject) {
            eprintln!("{subject}  {name}  {path}");
        }
    }
    Ok(())
}

/// The page as it should be, from paths and texts of the project's files.
pub(crate) fn expected<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Result<String, String> {
    page(&Tests::of(files), ROWS)
}

fn page(tests: &Tests<'_>, rows: &str) -> Result<String, String> {
    let rows = rows.lines().filter(|it| !it.is_empty() && !it.starts_with('#')).map(|line| {
        let (id, words) = line.split_once(": ").ok_or_else(|| format!("no row: {line}"))?;
        Ok((id.parse::<Subject>()?, words))
    });
    let rows = rows.collect::<Result<Vec<_>, String>>()?;
    let mut text = HEAD.to_owned();
    for (title, letter) in CHAPTERS {
        let of: Vec<_> = rows.iter().filter(|it| it.0.letter() == *letter).collect();
        let covered = of.iter().filter(|it| !tests.covering(&it.0).is_empty()).count();
        // Writing into a string cannot fail.
        let _ = write!(text, "\n## {title}: {covered} of {}\n\n| Row | What | Tests |\n|---|---|---|\n", of.len());
        for (subject, words) in of {
            let _ = writeln!(text, "| {subject} | {words} | {} |", places(&tests.covering(subject)));
        }
    }
    let is_listed = |it: &Subject| rows.iter().any(|(row, _)| row.includes(it));
    let _ = write!(text, "\n## Beside these\n\n| Row | Tests |\n|---|---|\n");
    for (subject, tests) in tests.0.iter().filter(|it| !is_listed(it.0)) {
        let _ = writeln!(text, "| {subject} | {} |", places(&tests.iter().copied().collect()));
    }
    Ok(text)
}

/// The files that tests stand in, by their crates.
fn places(tests: &BTreeSet<(&str, &str)>) -> String {
    if tests.is_empty() {
        return "**none yet**".to_owned();
    }
    let files: BTreeSet<&str> = tests.iter().map(|it| it.0).collect();
    let links = files.iter().map(|path| format!("[{}](../{path})", path.split('/').nth(1).unwrap_or(path)));
    links.collect::<Vec<_>>().join(" ")
}

/// The tests by what they show: path and name.
struct Tests<'a>(BTreeMap<Subject, BTreeSet<(&'a str, &'a str)>>);

impl<'a> Tests<'a> {
    fn of(files: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut all: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (path, text) in files.filter(|it| it.0.starts_with("crates/") && it.0.ends_with(".rs")) {
            for name in names(text) {
                for subject in subjects(name) {
                    all.entry(subject).or_default().insert((path, name));
                }
            }
        }
        Self(all)
    }

    fn covering(&self, subject: &Subject) -> BTreeSet<(&'a str, &'a str)> {
        self.0.iter().filter(|it| subject.includes(it.0)).flat_map(|it| it.1).copied().collect()
    }
}

/// What a test shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    /// A row of the semantics.
    Row(char, u32),
    /// A section of an RFC, with its parts; all of it where there are none.
    Section(u32, Vec<String>),
}

impl Subject {
    fn letter(&self) -> Option<char> {
        match self {
            Self::Row(letter, _) => Some(*letter),
            Self::Section(..) => None,
        }
    }

    /// Whether a test of `it` is one of this.
    fn includes(&self, it: &Self) -> bool {
        match (self, it) {
            (Self::Section(rfc, parts), Self::Section(other, more)) => rfc == other && more.starts_with(parts),
            (one, other) => one == other,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row(letter, number) => write!(f, "{letter}-{number:02}"),
            Self::Section(rfc, parts) if parts.is_empty() => write!(f, "RFC {rfc}"),
            Self::Section(rfc, parts) => write!(f, "RFC {rfc} s{}", parts.join(".").to_uppercase()),
        }
    }
}

impl std::str::FromStr for Subject {
    type Err = String;

    /// `E-16`, `RFC 3261 s14.1`, `RFC 3551`.
    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.to_lowercase().replace("rfc ", "rfc").replace(" s", "_").replace(['-', '.'], "_");
        match subjects(&name).as_slice() {
            [one] => Ok(one.clone()),
            _ => Err(format!("\"{text}\" is neither a row such as E-16 nor a section such as \"RFC 3261 s14.1\"")),
        }
    }
}

/// The names of the functions below a `#[test]` or its like.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    text.lines().filter_map(move |line| {
        let line = line.trim();
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            return None;
        }
        let name = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "))?;
        std::mem::take(&mut is_test).then(|| name.split('(').next().unwrap_or(name))
    })
}

/// What a name begins with: `e_05_e_06_…` is E-05 and E-06, `rfc3550_a_1_…` appendix A.1 of RFC 3550.
fn subjects(name: &str) -> Vec<Subject> {
    let words: Vec<&str> = name.split('_').collect();
    let mut words = words.as_slice();
    let mut found = Vec::new();
    let mut goes_on = false;
    loop {
        (words, goes_on) = match words {
            [word, rest @ ..] if number(word.strip_prefix("rfc").unwrap_or_default()).is_some() => {
                let rfc = number(&word[3..]).unwrap_or_default();
                let (section, rest) = section(rest);
                found.push(Subject::Section(rfc, section));
                (rest, false)
            }
            ["r" | "e" | "v", row, rest @ ..] if row.len() == 2 && number(row).is_some() => {
                let letter = words[0].to_uppercase().chars().next().unwrap_or_default();
                let row = number(row).unwrap_or_default();
                let from = match found.last() {
                    Some(Subject::Row(same, before)) if goes_on && *same == letter => before + 1,
                    _ => row,
                };
                found.extend((from..=row).map(|it| Subject::Row(letter, it)));
                (rest, false)
            }
            ["to", rest @ ..] if !found.is_empty() => (rest, true),
            ["and", rest @ ..] if !found.is_empty() => (rest, false),
            _ => return found,
        };
    }
}

/// The numbers of a section, the first of which may be the letter of an appendix.
fn section<'a>(words: &'a [&'a str]) -> (Vec<String>, &'a [&'a str]) {
    let is_appendix =
        matches!(words, [letter, next, ..] if letter.len() == 1 && number(letter).is_none() && number(next).is_some());
    let numbers = words.iter().skip(usize::from(is_appendix)).take_while(|it| number(it).is_some()).count();
    let (section, rest) = words.split_at(numbers + usize::from(is_appendix));
    (section.iter().map(ToString::to_string).collect(), rest)
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|_| text.bytes().all(|it| it.is_ascii_digit()))
}

const ROWS: &str = include_str!("coverage/rows.txt");

const CHAPTERS: &[(&str, Option<char>)] = &[
    ("R, requests", Some('R')),
    ("E, what happens on calls", Some('E')),
    ("V, the supervisor's leg", Some('V')),
    ("Sections of RFCs", None),
];

const HEAD: &str = "\
# What the tests cover

Made by `cargo xtask coverage` from the names of the tests: `e_16_…` shows row E-16 of the semantics, `rfc3261_14_1_…` section 14.1 of RFC 3261. Each link is a
file with such tests; `cargo xtask coverage E-16` prints their names. What is not built yet has none, and a row that tests with other names show has none
either. The rows stand in [rows.txt](../crates/xtask/src/coverage/rows.txt).
";

#[cfg(test)]
mod tests;
