//! Reads and writes mono WAV files of 16 bits.

use std::{fs, io, path::Path};

use crate::tones::Recording;

/// Reads a file; a length of 0 in the header (a recorder that has not finished) means all that is there.
pub(crate) fn read(path: &Path) -> io::Result<Recording> {
    let bytes = fs::read(path)?;
    parse(&bytes).ok_or_else(|| io::Error::other(format!("{} is no 16 bit mono WAV file", path.display())))
}

fn parse(bytes: &[u8]) -> Option<Recording> {
    if bytes.get(..4)? != b"RIFF" || bytes.get(8..12)? != b"WAVE" {
        return None;
    }
    let mut rate = None;
    let mut at = 12;
    loop {
        let name = bytes.get(at..at + 4)?;
        let length = u32::from_le_bytes(bytes.get(at + 4..at + 8)?.try_into().ok()?) as usize;
        let body = bytes.get(at + 8..)?;
        if name == b"fmt " {
            let (format, channels, bits) = (word(body, 0)?, word(body, 2)?, word(body, 14)?);
            if (format, channels, bits) != (1, 1, 16) {
                return None;
            }
            rate = Some(u32::from_le_bytes(body.get(4..8)?.try_into().ok()?));
        } else if name == b"data" {
            let data = if length == 0 { body } else { body.get(..length).unwrap_or(body) };
            let samples = data.chunks_exact(2).map(|it| i16::from_le_bytes([it[0], it[1]])).collect();
            return Some(Recording { rate: rate?, samples });
        }
        at += 8 + length.next_multiple_of(2);
    }
}

fn word(body: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(body.get(at..at + 2)?.try_into().ok()?))
}

/// Writes a file that any phone plays.
///
/// # Errors
/// The file cannot be written, or the recording is too long for one.
pub fn write(path: &Path, recording: &Recording) -> io::Result<()> {
    let data: Vec<u8> = recording.samples.iter().flat_map(|it| it.to_le_bytes()).collect();
    let length = u32::try_from(data.len()).map_err(io::Error::other)?;
    let mut file = Vec::with_capacity(44 + data.len());
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + length).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16_u32.to_le_bytes());
    file.extend_from_slice(&1_u16.to_le_bytes());
    file.extend_from_slice(&1_u16.to_le_bytes());
    file.extend_from_slice(&recording.rate.to_le_bytes());
    file.extend_from_slice(&(recording.rate * 2).to_le_bytes());
    file.extend_from_slice(&2_u16.to_le_bytes());
    file.extend_from_slice(&16_u16.to_le_bytes());
    file.extend_from_slice(b"data");
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(&data);
    fs::write(path, file)
}
