//! `cargo xtask …`: everything that a developer runs.

mod coverage;
mod run;
mod setup;
mod tidy;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let done = match command.as_str() {
        "demo" => run::demo(&rest),
        "build" => run::build(),
        "test" => run::test(&rest),
        "ci" => run::ci(),
        "tidy" => tidy::report(),
        "coverage" => coverage::run(&rest),
        "sim" => run::sim(&rest),
        "bench" => run::bench(&rest),
        "fuzz" => run::fuzz(&rest),
        "setup" => setup::tools().map(drop),
        "" | "help" | "--help" | "-h" => {
            eprintln!("{HELP}");
            Ok(())
        }
        other => Err(format!("there is no command \"{other}\"\n\n{HELP}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}

const HELP: &str = "\
cargo xtask demo [--once]               build the server and watch a supervisor listen in on a call
cargo xtask test [arguments of cargo test]
                                        install what the tests lack, then run every test
cargo xtask ci                          format, clippy, docs, tidy, then every test
cargo xtask tidy                        check the boundaries between the crates, licences and file lengths
cargo xtask coverage [E-16 …]           write docs/coverage.md from the names of the tests, or name those of some rows
cargo xtask sim [--seed N] [--seeds FROM..TO]
                                        run the virtual world with one seed, or with many
cargo xtask bench [NAME…] [--json] [--sizes 100,300]
                                        measure the release binary under load; --help names what there is
cargo xtask fuzz [TARGET [arguments of libFuzzer]]
                                        look for input that breaks a parser; without a target, name them
cargo xtask build                       build what the binary embeds, then the release binary
cargo xtask setup                       only install what the tests lack";
