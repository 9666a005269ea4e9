//! Session descriptions (RFC 8866) and offer/answer (RFC 3264) for one audio stream, over `sipx-sdp`.

use std::net::{IpAddr, SocketAddr};

use sipx_sdp::{Attribute, MediaDescription, SessionDescription};
use thiserror::Error;

use crate::codec::Codec;

/// Which way media flows, as seen by the side whose description carries it.
pub use sipx_sdp::Direction;

/// Why a description cannot be used; what a 488's reason or a log line should say.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotAcceptable {
    /// It is not SDP.
    #[error("malformed SDP: {0}")]
    Malformed(String),
    /// It has no `m=audio`.
    #[error("no audio stream is described")]
    NoAudio,
    /// Its audio stream has port 0: refused, or taken away (RFC 3264 s6, s8.2).
    #[error("the audio stream has port 0")]
    PortZero,
    /// It wants something other than plain RTP, such as `RTP/SAVP`.
    #[error("transport {0} is not supported")]
    Transport(String),
    /// Its audio stream has no codec that we know.
    #[error("no codec in common")]
    NoCommonCodec,
    /// No `c=` applies to its audio stream.
    #[error("no connection address")]
    NoAddress,
    /// `c=` names a host; only addresses are understood.
    #[error("connection address {0} is a host name, an IP address is needed")]
    HostName(String),
    /// `c=` is an address that no single peer can have, such as a multicast group.
    #[error("connection address {0} cannot be a peer's")]
    BadAddress(IpAddr),
}

/// What a peer's offer or answer says of its audio stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Where it wants RTP. An unspecified address (0.0.0.0) is an old way to say hold: see [`Self::holds`].
    pub rtp: SocketAddr,
    /// Where it wants RTCP: `a=rtcp` (RFC 3605), else the port above RTP's.
    pub rtcp: SocketAddr,
    /// The codecs that both sides know, in the peer's order, with the peer's payload types. Never empty.
    pub codecs: Vec<(Codec, u8)>,
    /// The payload type of `telephone-event/8000` (RFC 4733), if it has one.
    pub telephone_event: Option<u8>,
    /// The direction from the peer's side. 0.0.0.0 counts as not receiving (RFC 3264 s8.4).
    pub direction: Direction,
    /// Milliseconds of sound that it wants in a packet, if it says (`a=ptime`).
    pub ptime_ms: Option<u32>,
    /// The session id of its `o=`.
    pub session_id: u64,
    /// The version of its `o=`; the same version as before means that nothing changed (RFC 3264 s8).
    pub version: u64,
    streams: Vec<Stream>,
    audio: usize,
}

/// What an answer must repeat of an `m=` line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stream {
    media: String,
    protocol: String,
    format: String,
}

impl Description {
    /// Reads a peer's offer or answer and picks its first audio stream that can be used.
    ///
    /// # Errors
    /// What stands in the way; of several audio streams, what stands in the way of the first.
    pub fn parse(text: &str) -> Result<Self, NotAcceptable> {
        if text.len() > TEXT_MAX {
            return Err(NotAcceptable::Malformed(format!("longer than {TEXT_MAX} bytes")));
        }
        let sdp = sipx_sdp::parse(text).map_err(|error| NotAcceptable::Malformed(error.to_string()))?;
        if sdp.media.len() > STREAMS_MAX {
            return Err(NotAcceptable::Malformed(format!("more than {STREAMS_MAX} streams")));
        }
        let mut refusal = NotAcceptable::NoAudio;
        for (index, media) in sdp.media.iter().enumerate().filter(|(_, it)| it.media == "audio") {
            match audio(&sdp, media, index) {
                Ok(found) => return Ok(found),
                Err(why) if refusal == NotAcceptable::NoAudio => refusal = why,
                Err(_) => {}
            }
        }
        Err(refusal)
    }

    /// Whether the peer does not want to hear us now: `sendonly`, `inactive` or the address 0.0.0.0 (RFC 3264 s8.4).
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.direction.receives()
    }

    /// The codec to use with this peer and the peer's payload type for it: `preferred` if described, else the first.
    #[must_use]
    pub fn choose(&self, preferred: Option<Codec>) -> Option<(Codec, u8)> {
        let wanted = self.codecs.iter().find(|(codec, _)| Some(*codec) == preferred);
        wanted.or(self.codecs.first()).copied()
    }
}

/// An answer of ours and what it settles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The body.
    pub text: String,
    /// The one codec that both sides use from now on.
    pub codec: Codec,
    /// Its payload type, the same both ways.
    pub payload_type: u8,
    /// The payload type of `telephone-event`, the same both ways, if it was offered.
    pub telephone_event: Option<u8>,
    /// The direction from our side.
    pub direction: Direction,
}

/// Writes the descriptions of one side of one dialog: all have the same `o=`, whose version rises by one whenever
/// the content changes and stays when it does not (RFC 3264 s8), and `m=` lines once there stay where they are.
#[derive(Clone, Debug)]
pub struct Author {
    address: IpAddr,
    port: u16,
    session_id: u64,
    version: u64,
    telephone_event: u8,
    last: Option<SessionDescription>,
}

