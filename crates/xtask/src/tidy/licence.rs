//! Reads SPDX licence expressions as far as crates use them: names, `OR`, `AND`, `WITH`, brackets, and the old `/`.

/// Whether the expression lets us ship under licences of the permissive list alone.
pub(super) fn is_permissive(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { words: &words };
    reader.either() && reader.words.is_empty()
}

struct Reader<'a> {
    words: &'a [&'a str],
}

impl<'a> Reader<'a> {
    /// `a OR b`: one that we accept is enough.
    fn either(&mut self) -> bool {
        let mut accepted = self.both();
        while self.take("OR") {
            accepted |= self.both();
        }
        accepted
    }

    /// `a AND b`: all must be acceptable.
    fn both(&mut self) -> bool {
        let mut accepted = self.one();
        while self.take("AND") {
            accepted &= self.one();
        }
        accepted
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let accepted = self.either();
            return self.take(")") && accepted;
        }
        let Some(name) = self.next() else { return false };
        if self.take("WITH") {
            // An exception only takes conditions away.
            self.next();
        }
        PERMISSIVE.contains(&name)
    }

    fn take(&mut self, word: &str) -> bool {
        let taken = self.words.first() == Some(&word);
        if taken {
            self.next();
        }
        taken
    }

    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }
}

const PERMISSIVE: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Zlib",
];
