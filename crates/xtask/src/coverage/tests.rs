//! Names of tests, and the page made of them.

use super::*;

fn row(letter: char, number: u32) -> Subject {
    Subject::Row(letter, number)
}

fn sections(rfc: u32, parts: &[&str]) -> Subject {
    Subject::Section(rfc, parts.iter().map(ToString::to_string).collect())
}

#[test]
fn names_begin_with_what_they_show() {
    assert_eq!(subjects("e_16_late_answer"), [row('E', 16)]);
    assert_eq!(subjects("r_23_r_24_two_rows"), [row('R', 23), row('R', 24)]);
    assert_eq!(subjects("r_03_to_r_06_forms"), [3, 4, 5, 6].map(|it| row('R', it)));
    assert_eq!(subjects("rfc3261_14_1_glare"), [sections(3261, &["14", "1"])]);
    assert_eq!(subjects("rfc3261_18_2_2_and_rfc3581_where"), [sections(3261, &["18", "2", "2"]), sections(3581, &[])]);
    assert_eq!(subjects("rfc3550_a_1_broken"), [sections(3550, &["a", "1"])]);
    assert_eq!(subjects("rfc3261_22_a_request"), [sections(3261, &["22"])]);
    for nothing in ["a_2_is_no_row", "every_2_seconds", "e_1_short", "r_and_v", "rfc_editors", "to_r_01", ""] {
        assert_eq!(subjects(nothing), [], "{nothing}");
    }
}

#[test]
fn only_tests_count() {
    let text = "#[test]\nfn r_01_a() {\n}\n\nfn r_02_helper(it: u8) {}\n#[tokio::test(start_paused = true)]\n#[cfg(unix)]\nasync fn r_03_b() {}\n";
    assert_eq!(names(text).collect::<Vec<_>>(), ["r_01_a", "r_03_b"]);
}

#[test]
fn the_page_counts_rows_and_says_which_have_no_test() {
    let text =
        "#[test]\nfn r_02_second() {}\n#[test]\nfn rfc3261_9_1_cancel() {}\n#[test]\nfn rfc3261_10_2_register() {}\n";
    let files = [("crates/domain/src/tests.rs", text), ("crates/legs/src/tests.rs", text), ("docs/other.rs", text)];
    let rows = "# comment\nR-01: first\nR-02: second\n\nRFC 3261 s9: CANCEL\nRFC 3261 s9.2: its other side\n";
    let page = page(&Tests::of(files.into_iter()), rows).unwrap();
    let links = "[domain](../crates/domain/src/tests.rs) [legs](../crates/legs/src/tests.rs)";
    for line in [
        "## R, requests: 1 of 2",
        "| R-01 | first | **none yet** |",
        &format!("| R-02 | second | {links} |"),
        &format!("| RFC 3261 s9 | CANCEL | {links} |"),
        "| RFC 3261 s9.2 | its other side | **none yet** |",
        &format!("| RFC 3261 s10.2 | {links} |"),
    ] {
        assert!(page.lines().any(|it| it == line), "{line} is not in\n{page}");
    }
}

#[test]
fn the_list_of_rows_can_be_read_and_names_each_once() {
    let ids: Vec<Subject> =
        ROWS.lines().filter_map(|it| it.split_once(": ")).filter_map(|it| it.0.parse().ok()).collect();
    let rows = |letter| ids.iter().filter(|it| it.letter() == Some(letter)).count();
    assert_eq!((rows('R'), rows('E'), rows('V')), (24, 25, 11));
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    assert!(page(&Tests::of(std::iter::empty()), ROWS).is_ok());
    assert!("E16".parse::<Subject>().is_err());
}