impl Author {
    /// For a side that receives RTP on `address` and `port`, and RTCP one above. `session_id` should differ between
    /// dialogs (RFC 8866 s5.2); the first description carries it as its version too.
    #[must_use]
    pub fn new(address: IpAddr, port: u16, session_id: u64) -> Self {
        // Ids and versions stay below 2^62, because some phones read them as signed numbers.
        let session_id = session_id & (u64::MAX >> 2);
        Self { address, port, session_id, version: session_id, telephone_event: TELEPHONE_EVENT, last: None }
    }

    /// Receives elsewhere from the next description on.
    pub fn move_to(&mut self, address: IpAddr, port: u16) {
        (self.address, self.port) = (address, port);
    }

    /// Receives on another of its addresses, at the same port, from the next description on; answers with the one before.
    pub const fn readdress(&mut self, address: IpAddr) -> IpAddr {
        std::mem::replace(&mut self.address, address)
    }

    /// Where it receives.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The last description again, to change nothing (RFC 3264 s8); `None` before the first.
    #[must_use]
    pub fn last(&self) -> Option<String> {
        self.last.as_ref().map(SessionDescription::to_string_sdp)
    }

    /// An offer of these codecs in this order and of `telephone-event`; also what answers an INVITE without an offer.
    pub fn offer(&mut self, codecs: &[Codec], direction: Direction) -> String {
        let mut formats: Vec<_> = codecs.iter().map(|codec| (*codec, codec.payload_type())).collect();
        formats.dedup();
        let audio = self.stream("RTP/AVP", &formats, Some(self.telephone_event), direction);
        let mut media = self.last.as_ref().map(|it| it.media.clone()).unwrap_or_default();
        match media.iter_mut().find(|it| it.media == "audio" && !it.is_rejected()) {
            Some(mine) => *mine = MediaDescription { protocol: mine.protocol.clone(), ..audio },
            // A slot of a stream that was refused may be used again (RFC 3264 s8.1).
            None => match media.iter_mut().find(|it| it.media == "audio") {
                Some(free) => *free = audio,
                None => media.push(audio),
            },
        }
        self.publish(media)
    }

    /// Answers an offer (RFC 3264 s6): the same streams in the same order, all but the audio stream refused with port
    /// 0, with `preferred` if it was offered and else the first codec that was, under the payload types of the offer.
    /// `wanted` is the most that the direction may be; the offer can narrow it (s6.1).
    ///
    /// # Errors
    /// [`NotAcceptable::NoCommonCodec`], which a [`Description`] that was parsed never leads to.
    pub fn answer(
        &mut self,
        offer: &Description,
        preferred: Option<Codec>,
        wanted: Direction,
    ) -> Result<Answer, NotAcceptable> {
        let (codec, payload_type) = offer.choose(preferred).ok_or(NotAcceptable::NoCommonCodec)?;
        let direction = sipx_sdp::negotiate_direction(offer.direction, wanted);
        self.telephone_event = offer.telephone_event.unwrap_or(self.telephone_event);
        let mut media = Vec::with_capacity(offer.streams.len());
        for (index, offered) in offer.streams.iter().enumerate() {
            media.push(if index == offer.audio {
                self.stream(&offered.protocol, &[(codec, payload_type)], offer.telephone_event, direction)
            } else {
                refused(offered)
            });
        }
        let text = self.publish(media);
        Ok(Answer { text, codec, payload_type, telephone_event: offer.telephone_event, direction })
    }

    fn stream(
        &self,
        protocol: &str,
        formats: &[(Codec, u8)],
        telephone_event: Option<u8>,
        direction: Direction,
    ) -> MediaDescription {
        let mut audio = MediaDescription::audio(self.port, formats.iter().map(|(_, pt)| pt.to_string()).collect());
        protocol.clone_into(&mut audio.protocol);
        // A new description may come with attributes of the library's; ours are exactly these.
        audio.attributes.clear();
        for (codec, pt) in formats {
            audio.attributes.push(Attribute::valued("rtpmap", format!("{pt} {}/8000", codec.name())));
        }
        if let Some(pt) = telephone_event {
            audio.formats.push(pt.to_string());
            audio.attributes.push(Attribute::valued("rtpmap", format!("{pt} telephone-event/8000")));
            audio.attributes.push(Attribute::valued("fmtp", format!("{pt} 0-16")));
        }
        audio.attributes.push(Attribute::valued("ptime", "20"));
        audio.attributes.push(Attribute::flag(direction.as_str()));
        audio
    }

    fn publish(&mut self, media: Vec<MediaDescription>) -> String {
        let mut next = SessionDescription::new(self.address, self.session_id, self.version);
        next.media = media;
        if self.last.as_ref().is_some_and(|last| *last != next) {
            self.version += 1;
            next.origin.session_version = self.version;
        }
        let text = next.to_string_sdp();
        self.last = Some(next);
        text
    }
}

