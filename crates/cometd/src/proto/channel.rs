//! Channel names and the patterns that match them (Bayeux 1.0, section 3.2).

/// Whether this is a channel a client may name in a subscription: segments of the allowed characters, with `*` or `**`
/// standing alone as the last one.
pub(super) fn is_valid_pattern(text: &str) -> bool {
    let Some(path) = text.strip_prefix('/') else { return false };
    let mut segments = path.split('/').rev();
    let last = segments.next().unwrap_or_default();
    text.len() <= MAX_CHANNEL_BYTES
        && (matches!(last, "*" | "**") || is_valid_segment(last))
        && segments.all(is_valid_segment)
}

/// Every pattern that matches `channel`: itself, `*` for its last segment, and `**` for each of its tails.
pub(super) fn patterns(channel: &str) -> Vec<String> {
    let mut found = vec![channel.to_owned()];
    let mut head = channel;
    while let Some((parent, _)) = head.rsplit_once('/') {
        if found.len() == 1 {
            found.push(format!("{parent}/*"));
        }
        found.push(format!("{parent}/**"));
        head = parent;
    }
    found
}

fn is_valid_segment(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_!~()$@. +:".contains(&it))
}

const MAX_CHANNEL_BYTES: usize = 256;
