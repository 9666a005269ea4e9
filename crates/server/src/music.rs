//! Music on hold, read from its file.

use std::{fs::File, io::Read, path::Path};

use media::Music;

/// Reads a WAV file; a mistake is told as a sentence.
pub(crate) fn read(path: &Path) -> Result<Music, String> {
    let mut bytes = Vec::new();
    let limit = Music::MAX_OCTETS as u64;
    let read = File::open(path).and_then(|it| it.take(limit).read_to_end(&mut bytes));
    read.map_err(|error| error.to_string())?;
    Music::from_wav(&bytes).map_err(|error| error.to_string())
}