fn audio(sdp: &SessionDescription, media: &MediaDescription, index: usize) -> Result<Description, NotAcceptable> {
    if media.is_rejected() {
        return Err(NotAcceptable::PortZero);
    }
    if !matches!(media.protocol.as_str(), "RTP/AVP" | "RTP/AVPF") {
        return Err(NotAcceptable::Transport(media.protocol.clone()));
    }
    let connection = media.connection.as_ref().or(sdp.connection.as_ref()).ok_or(NotAcceptable::NoAddress)?;
    let address = connection.address.ip().ok_or_else(|| NotAcceptable::HostName(connection.address.to_string()))?;
    // An IPv4 address written as an IPv6 one (RFC 5118 s4.9) is an IPv4 peer's.
    let address = address.to_canonical();
    if address.is_multicast() || address == IpAddr::from([255; 4]) {
        return Err(NotAcceptable::BadAddress(address));
    }
    let (codecs, telephone_event) = formats(media);
    if codecs.is_empty() {
        return Err(NotAcceptable::NoCommonCodec);
    }
    // The direction may stand at the session level (RFC 8866 s6.7).
    let stated = media.declared_direction().unwrap_or_else(|| sdp.direction());
    Ok(Description {
        rtp: SocketAddr::new(address, media.port),
        rtcp: rtcp(media, address),
        codecs,
        telephone_event,
        direction: if address.is_unspecified() { deaf(stated) } else { stated },
        ptime_ms: media.attribute("ptime").and_then(|it| it.value.as_deref()?.trim().parse().ok()),
        session_id: sdp.origin.session_id,
        version: sdp.origin.session_version,
        streams: sdp.media.iter().map(stream).collect(),
        audio: index,
    })
}

/// The direction of a side that takes no media.
fn deaf(stated: Direction) -> Direction {
    if stated.sends() { Direction::SendOnly } else { Direction::Inactive }
}

fn formats(media: &MediaDescription) -> (Vec<(Codec, u8)>, Option<u8>) {
    let mut codecs: Vec<(Codec, u8)> = Vec::new();
    let mut telephone_event = None;
    for format in &media.formats {
        let Some(pt) = format.parse::<u8>().ok().filter(|pt| *pt < 128) else { continue };
        match encoding(media.rtpmap(format), pt) {
            Some(Encoding::Audio(codec)) if codecs.iter().all(|(known, _)| *known != codec) => codecs.push((codec, pt)),
            Some(Encoding::TelephoneEvent) if telephone_event.is_none() => telephone_event = Some(pt),
            _ => {}
        }
    }
    (codecs, telephone_event)
}

enum Encoding {
    Audio(Codec),
    TelephoneEvent,
}

/// What a payload type means: its `rtpmap`, and without one the static table of RFC 3551 s6.
fn encoding(rtpmap: Option<&str>, pt: u8) -> Option<Encoding> {
    let Some(rtpmap) = rtpmap else {
        return Codec::from_payload_type(pt).map(Encoding::Audio);
    };
    let mut parts = rtpmap.trim().split('/');
    let (name, rate, channels) = (parts.next()?, parts.next()?, parts.next().unwrap_or("1"));
    if rate.trim() != "8000" || channels.trim() != "1" {
        return None;
    }
    if name.eq_ignore_ascii_case("telephone-event") {
        return Some(Encoding::TelephoneEvent);
    }
    Codec::from_name(name).map(Encoding::Audio)
}

/// `a=rtcp:53020` or `a=rtcp:53020 IN IP4 192.0.2.1` (RFC 3605 s2.1). Other forms are as good as none.
fn rtcp(media: &MediaDescription, address: IpAddr) -> SocketAddr {
    let next = SocketAddr::new(address, media.port.saturating_add(1));
    let Some(value) = media.attribute("rtcp").and_then(|it| it.value.as_deref()) else { return next };
    let mut parts = value.split_whitespace();
    let Some(port) = parts.next().and_then(|it| it.parse().ok()).filter(|port| *port != 0) else { return next };
    let stated = parts.nth(2).and_then(|it| it.parse::<IpAddr>().ok());
    SocketAddr::new(stated.map(|it| it.to_canonical()).filter(|it| !it.is_multicast()).unwrap_or(address), port)
}

fn stream(media: &MediaDescription) -> Stream {
    Stream {
        media: media.media.clone(),
        protocol: media.protocol.clone(),
        format: media.formats.first().cloned().unwrap_or_default(),
    }
}

/// A stream with port 0. It keeps one format, because the grammar wants one.
fn refused(offered: &Stream) -> MediaDescription {
    let mut media = MediaDescription::audio(0, vec![offered.format.clone()]);
    media.media.clone_from(&offered.media);
    media.protocol.clone_from(&offered.protocol);
    media.attributes.clear();
    media
}

/// The payload type under which we offer `telephone-event`; the number most phones use.
pub(crate) const TELEPHONE_EVENT: u8 = 101;

/// No description of one call comes near these; they bound the work that a hostile one can cause.
const TEXT_MAX: usize = 16 * 1024;
const STREAMS_MAX: usize = 16;

#[cfg(test)]
mod tests;
