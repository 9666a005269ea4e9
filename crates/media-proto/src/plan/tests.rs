//! Plans of small calls.

use super::*;

fn parties(codecs: &[(char, Codec)]) -> BTreeMap<char, Codec> {
    codecs.iter().copied().collect()
}

fn matrix(rows: &[(char, &str)]) -> Matrix<char> {
    rows.iter().map(|(party, hears)| (*party, hears.chars().collect())).collect()
}

#[test]
fn a_2_listen_in_is_two_relays_and_a_mix() {
    let all = parties(&[('A', Codec::Pcmu), ('B', Codec::Pcmu), ('S', Codec::Pcma)]);
    let plans = plans(&matrix(&[('A', "B"), ('B', "A"), ('S', "AB")]), &all);
    assert_eq!(plans[&'A'], Plan::Relay('B'));
    assert_eq!(plans[&'B'], Plan::Relay('A'));
    assert_eq!(plans[&'S'], Plan::Mix(vec!['A', 'B']));
}

#[test]
fn one_source_of_another_law_is_transcoded() {
    let all = parties(&[('A', Codec::Pcmu), ('B', Codec::Pcma)]);
    assert_eq!(plans(&matrix(&[('A', "B")]), &all)[&'A'], Plan::Transcode('B'));
}

#[test]
fn a_party_never_hears_itself_nor_anybody_who_is_not_there() {
    let all = parties(&[('A', Codec::Pcmu), ('B', Codec::Pcmu)]);
    let plans = plans(&matrix(&[('A', "A"), ('B', "ABX"), ('X', "AB")]), &all);
    assert_eq!(plans[&'A'], Plan::Silent);
    assert_eq!(plans[&'B'], Plan::Relay('A'));
    assert_eq!(plans.len(), 2);
}
