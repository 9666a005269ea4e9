//! SIP read as text, for the reference model alone: nothing of the server's own parsers.

/// What a datagram says.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The status code of a response.
    pub(super) code: Option<u16>,
    /// The method, of a response that of its CSeq.
    pub(super) method: String,
    /// The user part of the Request-URI.
    pub(super) target: String,
    /// The user part of From, and its display name.
    pub(super) from: String,
    pub(super) display: String,
    pub(super) call_id: String,
    pub(super) cseq: u32,
    /// Whether it belongs to a dialog already: To has a tag.
    pub(super) inside: bool,
    /// The tags of From and To.
    pub(super) tags: [String; 2],
    pub(super) has_body: bool,
    /// Whether the phone is asked to answer by itself.
    pub(super) answers_itself: bool,
    /// Whether its description puts the other side on hold.
    pub(super) holds: bool,
}

impl Seen {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let first = lines.next()?;
        let mut seen = Self { has_body: !body.is_empty(), holds: holds(body), ..Self::default() };
        match first.strip_prefix("SIP/2.0 ") {
            Some(rest) => seen.code = rest.get(..3)?.parse().ok(),
            None => seen.target = user(first.split(' ').nth(1)?),
        }
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "answer-mode" => seen.answers_itself = value == "Auto",
                "call-id" | "i" => value.clone_into(&mut seen.call_id),
                "cseq" => {
                    let (number, method) = value.split_once(' ')?;
                    seen.cseq = number.parse().ok()?;
                    method.trim().clone_into(&mut seen.method);
                }
                "from" | "f" => {
                    seen.from = user(value);
                    seen.tags[0] = tag(value);
                    seen.display = value.split('"').nth(1).unwrap_or_default().to_owned();
                }
                "to" | "t" => {
                    seen.tags[1] = tag(value);
                    seen.inside = !seen.tags[1].is_empty();
                }
                _ => {}
            }
        }
        Some(seen)
    }
}

fn user(text: &str) -> String {
    let after = text.split_once("sip:").map_or(text, |it| it.1);
    after.split_once('@').map_or("", |it| it.0).to_owned()
}

fn tag(value: &str) -> String {
    let after = value.split_once(";tag=").map_or("", |it| it.1);
    after.split(';').next().unwrap_or_default().to_owned()
}

fn holds(body: &str) -> bool {
    body.contains("a=sendonly") || body.contains("a=inactive") || body.contains("c=IN IP4 0.0.0.0")
}
