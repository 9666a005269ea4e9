//! The hearing matrix of a call turned into what each party is sent.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::Codec;

/// For each party the set of parties that it hears.
pub type Matrix<K> = BTreeMap<K, BTreeSet<K>>;

/// Where the sound that a party is sent comes from.
///
/// Invariant: no other party's packets can reach this one than those named here, and a party is never named in its
/// own plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan<K> {
    /// It hears nobody and is sent nothing.
    Silent,
    /// It hears one party that speaks its codec: that party's packets, with a header of ours.
    Relay(K),
    /// It hears one party that speaks another codec: that party's packets, the payload turned into its own codec.
    Transcode(K),
    /// It hears several, added up every 20 ms; in order.
    Mix(Vec<K>),
}

/// What each of `parties` is sent. Rows and cells of parties that are not among them count for nothing.
#[must_use]
pub fn plans<K: Copy + Ord>(matrix: &Matrix<K>, parties: &BTreeMap<K, Codec>) -> BTreeMap<K, Plan<K>> {
    parties.keys().map(|party| (*party, plan(*party, matrix, parties))).collect()
}

fn plan<K: Copy + Ord>(party: K, matrix: &Matrix<K>, parties: &BTreeMap<K, Codec>) -> Plan<K> {
    let row = matrix.get(&party).into_iter().flatten().copied();
    let heard: Vec<K> = row.filter(|it| *it != party && parties.contains_key(it)).collect();
    match *heard {
        [] => Plan::Silent,
        [one] if parties.get(&one) == parties.get(&party) => Plan::Relay(one),
        [one] => Plan::Transcode(one),
        [..] => Plan::Mix(heard),
    }
}

#[cfg(test)]
mod tests;
