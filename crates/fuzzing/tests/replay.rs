//! Every corpus, and a seeded crowd of mutations of it, before the function that it is for.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
};

use fuzzing::{TARGETS, Target};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// So many mutations for each kind of input; what they find is the same on every machine.
const MUTATIONS: usize = 2_000;

#[test]
fn sip_datagrams() {
    check("sip_datagrams", b"\r\n;,<>\"=:@% 0");
}

#[test]
fn sip_stream() {
    check("sip_stream", b"\r\n;,<>\"=:@% 0");
}

#[test]
fn sdp() {
    check("sdp", b"\r\n=/: 0-a");
}

#[test]
fn rtp() {
    check("rtp", b"\0\x01\x14\x54\x80\xc8\xc9\xca\xcb\xff");
}

#[test]
fn bayeux() {
    check("bayeux", b"{}[]\",:\\ 0u");
}

#[test]
fn rest() {
    check("rest", b"{}[]\",:\\ 0u");
}

/// `likely` are the octets that a mutation puts in more often than others.
fn check(name: &str, likely: &[u8]) {
    let target = TARGETS.iter().find(|it| it.0 == name).expect("a target");
    let corpus = corpus(name);
    assert!(corpus.len() >= 5, "a corpus shows what the input looks like");
    for input in &corpus {
        run(target, input);
    }
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..MUTATIONS {
        run(target, &mutated(&corpus, likely, &mut random));
    }
}

/// What breaks a promise is kept, to be made smaller and put into the corpus.
fn run(target: &Target, input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target.1(input))) {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.broken", target.0));
        fs::write(&kept, input).expect("cargo has made the folder");
        eprintln!("the input is in {}", kept.display());
        resume_unwind(panic);
    }
}

/// The files of the target's corpus, and what other tests have that fits.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut inputs = files(&top.join("fuzz/corpus").join(name));
    if name.starts_with("sip_") {
        for rfc in ["rfc4475", "rfc5118"] {
            let torture = files(&top.join("crates/sip-proto/src/endpoint/tests").join(rfc));
            let prefix: &[u8] = if name == "sip_stream" { b"\x07" } else { b"" };
            inputs.extend(torture.iter().map(|it| [prefix, it].concat()));
        }
    }
    inputs
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.flatten().map(|it| it.path()).collect();
    paths.sort();
    paths.iter().map(|it| fs::read(it).expect("it can be read")).collect()
}

fn mutated(corpus: &[Vec<u8>], likely: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut pick = |below: usize| usize::try_from(random.next_u64() >> 32).unwrap_or(0) % below.max(1);
    let mut bytes = corpus[pick(corpus.len())].clone();
    for _ in 0..=pick(5) {
        let (from, to) = (pick(bytes.len() + 1), pick(bytes.len() + 1));
        let (from, to) = (from.min(to), from.max(to));
        match pick(8) {
            0 => bytes.truncate(to),
            1 => bytes.drain(from..to.min(from + 64)).for_each(drop),
            2 => bytes.insert(to, likely[pick(likely.len())]),
            3 => bytes.splice(to..to, bytes[from..to.min(from + 64)].to_vec()).for_each(drop),
            4 => {
                let other = &corpus[pick(corpus.len())];
                let at = pick(other.len());
                bytes.splice(to..to, other[at..other.len().min(at + 1 + pick(64))].iter().copied()).for_each(drop);
            }
            5 if from < bytes.len() => bytes[from] ^= 1 << pick(8),
            6 if from < bytes.len() => bytes[from] = likely[pick(likely.len())],
            _ if from < bytes.len() => bytes[from] = u8::try_from(pick(256)).unwrap_or(0),
            _ => {}
        }
    }
    bytes
}
