//! One leg: which stage its dialog is in, and what its media is.

use std::net::{IpAddr, SocketAddr};

use clock::Time;
use domain::ids::CallId;
use media_proto::{
    codec::Codec,
    sdp::{Answer, Author, Description, Direction},
};
use sip_proto::{ClientId, Dialog, DialogId, ServerId};

use crate::{Stream, calling::Calling, reliable::Reliable, timer::Timer};

pub(crate) struct Leg {
    pub(crate) call: Option<CallId>,
    pub(crate) stage: Stage,
    pub(crate) media: Option<Media>,
    /// The codecs that the peer described last, in its order; before that, those that we offered.
    pub(crate) codecs: Vec<Codec>,
    pub(crate) held: bool,
    /// The domain has been told that media flows.
    pub(crate) confirmed: bool,
    /// When it wants to be looked at, as it stands in [`crate::Legs`]' alarms.
    pub(crate) alarm: Option<Time>,
    /// What a request towards the next leg may still hop (RFC 3261 s16.6 item 3).
    pub(crate) hops: u8,
}

pub(crate) enum Stage {
    /// A peer's INVITE waits for our answer.
    Offered {
        invite: ServerId,
        offer: Option<Description>,
        dialog: Dialog,
        early: Option<String>,
        timer: Timer,
        /// For a caller who demands that provisional responses are acknowledged.
        reliable: Option<Reliable>,
    },
    /// Our INVITEs wait for the peer's answer.
    Calling(Calling),
    /// Answered.
    Up {
        dialog: Dialog,
        /// The INVITE that made the leg, for forks that answer later.
        invite: Option<ClientId>,
        unacked: Option<Unacked>,
        probe: Option<ClientId>,
        timer: Timer,
    },
}

/// A 2xx of ours that waits for its ACK.
#[derive(Clone, Copy)]
pub(crate) struct Unacked {
    pub(crate) server: ServerId,
    /// It answers the INVITE that made the leg.
    pub(crate) first: bool,
    /// It carries an offer of ours; the ACK will bring the answer.
    pub(crate) offers: bool,
}

/// Our side of the media: present as long as a port is leased.
pub(crate) struct Media {
    pub(crate) author: Author,
    /// Our address of the other family, if we have one.
    pub(crate) other: Option<IpAddr>,
    /// The most that our direction may be.
    pub(crate) limit: Direction,
    pub(crate) stream: Option<Stream>,
}

impl Leg {
    pub(crate) fn new(stage: Stage, hops: u8) -> Self {
        Self { call: None, stage, media: None, codecs: Vec::new(), held: false, confirmed: false, alarm: None, hops }
    }

    /// Its one dialog, or all the early ones of the phones that it calls.
    pub(crate) fn dialogs(&self) -> Vec<&Dialog> {
        match &self.stage {
            Stage::Offered { dialog, .. } | Stage::Up { dialog, .. } => vec![dialog],
            Stage::Calling(calling) => calling.dialogs().collect(),
        }
    }

    pub(crate) fn dialog_mut(&mut self, id: &DialogId) -> Option<&mut Dialog> {
        match &mut self.stage {
            Stage::Offered { dialog, .. } | Stage::Up { dialog, .. } => Some(dialog),
            Stage::Calling(calling) => calling.early_mut(id).map(|it| &mut it.dialog),
        }
    }

    pub(crate) fn servers(&self) -> Vec<ServerId> {
        match &self.stage {
            Stage::Offered { invite, .. } => vec![*invite],
            Stage::Up { unacked: Some(unacked), .. } => vec![unacked.server],
            _ => Vec::new(),
        }
    }

    pub(crate) fn clients(&self) -> Vec<ClientId> {
        match &self.stage {
            Stage::Calling(calling) => calling.clients(),
            Stage::Up { invite, probe, timer, .. } => {
                invite.iter().chain(probe).copied().chain(timer.client()).collect()
            }
            Stage::Offered { .. } => Vec::new(),
        }
    }

    /// When something is to be done about it though nothing happens.
    pub(crate) fn due(&self) -> Option<Time> {
        match &self.stage {
            Stage::Up { timer, .. } => Some(timer.due()),
            Stage::Offered { reliable, .. } => reliable.as_ref().and_then(Reliable::due),
            Stage::Calling(_) => None,
        }
    }

    pub(crate) fn codec(&self) -> Option<Codec> {
        self.media.as_ref()?.stream.map(|it| it.codec)
    }

    /// The codecs that a call with this leg should use, the best first.
    pub(crate) fn liked(&self) -> Vec<Codec> {
        let mut liked: Vec<_> = self.codec().into_iter().chain(self.codecs.iter().copied()).chain(Codec::ALL).collect();
        let mut seen = Vec::new();
        liked.retain(|it| {
            !seen.contains(it) && {
                seen.push(*it);
                true
            }
        });
        liked
    }
}

impl Media {
    /// Our offer to a peer there. Of several phones of one number, not all need have the same family of addresses.
    pub(crate) fn offer_to(&mut self, peer: SocketAddr, codecs: &[Codec]) -> String {
        match self.other.filter(|it| it.is_ipv6() == peer.is_ipv6()) {
            None => self.author.offer(codecs, self.limit),
            Some(other) => {
                let mut author = self.author.clone();
                author.readdress(other);
                author.offer(codecs, self.limit)
            }
        }
    }

    /// From now on we have the family of addresses that the peer describes; false if we had it, or have no other. An
    /// unspecified address is an old way to say hold, and no family.
    pub(crate) fn face(&mut self, peer: &Description) -> bool {
        let differs = peer.rtp.is_ipv6() != self.author.address().is_ipv6() && !peer.rtp.ip().is_unspecified();
        let Some(other) = self.other.filter(|_| differs) else { return false };
        self.other = Some(self.author.readdress(other));
        true
    }

    /// What follows from a peer's answer to our offer. `None` if it shares no codec.
    pub(crate) fn settle(&self, peer: &Description, preferred: Option<Codec>) -> Option<Stream> {
        let (codec, payload_type) = peer.choose(preferred)?;
        Some(self.stream(peer, codec, payload_type, peer.telephone_event))
    }

    /// What follows from our answer to a peer's offer.
    pub(crate) fn settled(&self, peer: &Description, ours: &Answer) -> Stream {
        self.stream(peer, ours.codec, ours.payload_type, ours.telephone_event)
    }

    fn stream(&self, peer: &Description, codec: Codec, payload_type: u8, telephone_event: Option<u8>) -> Stream {
        Stream {
            rtp: peer.rtp,
            rtcp: peer.rtcp,
            codec,
            payload_type,
            telephone_event,
            sending: peer.direction.receives() && self.limit.sends() && can_send(peer.rtp),
            receiving: peer.direction.sends() && self.limit.receives(),
        }
    }
}

/// The codecs of a description, in its order.
pub(crate) fn codecs(of: &Description) -> Vec<Codec> {
    of.codecs.iter().map(|it| it.0).collect()
}

fn can_send(to: SocketAddr) -> bool {
    !to.ip().is_unspecified() && to.port() != 0
}
